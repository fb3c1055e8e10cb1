//! Keeps what was asked and answered, unless the person does not want that. What goes wrong here
//! never costs them their answer.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use mynah_engine::sampling::SamplingParams;
use mynah_store::{Message, Role, Store, Turn};
use serde_json::{Map, Value};

use crate::environment;
use crate::failure;
use crate::session::{Answer, ConstraintText, ModelArgs, Session, Timing};
use crate::terminal::Terminal;

/// Which file answers are kept in.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DatabaseArgs {
    /// The file that answers are kept in [default: `mynah logs path` tells]
    #[arg(long, value_name = "FILE", env = "MYNAH_DATABASE", hide_env_values = true)]
    #[arg(help_heading = "Log")]
    database: Option<PathBuf>,
}

impl DatabaseArgs {
    /// Where it is.
    ///
    /// # Errors
    /// If the system does not say where a person's data belong.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.database {
            Some(path) if !path.as_os_str().is_empty() => Ok(path.clone()),
            _ => environment::database(),
        }
    }

    /// Opens it, and makes it if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.path()?, SystemTime::now())?)
    }

    /// Opens it, if it is there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open_existing(&self) -> anyhow::Result<Option<Store>> {
        if self.path()?.exists() { self.open().map(Some) } else { Ok(None) }
    }
}

/// Whether and where an answer is kept.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// Do not keep what is asked and answered
    #[arg(long, help_heading = "Log")]
    no_log: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

impl LogArgs {
    /// Whether answers are to be kept, as far as the command line says.
    pub(crate) fn keeps(&self) -> bool {
        !self.no_log
    }

    /// Opens the file for something that is to be kept, unless the person does not want that.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open_to_keep(&self) -> anyhow::Result<Option<Store>> {
        if self.no_log {
            return Ok(None);
        }
        let store = self.database.open()?;
        Ok(store.records()?.then_some(store))
    }
}

/// Keeps turns.
pub(crate) struct Recorder {
    args: LogArgs,
    store: Option<Store>,
    /// The person was told once that it does not work.
    has_failed: bool,
}

impl Recorder {
    /// Opens nothing yet: an answer comes first.
    pub(crate) fn new(args: &LogArgs) -> Self {
        Self { args: args.clone(), store: None, has_failed: false }
    }

    /// Keeps turns of one conversation, and returns which that is. What goes wrong is said once.
    pub(crate) fn record(
        &mut self,
        thread: Option<&str>,
        turns: &[Turn],
        terminal: &Terminal,
    ) -> Option<String> {
        if self.args.no_log || self.has_failed {
            return None;
        }
        self.try_record(thread, turns).unwrap_or_else(|error| {
            let what = if turns.len() == 1 { "answer was" } else { "answers were" };
            failure::warn(&error.context(format!("the {what} not kept")), terminal);
            self.has_failed = true;
            None
        })
    }

    fn try_record(
        &mut self,
        thread: Option<&str>,
        turns: &[Turn],
    ) -> anyhow::Result<Option<String>> {
        let store = match &mut self.store {
            Some(store) => store,
            None => self.store.insert(self.args.database.open()?),
        };
        // Another process may have switched it off meanwhile.
        if !store.records()? {
            return Ok(None);
        }
        let mut ids = store.record_turns(thread, turns)?;
        Ok(ids.pop().map(|id| id.thread))
    }
}

/// What was asked, and how.
pub(crate) struct Asked<'a> {
    /// Which command asked.
    pub(crate) command: &'static str,
    pub(crate) session: &'a Session,
    pub(crate) model_args: &'a ModelArgs,
    pub(crate) messages: Vec<Message>,
    pub(crate) sampling: &'a SamplingParams,
    pub(crate) stop: &'a [String],
    /// How many tokens were asked for, if that was said.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) constraint: Option<&'a ConstraintText>,
    /// The prompt was continued as it is.
    pub(crate) raw: bool,
    pub(crate) at: SystemTime,
}

impl Asked<'_> {
    /// An answer to it, as it is kept.
    pub(crate) fn turn(&self, answer: &Answer, timing: &Timing) -> Turn {
        let schema = match self.constraint {
            Some(ConstraintText::Schema { text, .. }) => serde_json::from_str(text).ok(),
            _ => None,
        };
        Turn {
            command: self.command.to_owned(),
            model: self.session.identity.name.clone(),
            fingerprint: self.session.identity.sha256.clone(),
            messages: self.messages.clone(),
            answer: answer.text.clone(),
            sample: answer.sample as u32,
            seed: Some(self.sampling.seed),
            temperature: Some(decimal(self.sampling.temperature)),
            options: self.options(),
            schema,
            input_tokens: Some(timing.prompt_tokens as u64),
            cached_tokens: Some(timing.prompt_cached as u64),
            output_tokens: Some(answer.tokens.len() as u64),
            first_token: Some(timing.first_token),
            duration: Some(timing.total),
            finish: answer.finish.name().to_owned(),
            at: self.at,
        }
    }

    /// What the same answer can be drawn with.
    fn options(&self) -> Map<String, Value> {
        let mut options = self.sampling.told();
        let mut add = |name: &str, value: Option<Value>| {
            options.extend(value.map(|value| (name.to_owned(), value)));
        };
        let path = |path: &Path| Value::from(path.to_string_lossy());
        add("stop", (!self.stop.is_empty()).then(|| self.stop.into()));
        add("max_tokens", self.max_tokens.map(Value::from));
        add("raw", self.raw.then_some(true.into()));
        add("adapter", self.model_args.adapter.as_deref().map(path));
        let strength = self.model_args.adapter_strength;
        add("adapter_strength", (strength != 1.0).then(|| decimal(strength).into()));
        add("template", self.model_args.template.as_deref().map(path));
        match self.constraint {
            Some(ConstraintText::Regex(regex)) => add("regex", Some(regex.as_str().into())),
            Some(ConstraintText::Grammar { text, .. }) => {
                add("grammar", Some(text.as_str().into()));
            }
            _ => {}
        }
        options
    }
}

/// The number with the digits that a person wrote.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

/// What a person is told to look at when there is no log yet.
pub(crate) fn tell_empty(args: &DatabaseArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let path = args.path().context("there is no log")?;
    terminal.note(&format!("nothing is kept yet in {}", path.display()));
    terminal.hint("`mynah run` and `mynah chat` keep what is asked and answered there");
    Ok(())
}

/// The messages of a conversation, as they are kept.
pub(crate) fn messages(system: Option<&str>, said: &[crate::session::Message]) -> Vec<Message> {
    let role = |role| match role {
        crate::session::Role::User => Role::User,
        crate::session::Role::Assistant => Role::Assistant,
    };
    let system = system.map(|text| Message::new(Role::System, text));
    let said = said.iter().map(|message| Message::new(role(message.role), &*message.content));
    system.into_iter().chain(said).collect()
}
