//! Who answers: models of this machine, or an endpoint.

use mynah_lab::design::schedule;
use mynah_lab::execute::estimate;
use mynah_lab::experiment::Experiment;
use mynah_lab::respond::endpoint::{Endpoint, Patience, Price, Secret, Settings};
use mynah_lab::respond::{Identity, Local, Prompt, Responder};

use super::args::Args;
use crate::environment;
use crate::failure::{Hint as _, Misuse};
use crate::key;
use crate::session::{CacheFormatArg, Message, ModelArgs, SamplingArgs, Session};
use crate::terminal::Terminal;

/// How many answers the engine computes at once: from here on it gets little faster.
const WIDTH: usize = 32;

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
        let key = match (&args.endpoint, &args.key_file) {
            (None, _) => None,
            (Some(_), Some(file)) => Some(Secret::new(&key::read(file)?)),
            (Some(_), None) => environment::api_key().map(|key| Secret::new(&key)),
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
        let tokenize = |prompt: &Prompt| {
            let messages = [Message::user(prompt.user.as_str())];
            let tokens = session.prompts.conversation(prompt.system.as_deref(), &messages);
            tokens.map_err(|error| format!("{error:#}"))
        };
        let longest = tokenize(&size.longest).map_err(anyhow::Error::msg)?.len();
        let n_positions = 2 * WIDTH * (longest + size.max_tokens);
        let mut engine = session.engine(pool, n_positions);
        let recommended = SamplingArgs::default().params(&session.facts, &session.tokenizer)?;
        let identity = &session.identity;
        let fingerprint = identity.sha256.clone();
        let identity = Identity {
            name: identity.name.clone(),
            // A file that nobody fetched is not read for its checksum: where it lies names it.
            fingerprint: fingerprint.unwrap_or_else(|| identity.path.display().to_string()),
        };
        work(&mut Local::new(&mut engine, identity, recommended, WIDTH, Box::new(tokenize)))
    }

    fn endpoint(&self, url: &str, model: &str) -> anyhow::Result<Endpoint> {
        let settings = Settings {
            url: url.to_owned(),
            model: model.to_owned(),
            key: self.key.clone(),
            concurrency: self.args.concurrency,
            per_minute: self.args.per_minute,
            price: self.args.price.map(|(input, output)| Price { input, output }),
            patience: Patience::default(),
        };
        Endpoint::new(settings)
            .map_err(|error| Misuse(error.to_string()))
            .hint("an endpoint is named like https://host/v1; plain http only on this machine")
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
