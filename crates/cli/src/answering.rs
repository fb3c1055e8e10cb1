//! Who answers: a model of this machine, an endpoint, or a transcript.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mynah_agent::transcript::{Recording, Transcript};
use mynah_engine::sampling::SamplingParams;
use mynah_respond::endpoint::{Endpoint, EndpointError, Patience, Price, Secret, Settings};
use mynah_respond::{Identity, Local, Prompt, Responder};

use crate::environment;
use crate::failure::{Hint as _, Misuse};
use crate::key;
use crate::session::{Message, ModelArgs, SamplingArgs, Session, at_least_one};
use crate::terminal::Terminal;

/// How many answers the engine computes at once: from here on it gets little faster.
pub(crate) const WIDTH: usize = 32;

/// Flags that let somebody else than a local model answer.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Endpoint")]
pub(crate) struct OtherArgs {
    /// Ask an endpoint that speaks OpenAI's protocol, such as https://host/v1, for the model that
    /// --model names; what you write is sent there
    #[arg(long, value_name = "URL", requires = "model")]
    pub(crate) endpoint: Option<String>,
    /// A file with the key, which only you may read; else the variable MYNAH_API_KEY
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    key_file: Option<PathBuf>,
    /// How many requests are open at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    concurrency: usize,
    /// Let a file answer instead of a model: JSON Lines with `answer`, in the order of the questions
    #[arg(long, value_name = "FILE", help_heading = "Transcript", conflicts_with = "endpoint")]
    transcript: Option<PathBuf>,
    /// Write what is answered to this file, for --transcript
    #[arg(long, value_name = "FILE", help_heading = "Transcript")]
    record: Option<PathBuf>,
}

/// How much room prompts and answers need in the cache.
pub(crate) struct Room {
    /// How many answers are in flight at once.
    pub(crate) width: usize,
    /// How many tokens prompt and answer of each have together.
    pub(crate) each: usize,
}

/// Finds out who answers, and lets `work` ask them.
///
/// # Errors
/// If there is nobody, or `work` fails.
pub(crate) fn with<T>(
    model: &ModelArgs,
    sampling: &SamplingArgs,
    other: &OtherArgs,
    room: &Room,
    terminal: &Terminal,
    work: &mut dyn FnMut(&mut dyn Responder) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut work = |responder: &mut dyn Responder| match &other.record {
        None => work(responder),
        Some(path) => {
            let mut file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            work(&mut Recording::new(responder, &mut file))
        }
    };
    if let Some(path) = &other.transcript {
        return work(&mut read_transcript(path)?);
    }
    if let (Some(url), Some(name)) = (&other.endpoint, &model.model) {
        let key = endpoint_key(other.key_file.as_deref())?;
        return work(&mut endpoint(url, name, key, other.concurrency, None, None)?);
    }
    let (session, pool) = Session::open(model, terminal)?;
    let params = sampling.params(&session.facts, &session.tokenizer)?;
    let each = room.each.min(session.context);
    let mut engine = session.engine(pool, room.width * each);
    work(&mut local(&session, &mut engine, params, room.width))
}

/// The engine as responder.
pub(crate) fn local<'e>(
    session: &'e Session,
    engine: &'e mut mynah_engine::Engine,
    recommended: SamplingParams,
    width: usize,
) -> Local<'e> {
    let fingerprint = session.identity.sha256.clone();
    let identity = Identity {
        name: session.identity.name.clone(),
        // A file that nobody fetched is not read for its checksum: where it lies names it.
        fingerprint: fingerprint.unwrap_or_else(|| session.identity.path.display().to_string()),
    };
    let tokenize = |prompt: &Prompt| tokens(session, prompt).map_err(|error| format!("{error:#}"));
    Local::new(engine, identity, recommended, width, Box::new(tokenize))
}

/// The tokens of a prompt.
///
/// # Errors
/// If the model takes no conversations.
pub(crate) fn tokens(session: &Session, prompt: &Prompt) -> anyhow::Result<Vec<u32>> {
    let earlier = prompt.earlier.iter().flat_map(|said| {
        [Message::user(said.user.as_str()), Message::assistant(said.answer.as_str())]
    });
    let messages: Vec<Message> = earlier.chain([Message::user(prompt.user.as_str())]).collect();
    session.prompts.conversation(prompt.system.as_deref(), &messages)
}

/// The key for an endpoint: that of a file, else of the environment.
///
/// # Errors
/// If the file cannot be read, or others can.
pub(crate) fn endpoint_key(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    match file {
        Some(file) => Ok(Some(Secret::new(&key::read(file)?))),
        None => Ok(environment::api_key().map(|key| Secret::new(&key))),
    }
}

/// An endpoint.
///
/// # Errors
/// If the address is none.
pub(crate) fn endpoint(
    url: &str,
    model: &str,
    key: Option<Secret>,
    concurrency: usize,
    per_minute: Option<f64>,
    price: Option<Price>,
) -> anyhow::Result<Endpoint> {
    let settings = Settings {
        url: url.to_owned(),
        model: model.to_owned(),
        key,
        concurrency,
        per_minute,
        price,
        patience: Patience::default(),
    };
    Endpoint::new(settings)
        .map_err(|error: EndpointError| Misuse(error.to_string()))
        .hint("an endpoint is named like https://host/v1; plain http only on this machine")
}

fn read_transcript(path: &Path) -> anyhow::Result<Transcript> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Misuse(format!("cannot read {}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Transcript::read(&name, &text)
        .map_err(|error| Misuse(format!("{}: {error}", path.display())))
        .hint("each line is like {\"answer\": \"…\"}")
}
