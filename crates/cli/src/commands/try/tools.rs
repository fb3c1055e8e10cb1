//! What checks need beside the answers: other models, each loaded when it is first asked for.

use std::collections::HashMap;
use std::sync::Arc;

use mynah_kernels::{CacheFormat, PAGE, Pool};
use mynah_lab::check::Tools;
use mynah_lab::respond::{Answer, Desk, Prompt, Request, RespondError, Sampling};
use mynah_model::forward::{Batch, KvCache, Row, Scratch, Sequence};
use mynah_model::tokenizer::SpecialText;

use super::args::Args;
use super::models::{Models, Size, model_args};
use crate::commands::embed::{self, Encoder};
use crate::session::{Message, Session};
use crate::terminal::Terminal;

/// How many rows of logits are computed at once: a large vocabulary takes a megabyte for each.
const ROWS: usize = 32;

/// Other models of this machine; a judge may also be asked at the endpoint.
pub(super) struct LocalTools<'t> {
    args: &'t Args,
    models: &'t Models<'t>,
    terminal: &'t Terminal,
    encoder: Option<Encoder>,
    readers: HashMap<String, Reader>,
}

impl<'t> LocalTools<'t> {
    pub(super) fn new(args: &'t Args, models: &'t Models<'t>, terminal: &'t Terminal) -> Self {
        Self { args, models, terminal, encoder: None, readers: HashMap::new() }
    }
}

impl Tools for LocalTools<'_> {
    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        if self.encoder.is_none() {
            let threads = self.args.threads;
            let encoder = Encoder::open(embed::DEFAULT_MODEL, threads, true, self.terminal);
            self.encoder = Some(encoder.map_err(|error| in_words(&error))?);
        }
        let Some(encoder) = &mut self.encoder else { return Ok(Vec::new()) };
        let texts: Vec<_> = texts.iter().map(|text| (0, (*text).to_owned())).collect();
        encoder.encode(&texts).map_err(|error| in_words(&error))
    }

    fn log_probability(&mut self, model: &str, prompt: &str, text: &str) -> Result<f64, String> {
        if !self.readers.contains_key(model) {
            let args = model_args(Some(model), self.args.threads);
            let (session, pool) =
                Session::open(&args, self.terminal).map_err(|error| in_words(&error))?;
            self.readers.insert(model.to_owned(), Reader::new(session, pool));
        }
        let Some(reader) = self.readers.get_mut(model) else { return Ok(0.0) };
        reader.log_probability(prompt, text).map_err(|error| in_words(&error))
    }

    fn ask(
        &mut self,
        model: &str,
        prompts: &[Prompt],
        sampling: &Sampling,
        seed: u64,
    ) -> Result<Vec<Answer>, String> {
        let size = Size::of_prompts(prompts.iter().cloned(), sampling.max_tokens);
        let mut questions = Questions {
            prompts: prompts.iter().cloned().map(Arc::new).collect(),
            seed,
            next: 0,
            answers: vec![None; prompts.len()],
        };
        let mut work = |responder: &mut dyn mynah_lab::respond::Responder| {
            Ok(responder.respond(sampling, &mut questions)?)
        };
        self.models
            .with(Some(model), &size, self.terminal, &mut work)
            .map_err(|error| in_words(&error))?;
        let answers = questions.answers.into_iter().collect::<Option<Vec<_>>>();
        answers.ok_or_else(|| format!("{model} left questions without an answer"))
    }
}

fn in_words(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

/// A desk for questions that all have to be answered.
struct Questions {
    prompts: Vec<Arc<Prompt>>,
    seed: u64,
    next: usize,
    answers: Vec<Option<Answer>>,
}

impl Desk for Questions {
    fn next(&mut self) -> Option<Request> {
        let (id, prompt) = (self.next, Arc::clone(self.prompts.get(self.next)?));
        self.next += 1;
        Some(Request { id, prompt, seed: self.seed, repeat: 0 })
    }

    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError> {
        self.answers[id] = Some(answer);
        Ok(())
    }

    fn failed(&mut self, _: usize, reason: &str, _: f64) -> Result<(), RespondError> {
        Err(RespondError::Responder(reason.to_owned()))
    }

    fn is_stopped(&mut self) -> bool {
        false
    }
}

/// A model that says how likely texts are.
struct Reader {
    session: Session,
    pool: Pool,
    scratch: Scratch,
}

impl Reader {
    fn new(session: Session, pool: Pool) -> Self {
        Self { session, pool, scratch: Scratch::new() }
    }

    /// The mean log-probability of the tokens of `text` after `prompt`, or from the beginning; if
    /// the model has no token for a beginning, the first token is only read.
    fn log_probability(&mut self, prompt: &str, text: &str) -> anyhow::Result<f64> {
        let session = &self.session;
        let mut tokens = if prompt.is_empty() {
            session.tokenizer.bos().into_iter().collect()
        } else {
            session.prompts.conversation(None, &[Message::user(prompt)])?
        };
        let first = tokens.len().max(1);
        tokens.extend(session.tokenizer.encode(text, SpecialText::AsText));
        let (model, name) = (&session.model, &session.identity.name);
        anyhow::ensure!(tokens.len() > first, "a text of so few tokens has no perplexity");
        anyhow::ensure!(
            tokens.len() <= session.context,
            "a text of {} tokens is longer than the {} that {name} reads",
            tokens.len(),
            session.context
        );
        let n_pages = tokens.len().div_ceil(PAGE);
        let mut cache = KvCache::new(model.architecture(), CacheFormat::F16, n_pages);
        let pages: Vec<u32> = (0..n_pages as u32).collect();
        let sequences = [Sequence { pages: &pages, adapter: None }];
        let n_vocab = model.architecture().n_vocab;
        let mut sum = 0.0;
        for start in (0..tokens.len() - 1).step_by(ROWS) {
            let positions = start..(start + ROWS).min(tokens.len() - 1);
            let row = |position: usize| Row {
                token: tokens[position],
                position: position as u32,
                sequence: 0,
                wants_logits: position + 1 >= first,
            };
            let rows: Vec<Row> = positions.clone().map(row).collect();
            let batch = Batch { rows: &rows, sequences: &sequences };
            let logits = model.forward(&mut self.pool, batch, &mut cache, &mut self.scratch)?;
            let seen = positions.filter(|position| position + 1 >= first);
            for (logits, position) in logits.chunks_exact(n_vocab).zip(seen) {
                sum += log_probability_of(logits, tokens[position + 1]);
            }
        }
        Ok(sum / (tokens.len() - first) as f64)
    }
}

/// The logarithm of a token's share in the softmax of the logits.
fn log_probability_of(logits: &[f32], token: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    f64::from(logits[token as usize] - largest) - sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_share_is_that_of_the_softmax() {
        let logits = [1.0f32, 3.0, 2.0];
        let sum = 1.0f64.exp() + 3.0f64.exp() + 2.0f64.exp();
        for (token, logit) in logits.iter().enumerate() {
            let expected = f64::from(*logit) - sum.ln();
            assert!((log_probability_of(&logits, token as u32) - expected).abs() < 1e-12);
        }
    }
}
