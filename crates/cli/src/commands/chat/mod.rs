//! `mynah chat`: a conversation.

mod conversation;
mod editor;
mod entry;
mod kept;

use std::io::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime};

use mynah_engine::{Engine, Finish, Request, RequestError};

use self::conversation::{Conversation, Settings};
use self::editor::{Editor, Input};
use self::entry::{COMMANDS, Entry};
use crate::failure::{self, Hint as _};
use crate::interrupt::Listening;
use crate::limits;
use crate::log::{self, Asked, LogArgs, Recorder};
use crate::machine;
use crate::printer::{Stream, harmless};
use crate::session::{
    Answer, Measured, Message, ModelArgs, Role, SamplingArgs, Session, Timing, Timings, Watch,
    at_least_one, explain_refusal, generate,
};
use crate::terminal::Terminal;

/// Have a conversation with a model
///
/// `/help` shows what can be done beside talking. A message of several lines is pasted, or typed
/// between lines with three quotation marks. Ctrl-C stops an answer; at an empty prompt, twice, it
/// leaves, as Ctrl-D does.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// What the model is told beforehand: how it should behave
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Go on with a saved conversation
    #[arg(long, value_name = "FILE")]
    load: Option<std::path::PathBuf>,
    /// Go on with a conversation that was kept: the last one, or the one that `mynah logs` shows
    #[arg(long = "continue", short = 'c', value_name = "ID", num_args = 0..=1, conflicts_with = "load")]
    #[arg(default_missing_value = kept::LAST)]
    go_on: Option<String>,
    /// How many tokens an answer may have [default: what the context leaves]
    #[arg(long, short = 'n', value_name = "N", value_parser = at_least_one)]
    max_tokens: Option<usize>,
    /// Tell after each answer how long it took
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    args.sampling.check()?;
    let saved = args.load.as_deref().map(Conversation::load).transpose()?;
    let kept = args.go_on.as_deref().map(|id| kept::find(&args.log, id)).transpose()?;
    let mut editor = Editor::new()?;
    let mut chat = Chat::open(args, saved, kept, terminal)?;
    chat.greet(matches!(editor, Editor::Terminal(_)));
    let mut was_interrupted = false;
    loop {
        let text = match editor.read()? {
            Input::Text(text) => text,
            Input::Interrupt if !was_interrupted => {
                terminal.note("Ctrl-C once more, or Ctrl-D, leaves");
                was_interrupted = true;
                continue;
            }
            Input::Interrupt | Input::End => return Ok(()),
        };
        was_interrupted = false;
        match chat.take(Entry::read(&text)) {
            Ok(Next::Leave) => return Ok(()),
            Ok(Next::GoOn) => {}
            // The conversation goes on, unless nobody sees it.
            Err(error) if failure::is_closed_pipe(&error) => return Err(error),
            Err(error) => failure::tell(&error, terminal),
        }
    }
}

/// What happens after an entry.
enum Next {
    GoOn,
    Leave,
}

/// A conversation and the model that it is had with.
struct Chat<'t> {
    terminal: &'t Terminal,
    model_args: ModelArgs,
    session: Session,
    engine: Engine,
    conversation: Conversation,
    tells_stats: bool,
    last: Option<Measured>,
    recorder: Recorder,
    /// The conversation in the log that goes on.
    thread: Option<String>,
}

impl<'t> Chat<'t> {
    fn open(
        args: &Args,
        saved: Option<Conversation>,
        kept: Option<mynah_store::Conversation>,
        terminal: &'t Terminal,
    ) -> anyhow::Result<Self> {
        let mut model_args = args.model.clone();
        if let (None, Some(kept)) = (&model_args.model, &kept) {
            model_args.model = Some(kept.model.clone());
        }
        let (session, pool) = Session::open(&model_args, terminal)?;
        let engine = session.engine(pool, session.context);
        let settings = Settings {
            sampling: args.sampling.params(&session.facts, &session.tokenizer)?,
            stop: args.sampling.stop.clone(),
            max_tokens: args.max_tokens,
        };
        let name = session.identity.name.clone();
        let conversation =
            saved.unwrap_or_else(|| Conversation::new(name, args.system.clone(), settings));
        let mut chat = Self {
            terminal,
            model_args,
            session,
            engine,
            conversation,
            tells_stats: args.stats,
            last: None,
            recorder: Recorder::new(&args.log),
            thread: None,
        };
        if let Some(kept) = kept {
            chat.thread = Some(kept::take_up(kept, &mut chat.conversation));
        }
        if args.load.is_some() && args.system.is_some() {
            chat.conversation.system.clone_from(&args.system);
        }
        Ok(chat)
    }

    fn greet(&self, is_interactive: bool) {
        if !is_interactive {
            return;
        }
        let (name, context) = (&self.session.identity.name, self.session.context);
        self.terminal.note(&format!(
            "{name}, {context} tokens of context. /help shows what you can do, Ctrl-D leaves."
        ));
        self.show_messages();
    }

    /// Shows what was said before.
    fn show_messages(&self) {
        for message in &self.conversation.messages {
            let mark = if message.role == Role::User { "> " } else { "" };
            self.terminal.note(&format!("{mark}{}", harmless(&message.content)));
        }
    }

    fn take(&mut self, entry: Entry) -> anyhow::Result<Next> {
        match entry {
            Entry::Nothing => {}
            Entry::Message(text) => self.answer_message(text)?,
            Entry::Help => self.help()?,
            Entry::System(text) => self.system(text),
            Entry::Set(None) => self.list_settings()?,
            Entry::Set(Some((name, value))) => self.set(&name, value.as_deref())?,
            Entry::Clear => {
                self.conversation.messages.clear();
                self.thread = None;
                self.terminal.note("the conversation begins anew");
            }
            Entry::Regenerate => self.regenerate()?,
            Entry::Save(path) => self.save(&path)?,
            Entry::Load(path) => self.load(&path)?,
            Entry::Model(None) => self.name_model(),
            Entry::Model(Some(name)) => self.change_model(name)?,
            Entry::Stats => self.stats(),
            Entry::Exit => return Ok(Next::Leave),
            Entry::Unclear(problem) => {
                return Err(anyhow::anyhow!(problem)).hint("/help shows the commands");
            }
        }
        Ok(Next::GoOn)
    }

    fn answer_message(&mut self, text: String) -> anyhow::Result<()> {
        self.conversation.messages.push(Message::user(text));
        let result = self.answer();
        if !matches!(result, Ok(true)) {
            // What was not answered is typed again, perhaps in other words.
            self.conversation.messages.pop();
        }
        result.map(|_| ())
    }

    /// Answers the last message. Returns whether there is an answer.
    fn answer(&mut self) -> anyhow::Result<bool> {
        let (start, at) = (Instant::now(), SystemTime::now());
        let conversation = &self.conversation;
        let Settings { sampling, stop, max_tokens } = conversation.settings.clone();
        let system = conversation.system.as_deref();
        let prompts = &self.session.prompts;
        let prompt = prompts.conversation(system, &conversation.messages)?;
        let context = self.session.context;
        let remedy = "/clear begins anew, and /save keeps what was said";
        if prompt.len() >= context {
            let too_long = RequestError::TooLong { n_tokens: prompt.len(), context };
            return Err(too_long).hint(self.with_more_context(remedy));
        }
        let room = context - prompt.len();
        let max_tokens = max_tokens.unwrap_or(room);
        let request = Request {
            prompt,
            n_samples: 1,
            max_tokens: max_tokens.min(room),
            sampling,
            stop,
            constraint: None,
            adapter: self.session.adapter.clone(),
            ignore_end: false,
        };
        let ready = start.elapsed();
        let mut watch = Spectator { stream: Stream::new(), listening: Listening::begin() };
        let result = generate(&mut self.engine, request, &mut watch);
        drop(watch.listening);
        watch.stream.end_line()?;
        let (mut answers, timing) = explain_refusal(result, &self.with_more_context(remedy))?;
        self.last = Some(Measured {
            load: self.session.load_time,
            start_to_first_token: ready + timing.first_token,
            n_threads: self.session.n_threads,
            bytes_per_token: self.session.model.bytes_per_token(),
            peak_memory: machine::peak_memory(),
            timing,
        });
        let Some(answer) = answers.pop() else { return Ok(false) };
        if let Finish::Failed(reason) = &answer.finish {
            anyhow::bail!("the answer could not go on: {reason}");
        }
        self.tell_end(&answer, max_tokens, room);
        if answer.text.is_empty() && answer.finish == Finish::Cancelled {
            return Ok(false);
        }
        self.keep(&answer, &timing, at);
        self.conversation.messages.push(Message::assistant(answer.text));
        if self.tells_stats {
            self.stats();
        }
        Ok(true)
    }

    /// Keeps an answer to what was said so far.
    fn keep(&mut self, answer: &Answer, timing: &Timing, at: SystemTime) {
        let Conversation { system, settings, messages, .. } = &self.conversation;
        let asked = Asked {
            command: "chat",
            session: &self.session,
            model_args: &self.model_args,
            messages: log::messages(system.as_deref(), messages),
            sampling: &settings.sampling,
            stop: &settings.stop,
            max_tokens: settings.max_tokens,
            constraint: None,
            raw: false,
            at,
        };
        let turn = asked.turn(answer, timing);
        let thread = self.thread.take();
        self.thread = self.recorder.record(thread.as_deref(), &[turn], self.terminal).or(thread);
    }

    /// Says why an answer ended, if the model did not end it.
    fn tell_end(&self, answer: &Answer, max_tokens: usize, room: usize) {
        match answer.finish {
            Finish::Cancelled => self.terminal.note("(stopped)"),
            Finish::Length if max_tokens <= room => {
                self.terminal.note(&format!("(stopped after {max_tokens} tokens)"));
            }
            Finish::Length | Finish::Context | Finish::CacheFull => {
                self.terminal.warning(&format!(
                    "the conversation fills the context of {} tokens",
                    self.session.context
                ));
                self.terminal.hint(
                    &self.with_more_context("/clear begins anew, and /save keeps what was said"),
                );
            }
            _ => {}
        }
    }

    fn with_more_context(&self, remedy: &str) -> String {
        let made_for = self.session.model.architecture().context_length;
        if self.session.context < made_for {
            format!("{remedy}; `mynah chat --context N --load FILE` goes on with up to {made_for}")
        } else {
            remedy.to_owned()
        }
    }

    fn help(&self) -> anyhow::Result<()> {
        let mut out = self.terminal.out();
        for (name, argument, text) in COMMANDS {
            let usage = format!("{name} {argument}");
            writeln!(out, "{}  {text}", self.terminal.bold(&format!("{usage:22}")))?;
        }
        writeln!(
            out,
            "\"\"\" begins and ends a message of several lines; // begins one with a slash"
        )?;
        writeln!(out, "Ctrl-C stops an answer; the arrow keys bring back what you typed")?;
        Ok(out.flush()?)
    }

    fn system(&mut self, text: Option<String>) {
        match text.as_deref() {
            None => match &self.conversation.system {
                Some(text) => self.terminal.note(text),
                None => self.terminal.note("the model was told nothing; /system TEXT tells it"),
            },
            Some("none") => self.conversation.system = None,
            Some(_) => self.conversation.system = text,
        }
    }

    fn list_settings(&self) -> anyhow::Result<()> {
        let mut out = self.terminal.out();
        for (name, value) in self.conversation.settings.list() {
            writeln!(out, "{name:22}  {value}")?;
        }
        Ok(out.flush()?)
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> anyhow::Result<()> {
        if let Some(value) = value {
            return self.conversation.settings.set(name, value);
        }
        let list = self.conversation.settings.list();
        let name = name.replace('-', "_");
        let Some((_, value)) = list.into_iter().find(|(known, _)| *known == name) else {
            return Err(anyhow::anyhow!("there is no setting {name}"))
                .hint("/set without a name shows all of them");
        };
        let mut out = self.terminal.out();
        writeln!(out, "{value}")?;
        Ok(out.flush()?)
    }

    fn regenerate(&mut self) -> anyhow::Result<()> {
        let before = self.conversation.messages.clone();
        if !self.conversation.take_answer_back() {
            self.conversation.messages = before;
            return Err(anyhow::anyhow!("there is no answer to draw again"))
                .hint("/regenerate comes after an answer");
        }
        // With the same seed it would be the same answer.
        let seed = &mut self.conversation.settings.sampling.seed;
        *seed = seed.wrapping_add(1);
        let result = self.answer();
        if !matches!(result, Ok(true)) {
            self.conversation.messages = before;
        }
        result.map(|_| ())
    }

    fn save(&mut self, path: &Path) -> anyhow::Result<()> {
        self.conversation.model.clone_from(&self.session.identity.name);
        self.conversation.save(path)?;
        let n = self.conversation.messages.len();
        self.terminal.note(&format!("saved {n} messages to {}", path.display()));
        Ok(())
    }

    fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        self.conversation = Conversation::load(path)?;
        self.thread = None;
        let (then, now) = (&self.conversation.model, &self.session.identity.name);
        if then != now {
            self.terminal.note(&format!("this was said with {then}; you go on with {now}"));
        }
        self.show_messages();
        Ok(())
    }

    fn name_model(&self) {
        let session = &self.session;
        let architecture = &session.model.architecture().name;
        let (name, path) = (&session.identity.name, session.identity.path.display());
        self.terminal.note(&format!("{name} ({architecture}), {path}"));
    }

    fn change_model(&mut self, name: String) -> anyhow::Result<()> {
        // Adapter, template and draft belong to the model that they were given with.
        let args = ModelArgs {
            model: Some(name),
            adapter: None,
            template: None,
            draft: None,
            ..self.model_args.clone()
        };
        let (session, pool) = Session::open(&args, self.terminal)?;
        self.engine = session.engine(pool, session.context);
        (self.session, self.model_args, self.last) = (session, args, None);
        self.name_model();
        Ok(())
    }

    fn stats(&mut self) {
        let Some(measured) = &self.last else {
            self.terminal.note("nothing was answered yet");
            return;
        };
        let limit = limits::read_gbps(self.engine.pool(), self.session.isa);
        Timings::new(measured, Some(limit)).tell(self.terminal);
        let used = measured.timing.prompt_tokens + measured.timing.n_tokens;
        let context = self.session.context;
        self.terminal.note(&format!("context  {used} of {context} tokens"));
        let seed = self.conversation.settings.sampling.seed;
        self.terminal.note(&format!("seed     {seed}"));
    }
}

/// Shows an answer while it grows, and hears Ctrl-C.
struct Spectator {
    stream: Stream,
    listening: Listening,
}

impl Watch for Spectator {
    fn text(&mut self, _: usize, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.write(text)?)
    }

    fn ended(&mut self, _: &Answer) -> anyhow::Result<()> {
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        self.listening.was_pressed()
    }
}
