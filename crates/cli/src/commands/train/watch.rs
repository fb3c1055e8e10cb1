//! Shows a run: a bar on a terminal, plain lines elsewhere.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_train::config::Config;
use mynah_train::journal::Event;
use mynah_train::rules;
use mynah_train::run::Watch;
use mynah_train::trainer::{State, StepReport};

use crate::interrupt::Listening;
use crate::terminal::{Terminal, printable};

/// How many lines there are off a terminal, about.
const LINES: u64 = 40;

/// Over about how many steps speed and loss are averaged.
const MEMORY: f64 = 20.0;

/// What a run comes to, from step to step.
pub(super) struct Progress {
    steps: u64,
    tokens_per_step: f64,
    flops_per_step: f64,
    peak: f64,
    /// When the last step ended, in seconds of the run, and how long steps take.
    last: f64,
    per_step: f64,
    loss: f64,
    bits: f64,
    seen: u64,
    pub(super) step: u64,
}

impl Progress {
    pub(super) fn new(config: &Config, peak: f64, state: State) -> Self {
        let tokens_per_step = config.tokens_per_step() as f64;
        Self {
            steps: config.schedule.steps,
            tokens_per_step,
            flops_per_step: rules::flops_per_token(config) * tokens_per_step,
            peak,
            last: state.seconds,
            per_step: 0.0,
            loss: 0.0,
            bits: 0.0,
            seen: 0,
            step: state.step,
        }
    }

    pub(super) fn add(&mut self, report: &StepReport, seconds: f64) {
        self.seen += 1;
        let share = (1.0 / self.seen as f64).max(1.0 / MEMORY);
        self.per_step += share * (seconds - self.last - self.per_step);
        self.loss += share * (report.loss - self.loss);
        self.bits += share * (report.bits_per_byte - self.bits);
        (self.last, self.step) = (seconds, report.step);
    }

    pub(super) fn tokens_per_second(&self) -> f64 {
        self.tokens_per_step / self.per_step.max(1e-9)
    }

    pub(super) fn share_of_peak(&self) -> f64 {
        self.flops_per_step / self.per_step.max(1e-9) / self.peak
    }

    pub(super) fn seconds_left(&self) -> f64 {
        (self.steps - self.step) as f64 * self.per_step
    }

    /// One line about it.
    pub(super) fn line(&self) -> String {
        format!(
            "loss {:.3}  {:.3} bits/byte  {:.0} tokens/s  {:.0} % of peak  {} left",
            self.loss,
            self.bits,
            self.tokens_per_second(),
            100.0 * self.share_of_peak(),
            time(self.seconds_left())
        )
    }
}

/// Seconds as minutes and seconds.
pub(super) fn time(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..3600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3600, s % 3600 / 60, s % 60),
    }
}

/// Shows a run line by line.
pub(super) struct Lines<'t> {
    terminal: &'t Terminal,
    progress: Progress,
    bar: Option<ProgressBar>,
    listening: Listening,
    begun: Instant,
    every: u64,
}

impl<'t> Lines<'t> {
    pub(super) fn new(
        terminal: &'t Terminal,
        config: &Config,
        peak: f64,
        state: State,
        listening: Listening,
    ) -> Self {
        let steps = config.schedule.steps;
        let bar = terminal.shows_progress().then(|| {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:24}  {pos}/{len}  {msg}") {
                bar.set_style(style.progress_chars("█▌ "));
            }
            bar.set_position(state.step);
            bar
        });
        let every = (steps / LINES).max(1);
        let progress = Progress::new(config, peak, state);
        Self { terminal, progress, bar, listening, begun: Instant::now(), every }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.terminal.note(text)),
            None => self.terminal.note(text),
        }
    }
}

impl Watch for Lines<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step { report, seconds } => {
                self.progress.add(report, *seconds);
                if report.skipped {
                    let StepReport { step, loss, .. } = report;
                    self.note(&format!("step {step}: the loss jumps to {loss:.3}; not taken"));
                }
                let steps = self.progress.steps;
                if let Some(bar) = &self.bar {
                    bar.set_message(self.progress.line());
                    bar.set_position(report.step);
                } else if report.step.is_multiple_of(self.every) || report.step == steps {
                    self.note(&format!("step {}/{steps}  {}", report.step, self.progress.line()));
                }
            }
            Event::Evaluated { step, evaluation } => self.note(&format!(
                "step {step}: held-out text, {:.4} bits/byte",
                evaluation.bits_per_byte
            )),
            Event::Sample { prompt, text, .. } => {
                self.note(&format!("  {}▸{}", printable(prompt), printable(text)));
            }
            Event::Saved { .. } => {}
        }
    }

    fn wants_stop(&mut self) -> bool {
        self.listening.was_pressed()
    }

    fn seconds(&mut self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use mynah_train::config::Settings;
    use mynah_train::rules::Given;

    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let given = Given { vocabulary: 1000, steps: 100, tokens: 1, depth: Some(1) };
        let config = Settings::default().resolve(&given).unwrap();
        let peak = 10.0 * rules::flops_per_token(&config) * 8192.0;
        let mut progress = Progress::new(&config, peak, State::default());
        for step in 1..=40 {
            let report = StepReport {
                step,
                loss: 3.0,
                bits_per_byte: 1.25,
                gradient: 1.0,
                rate: 1.0,
                skipped: false,
            };
            progress.add(&report, 0.5 * step as f64);
        }
        let expected = "loss 3.000  1.250 bits/byte  16384 tokens/s  20 % of peak  0:30 left";
        assert_eq!(progress.line(), expected);
        assert_eq!(time(3725.0), "1:02:05");
    }
}
