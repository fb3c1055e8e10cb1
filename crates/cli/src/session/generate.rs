//! One request from its submission to its end, watched and timed.

use std::time::{Duration, Instant};

use mynah_engine::{Engine, Event, Finish, Request, Token};
use mynah_model::tokenizer::StreamDecoder;

/// Sees answers grow.
pub(crate) trait Watch {
    /// The request was taken.
    fn begun(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The next characters of an answer.
    fn text(&mut self, sample: usize, text: &str) -> anyhow::Result<()>;

    /// An answer is whole.
    fn ended(&mut self, answer: &Answer) -> anyhow::Result<()>;

    /// Whether the person wants no more of it.
    fn is_stopped(&mut self) -> bool {
        false
    }
}

/// Sees nothing: for output that is written at the end.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn text(&mut self, _: usize, _: &str) -> anyhow::Result<()> {
        Ok(())
    }

    fn ended(&mut self, _: &Answer) -> anyhow::Result<()> {
        Ok(())
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Which of the answers to its prompt it is, from 0.
    pub(crate) sample: usize,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) finish: Finish,
}

/// How long things took, and how much there was to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: usize,
    /// Those of them that were in the cache already.
    pub(crate) prompt_cached: usize,
    /// From submission to the first token.
    pub(crate) first_token: Duration,
    /// From submission to the end.
    pub(crate) total: Duration,
    /// Tokens of all answers.
    pub(crate) n_tokens: usize,
    /// Tokens that came with the first: one for each answer that began with it.
    pub(crate) n_first_tokens: usize,
    /// Passes over the weights after the first token.
    pub(crate) n_later_steps: u64,
    /// Guesses of a speculator, and those that were right.
    pub(crate) n_guessed: u64,
    pub(crate) n_guessed_right: u64,
}

impl Timing {
    /// Tokens of the prompt that were computed, each second until the first token.
    pub(crate) fn prompt_tokens_per_s(&self) -> Option<f64> {
        per_second((self.prompt_tokens - self.prompt_cached) as f64, self.first_token)
    }

    /// Tokens after the first, each second.
    pub(crate) fn tokens_per_s(&self) -> Option<f64> {
        per_second((self.n_tokens - self.n_first_tokens) as f64, self.after_first())
    }

    /// Passes over the weights, each second after the first token.
    pub(crate) fn steps_per_s(&self) -> Option<f64> {
        per_second(self.n_later_steps as f64, self.after_first())
    }

    fn after_first(&self) -> Duration {
        self.total.saturating_sub(self.first_token)
    }
}

fn per_second(n: f64, time: Duration) -> Option<f64> {
    (n > 0.0 && !time.is_zero()).then(|| n / time.as_secs_f64())
}

/// Submits a request and advances the engine until all its answers have ended. Nothing else may be
/// in flight.
///
/// # Errors
/// If the request is refused, the engine fails, or the watcher does.
pub(crate) fn generate(
    engine: &mut Engine,
    request: Request,
    watch: &mut dyn Watch,
) -> anyhow::Result<(Vec<Answer>, Timing)> {
    let n_samples = request.n_samples;
    let before = engine.counts();
    let mut timing = Timing { prompt_tokens: request.prompt.len(), ..Timing::default() };
    let start = Instant::now();
    let id = engine.submit(request)?;
    watch.begun()?;
    let mut growing: Vec<Growing> = (0..n_samples).map(|_| Growing::default()).collect();
    let mut answers = Vec::with_capacity(n_samples);
    let mut steps_at_first = None;
    while answers.len() < n_samples {
        if watch.is_stopped() {
            engine.cancel(id, None);
        }
        let events = engine.step()?;
        timing.total = start.elapsed();
        let n_tokens: usize = events.iter().map(|event| event.tokens.len()).sum();
        timing.n_tokens += n_tokens;
        if n_tokens > 0 && steps_at_first.is_none() {
            steps_at_first = Some(engine.counts().steps);
            (timing.first_token, timing.n_first_tokens) = (timing.total, n_tokens);
        }
        for event in events.into_iter().filter(|event| event.request == id) {
            answers.extend(growing[event.sample].grow(event, watch)?);
        }
    }
    let after = engine.counts();
    timing.n_later_steps = steps_at_first.map_or(0, |steps| after.steps - steps);
    timing.prompt_cached =
        timing.prompt_tokens.min((after.prompt_cached - before.prompt_cached) as usize);
    timing.n_guessed = after.guessed - before.guessed;
    timing.n_guessed_right = after.guessed_right - before.guessed_right;
    answers.sort_by_key(|answer: &Answer| answer.sample);
    Ok((answers, timing))
}

/// An answer that is not whole yet.
#[derive(Default)]
struct Growing {
    decoder: StreamDecoder,
    text: String,
    tokens: Vec<Token>,
}

impl Growing {
    /// Takes what a step brought, and returns the answer if that was the last of it.
    fn grow(&mut self, event: Event, watch: &mut dyn Watch) -> anyhow::Result<Option<Answer>> {
        let Event { sample, tokens, text, finish, .. } = event;
        self.tokens.extend(tokens);
        let mut new = self.decoder.push(&text);
        if finish.is_some() {
            new.push_str(&self.decoder.finish());
        }
        if !new.is_empty() {
            self.text.push_str(&new);
            watch.text(sample, &new)?;
        }
        let Some(finish) = finish else { return Ok(None) };
        let (text, tokens) = (std::mem::take(&mut self.text), std::mem::take(&mut self.tokens));
        let answer = Answer { sample, text, tokens, finish };
        watch.ended(&answer)?;
        Ok(Some(answer))
    }
}
