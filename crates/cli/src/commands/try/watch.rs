//! Shows how far an experiment is, and hears Ctrl-C.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_lab::execute::{Observer, Tally};

use crate::interrupt::Listening;
use crate::terminal::{Terminal, printable};

/// Watches one model's run.
pub(super) struct Watch {
    bar: Option<ProgressBar>,
    listening: Listening,
    is_interrupted: bool,
}

impl Watch {
    pub(super) fn begin(model: &str, terminal: &Terminal) -> Self {
        let bar = terminal.shows_progress().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let template = "{prefix}  {bar:24}  {pos} of {len}  {msg}  {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▌ "));
            }
            bar.set_prefix(printable(model));
            bar
        });
        Self { bar, listening: Listening::begin(), is_interrupted: false }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Watch {
    fn tally(&mut self, tally: &Tally) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(tally.of as u64);
        bar.set_position(tally.samples as u64);
        let speed = tally.tokens as f64 / bar.elapsed().as_secs_f64().max(1e-3);
        let mut message = format!("{speed:.0} tokens/s");
        if tally.cost > 0.0 {
            message += &format!("  {:.4} USD", tally.cost);
        }
        if tally.failures > 0 {
            message += &format!("  {} failed", tally.failures);
        }
        bar.set_message(message);
    }

    fn is_interrupted(&mut self) -> bool {
        self.is_interrupted |= self.listening.was_pressed();
        self.is_interrupted
    }
}
