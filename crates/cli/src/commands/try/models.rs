//! Who answers: models of this machine, or an endpoint.

use mynah_lab::design::schedule;
use mynah_lab::execute::estimate;
use mynah_lab::experiment::Experiment;
use mynah_lab::respond::endpoint::{Endpoint, Price, Secret};
use mynah_lab::respond::{Prompt, Responder};

use super::args::Args;
use crate::answering::{self, WIDTH};
use crate::session::{CacheFormatArg, ModelArgs, SamplingArgs, Session};
use crate::terminal::Terminal;

/// The models that answer, by name.
pub(super) struct Models<'a> {
    args: &'a Args,
    names: Vec<Option<String>>,
    key: Option<Secret>,
}

impl<'a> Models<'a> {
    /// The models that flags or the file name; nothing is loaded yet.
    ///
    /// # Errors
    /// If the key cannot be read.
    pub(super) fn new(args: &'a Args, experiment: &Experiment) -> anyhow::Result<Self> {
        let mut names: Vec<Option<String>> = experiment.models.iter().cloned().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        let key = match &args.endpoint {
            None => None,
            Some(_) => answering::endpoint_key(args.key_file.as_deref())?,
        };
        Ok(Self { args, names, key })
    }

    pub(super) fn names(&self) -> &[Option<String>] {
        &self.names
    }

    /// Says what an endpoint may cost, before anything is asked of it.
    pub(super) fn tell_cost(&self, experiment: &Experiment, terminal: &Terminal) {
        let Some((input, output)) = self.args.price else { return };
        let cost = estimate(experiment, Price { input, output }) * self.names.len() as f64;
        let cap = match experiment.budget.cost {
            Some(cap) => format!("; it ends at {cap:.2} USD"),
            None => String::new(),
        };
        terminal
            .note(&format!("this costs {cost:.4} USD at most, by the lengths of the prompts{cap}"));
    }

    /// Loads a model and lets `work` use it for prompts of this size.
    ///
    /// # Errors
    /// If it cannot be loaded, or `work` fails.
    pub(super) fn with<T>(
        &self,
        name: Option<&str>,
        size: &Size,
        terminal: &Terminal,
        work: &mut dyn FnMut(&mut dyn Responder) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if let (Some(url), Some(name)) = (&self.args.endpoint, name) {
            return work(&mut self.endpoint(url, name)?);
        }
        let args = model_args(name, self.args.threads);
        let (session, pool) = Session::open(&args, terminal)?;
        let longest = answering::tokens(&session, &size.longest)?.len();
        let n_positions = 2 * WIDTH * (longest + size.max_tokens);
        let mut engine = session.engine(pool, n_positions);
        let recommended = SamplingArgs::default().params(&session.facts, &session.tokenizer)?;
        work(&mut answering::local(&session, &mut engine, recommended, WIDTH))
    }

    fn endpoint(&self, url: &str, model: &str) -> anyhow::Result<Endpoint> {
        let args = self.args;
        let price = args.price.map(|(input, output)| Price { input, output });
        let key = self.key.clone();
        answering::endpoint(url, model, key, args.concurrency, args.per_minute, price)
    }
}

/// How a model is loaded that nobody has set up otherwise.
pub(super) fn model_args(name: Option<&str>, threads: Option<usize>) -> ModelArgs {
    ModelArgs {
        model: name.map(str::to_owned),
        adapter: None,
        adapter_strength: 1.0,
        template: None,
        context: None,
        cache_format: CacheFormatArg::F16,
        threads,
        draft: None,
        prompt_lookup: false,
    }
}

/// How much room prompts and answers need.
pub(super) struct Size {
    longest: Prompt,
    max_tokens: usize,
}

impl Size {
    /// That of an experiment's prompts.
    pub(super) fn of(experiment: &Experiment) -> Self {
        let cells = schedule(&experiment.layout(), 0).into_iter().filter(|cell| cell.repeat == 0);
        let prompts = cells.map(|cell| experiment.prompt(&cell));
        Self::of_prompts(prompts, experiment.sampling.max_tokens)
    }

    /// That of prompts whose answers have at most so many tokens: the longest by its characters.
    pub(super) fn of_prompts(prompts: impl IntoIterator<Item = Prompt>, max_tokens: usize) -> Self {
        let length =
            |prompt: &Prompt| prompt.user.len() + prompt.system.as_ref().map_or(0, String::len);
        let longest = prompts.into_iter().max_by_key(length);
        let longest = longest.unwrap_or(Prompt::default());
        Self { longest, max_tokens }
    }
}
