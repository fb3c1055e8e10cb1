//! Shows a run on the whole screen: curves, samples, how far it is. `q` stops it.

use std::io::{self, Stderr};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mynah_train::config::Config;
use mynah_train::journal::Event;
use mynah_train::run::Watch;
use mynah_train::trainer::State;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Wrap};
use ratatui::{Frame, Terminal};

use super::watch::Progress;
use crate::terminal::printable;

/// How often the screen is drawn at most.
const PAUSE: Duration = Duration::from_millis(100);

/// How many points a curve has at most: more than any terminal has columns.
const MOST_POINTS: usize = 1024;

/// How many samples are kept to be shown.
const SAMPLES: usize = 12;

/// A curve of any length in bounded memory: when it is full, every two points become one.
#[derive(Debug)]
struct Curve {
    points: Vec<(f64, f64)>,
    /// How many values a point is the mean of.
    each: usize,
    sum: f64,
    n: usize,
}

impl Curve {
    fn new() -> Self {
        Self { points: Vec::new(), each: 1, sum: 0.0, n: 0 }
    }

    fn add(&mut self, step: u64, value: f64) {
        self.sum += value;
        self.n += 1;
        if self.n < self.each {
            return;
        }
        self.points.push((step as f64, self.sum / self.n as f64));
        (self.sum, self.n) = (0.0, 0);
        if self.points.len() >= MOST_POINTS {
            let joined = |pair: &[(f64, f64)]| (pair[1].0, f64::midpoint(pair[0].1, pair[1].1));
            self.points = self.points.chunks_exact(2).map(joined).collect();
            self.each *= 2;
        }
    }
}

/// What is on the screen.
struct View {
    name: String,
    progress: Progress,
    steps: u64,
    learnt: Curve,
    held: Curve,
    samples: Vec<(u64, String, String)>,
    said: String,
}

impl View {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Step { report, seconds } => {
                self.progress.add(report, *seconds);
                self.learnt.add(report.step, report.bits_per_byte);
                if report.skipped {
                    self.said = format!("step {}: the loss jumped; not taken", report.step);
                }
            }
            Event::Evaluated { step, evaluation } => {
                self.held.add(*step, evaluation.bits_per_byte);
            }
            Event::Sample { step, prompt, text } => {
                self.samples.insert(0, (*step, printable(prompt), printable(text)));
                self.samples.truncate(SAMPLES);
            }
            Event::Saved { step } => self.said = format!("kept after step {step}"),
        }
    }

    fn draw(&self, frame: &mut Frame) {
        let [top, curves, samples, bottom] = Layout::vertical([
            Constraint::Length(3),
            Constraint::Fill(3),
            Constraint::Fill(2),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_progress(frame, top);
        self.draw_curves(frame, curves);
        self.draw_samples(frame, samples);
        let keys = Line::from(vec![
            Span::styled(" q ", Style::new().add_modifier(Modifier::REVERSED)),
            Span::raw(" stop and keep what was learnt   "),
            Span::styled(self.said.clone(), Style::new().add_modifier(Modifier::DIM)),
        ]);
        frame.render_widget(keys, bottom);
    }

    fn draw_progress(&self, frame: &mut Frame, area: Rect) {
        let share = self.progress.step as f64 / self.steps.max(1) as f64;
        let gauge =
            Gauge::default()
                .block(Block::bordered().title(format!(
                    " {}: step {} of {} ",
                    self.name, self.progress.step, self.steps
                )))
                .gauge_style(Style::new().fg(Color::Blue))
                .ratio(share.clamp(0.0, 1.0))
                .label(self.progress.line());
        frame.render_widget(gauge, area);
    }

    fn draw_curves(&self, frame: &mut Frame, area: Rect) {
        let values = || self.learnt.points.iter().chain(&self.held.points).map(|point| point.1);
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(f64::NEG_INFINITY, f64::max);
        let (least, most) = if least < most { (least, most) } else { (0.0, 1.0) };
        let label = |value: f64| format!("{value:.2}");
        let curve = |name, points, marker, colour| {
            Dataset::default()
                .name(name)
                .data(points)
                .marker(marker)
                .graph_type(GraphType::Line)
                .style(Style::new().fg(colour))
        };
        let steps = self.steps as f64;
        let chart = Chart::new(vec![
            curve("training", &self.learnt.points, Marker::Braille, Color::Blue),
            curve("held out", &self.held.points, Marker::Braille, Color::Yellow),
        ])
        .block(Block::bordered().title(" bits per byte "))
        .x_axis(
            Axis::default()
                .bounds([0.0, steps])
                .labels([0.0, steps / 2.0, steps].map(|step| format!("{step:.0}"))),
        )
        .y_axis(
            Axis::default()
                .bounds([least, most])
                .labels([least, f64::midpoint(least, most), most].map(label)),
        );
        frame.render_widget(chart, area);
    }

    fn draw_samples(&self, frame: &mut Frame, area: Rect) {
        let lines: Vec<Line> = self
            .samples
            .iter()
            .map(|(step, prompt, text)| {
                Line::from(vec![
                    Span::styled(format!("{step:>6}  "), Style::new().add_modifier(Modifier::DIM)),
                    Span::styled(prompt.clone(), Style::new().add_modifier(Modifier::BOLD)),
                    Span::raw(text.replace('\n', " ")),
                ])
            })
            .collect();
        let text = Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .block(Block::bordered().title(" samples "));
        frame.render_widget(text, area);
    }
}

/// The screen, which is given back when this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    view: View,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Screen {
    /// Takes the screen. `events`: what happened before, if the run goes on.
    pub(super) fn new(
        name: &str,
        config: &Config,
        peak: f64,
        state: State,
        events: &[Event],
    ) -> anyhow::Result<Self> {
        let mut view = View {
            name: name.to_owned(),
            progress: Progress::new(config, peak, State::default()),
            steps: config.schedule.steps,
            learnt: Curve::new(),
            held: Curve::new(),
            samples: Vec::new(),
            said: String::new(),
        };
        events.iter().for_each(|event| view.add(event));
        view.progress = Progress::new(config, peak, state);
        let take = || {
            enable_raw_mode()?;
            execute!(io::stderr(), EnterAlternateScreen, cursor::Hide)?;
            Terminal::new(CrosstermBackend::new(io::stderr()))
        };
        let terminal = take().inspect_err(|_| give_back());
        let terminal = terminal.context("cannot draw on this terminal")?;
        let mut screen = Self { terminal, view, begun: Instant::now(), drawn: None };
        screen.draw();
        Ok(screen)
    }

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        // A terminal that is gone is not worth ending a run for.
        let _ = self.terminal.draw(|frame| self.view.draw(frame));
    }
}

fn give_back() {
    let _ = execute!(io::stderr(), LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

impl Watch for Screen {
    fn event(&mut self, event: &Event) {
        self.view.add(event);
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw();
        }
    }

    fn wants_stop(&mut self) -> bool {
        while let Ok(true) = event::poll(Duration::ZERO) {
            let Ok(event) = event::read() else { break };
            if event.is_resize() {
                self.draw();
            }
            let Some(key) = event.as_key_event() else { continue };
            let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
            let ends = match key.code {
                KeyCode::Char('c') => is_control,
                KeyCode::Char('q') | KeyCode::Esc => true,
                _ => false,
            };
            if ends && key.kind == KeyEventKind::Press {
                return true;
            }
        }
        false
    }

    fn seconds(&mut self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use mynah_train::config::Settings;
    use mynah_train::evaluate::Evaluation;
    use mynah_train::rules::Given;
    use mynah_train::trainer::StepReport;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn a_curve_of_any_length_stays_small() {
        let mut curve = Curve::new();
        (1..=100_000).for_each(|step| curve.add(step, step as f64));
        assert!(curve.points.len() < MOST_POINTS && curve.points.len() > MOST_POINTS / 4);
        assert!(curve.points.iter().all(|&(step, value)| (step - value).abs() < 1000.0));
        assert!(curve.points.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn the_screen_shows_where_a_run_is_whatever_its_size() {
        let given = Given { vocabulary: 1000, steps: 100, tokens: 1, depth: Some(1) };
        let config = Settings::default().resolve(&given).unwrap();
        let mut view = View {
            name: "poems".to_owned(),
            progress: Progress::new(&config, 1e12, State::default()),
            steps: 100,
            learnt: Curve::new(),
            held: Curve::new(),
            samples: Vec::new(),
            said: String::new(),
        };
        for step in 1..=40 {
            let bits_per_byte = 4.0 - 0.05 * step as f64;
            let report = StepReport {
                step,
                loss: 3.0,
                bits_per_byte,
                gradient: 1.0,
                rate: 1.0,
                skipped: false,
            };
            view.add(&Event::Step { report, seconds: step as f64 });
        }
        let evaluation = Evaluation { loss: 3.0, bits_per_byte: 2.5, tokens: 1 };
        view.add(&Event::Evaluated { step: 40, evaluation });
        let (prompt, text) = ("Once".to_owned(), " upon\x1b[31m a time".to_owned());
        view.add(&Event::Sample { step: 40, prompt, text });
        view.add(&Event::Saved { step: 40 });
        let drawn = |width, height| {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| view.draw(frame)).unwrap();
            terminal.backend().to_string()
        };
        let shown = drawn(100, 30);
        for text in ["poems: step 40 of 100", "kept after step 40", "Once upon", "3.95", "2.00"] {
            assert!(shown.contains(text), "{text} is not in\n{shown}");
        }
        assert!(!shown.contains('\x1b'), "{shown}");
        for (width, height) in [(1, 1), (10, 4), (300, 100)] {
            drawn(width, height);
        }
    }
}
