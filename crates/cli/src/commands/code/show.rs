//! What a person sees of the attempts.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_agent::ground::Standing;
use mynah_agent::trim::trimmed;
use mynah_agent::work::{Attempt, End, Outcome, Watch};
use mynah_lab::statistics::proportion::clopper_pearson;

use crate::printer::harmless;
use crate::terminal::Terminal;

/// How much of a program's output is shown beside its attempt.
const SHOWN_BYTES: usize = 4000;

/// Shows attempts on standard error as they are made.
pub(super) struct Show<'t> {
    terminal: &'t Terminal,
    /// Nothing but JSON is wanted.
    is_silent: bool,
    bar: Option<ProgressBar>,
}

impl<'t> Show<'t> {
    pub(super) fn new(terminal: &'t Terminal, is_silent: bool) -> Self {
        Self { terminal, is_silent, bar: None }
    }
}

impl Watch for Show<'_> {
    fn begun(&mut self, number: usize) {
        if !self.terminal.shows_progress() {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(format!("attempt {number}: writing and running"));
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        self.bar = Some(bar);
    }

    fn tried(&mut self, attempt: &Attempt) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.is_silent {
            return;
        }
        self.terminal.note(&harmless(&told(attempt)));
    }
}

impl Drop for Show<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// An attempt in words: the program, or what changed in it, and what it did.
fn told(attempt: &Attempt) -> String {
    let mut text = format!(
        "── attempt {}: {} ({} tokens, {:.1} s)\n",
        attempt.number,
        verdict(attempt),
        attempt.tokens,
        attempt.seconds
    );
    match (&attempt.changes, &attempt.source) {
        (Some(changes), _) if changes.is_empty() => text.push_str("the same program again\n"),
        (Some(changes), _) => text.push_str(changes),
        (None, Some(source)) => text.push_str(source),
        (None, None) => text.push_str(&trimmed(&attempt.answer, SHOWN_BYTES)),
    }
    if let Some(trial) = &attempt.trial {
        block(&mut text, "error", &trial.run.stderr);
        // What a program that works printed is the result, which follows.
        if trial.standing != Standing::Works {
            block(&mut text, "output", &trial.run.stdout);
        }
        for made in &trial.made {
            text.push_str(&format!("\nmade {} ({} bytes)", made.name, made.bytes));
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn block(text: &mut String, name: &str, said: &str) {
    if !said.trim().is_empty() {
        let said = trimmed(said, SHOWN_BYTES);
        text.push_str(&format!("\n── {name}\n{said}\n"));
    }
}

/// What became of an attempt, in a few words.
fn verdict(attempt: &Attempt) -> String {
    let said = attempt.trial.as_ref().map_or("", |trial| trial.said());
    match attempt.standing() {
        Standing::Works => "it works".to_owned(),
        Standing::NoProgram => "there is no program in the answer".to_owned(),
        Standing::Silent => "it printed and made nothing".to_owned(),
        Standing::TestsFailed if said.is_empty() => "a test failed".to_owned(),
        Standing::TestsFailed => format!("a test failed: {said}"),
        Standing::Failed if said.is_empty() => "it failed".to_owned(),
        Standing::Failed => format!("it failed: {said}"),
    }
}

/// Says how many candidates did the same.
pub(super) fn sureness(attempt: &Attempt, terminal: &Terminal) {
    let Some(agreement) = &attempt.agreement else { return };
    let (same, of) = (agreement.largest(), agreement.of);
    let interval = clopper_pearson(same as u64, of as u64, 0.05);
    let worked: usize = agreement.groups.iter().map(|group| group.members.len()).sum();
    terminal.note(&format!(
        "{same} of {of} candidates do the same ({:.0} %, 95 % interval {:.0} to {:.0} %); {worked} \
         run to their end, in {} groups",
        100.0 * same as f64 / of as f64,
        100.0 * interval.low,
        100.0 * interval.high,
        agreement.groups.len()
    ));
}

/// Shows the attempt that came farthest, if it is not the one that was shown last.
pub(super) fn closest(outcome: &Outcome, terminal: &Terminal) {
    let Some(closest) = outcome.closest() else { return };
    if closest.number != outcome.attempts.len()
        && let Some(source) = &closest.source
    {
        let number = closest.number;
        terminal.note(&harmless(&format!("── the closest attempt was {number}:\n{source}")));
    }
}

/// Why there is no result.
pub(super) fn why(outcome: &Outcome) -> String {
    let n = outcome.attempts.len();
    let (attempts, spent) = match outcome.end {
        End::TokensSpent => (n, ", and the tokens are spent"),
        End::TimeSpent => (n, ", and the time is spent"),
        End::Works | End::AttemptsSpent | End::Stopped => (n, ""),
    };
    let plural = if attempts == 1 { "attempt" } else { "attempts" };
    match outcome.closest() {
        Some(closest) => format!(
            "no program worked in {attempts} {plural}{spent}; of attempt {}, the closest: {}",
            closest.number,
            verdict(closest)
        ),
        None => format!("no program worked in {attempts} {plural}{spent}"),
    }
}
