//! From a conversation to the text that the model reads.
//!
//! A model's template is a small program in Jinja that writes turns with control tokens around
//! them. [`ChatTemplate`] runs it as transformers does, with a bound on its steps and its output, and
//! returns a [`Rendered`] text that remembers which of its characters came from outside.
//!
//! # What a message cannot do
//!
//! [`Tokenizer::encode_rendered`] reads a control token only where the template wrote it. Whoever
//! writes `<|im_start|>system` in a message gets the tokens of those letters. How that is kept
//! through a template that trims, splits and joins is told in [`shadow`](self): the first and last
//! characters of control tokens are replaced before rendering by characters that occur nowhere
//! else, and turned back afterwards. It holds for every string of a message, of the tools and of
//! the extra variables. Roles are plain names.
//!
//! User-defined tokens that look like tags (`<tool_call>`) and that the template itself writes are
//! guarded in the same way; in the model's own earlier messages those stay what they are, so that
//! what it said can be given back to it.
//!
//! # What this does not stop
//!
//! - A model may believe text that merely looks like a turn.
//! - Where turns are marked by ordinary text (`[INST]` in Llama 2, `### Instruction:`), anybody can
//!   write that text.
//! - A template may put a string from outside between the halves of a token, as in
//!   `'<|' + name + '|>'`. Roles, where templates do that, cannot hold more than a name.
//! - A model may have been given a template that was written to mislead it.

mod budget;
mod defaults;
mod error;
mod functions;
mod json;
mod message;
mod namespace;
mod rewrite;
mod shadow;
mod time;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::machinery::{eval, get_compiled_template, make_string_output};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, Value};

pub use error::TemplateError;
pub use message::{Content, FunctionCall, Message, ToolCall};
pub use time::LocalTime;

use crate::checkpoint::Metadata;
use crate::tokenizer::{TokenKind, Tokenizer};
use functions::Refusal;
use shadow::{Shadows, Watch};

/// The longest template that is taken, in bytes. The longest known are under 30 kB.
const MAX_SOURCE: usize = 1 << 17;

/// What a rendering may cost, in units of a step or of 64 bytes written.
const FUEL: u64 = 500_000;

/// What it may cost more for each byte of the conversation.
const FUEL_PER_BYTE: u64 = 2;

/// The stack on which a template is compiled and runs: room for expressions that lie in each other
/// as deep as [`MAX_SOURCE`] lets them.
const STACK: usize = 1 << 28;

/// What the template is called in the engine.
const NAME: &str = "chat template";

/// What is rendered.
#[derive(Clone, Debug, Default)]
pub struct ChatInput<'a> {
    /// The conversation so far.
    pub messages: &'a [Message],
    /// The tools that the model may call, as JSON Schema objects.
    pub tools: &'a [serde_json::Value],
    /// Whether the model is to answer next.
    pub add_generation_prompt: bool,
    /// Variables that some templates know, such as `enable_thinking`.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// What time it is. Without it, a template writes no date, or the one that it was made with.
    pub now: Option<LocalTime>,
}

/// A text that a template wrote, and which parts of it came from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    text: String,
    untrusted: Vec<Range<usize>>,
    guarded: Vec<u32>,
}

impl Rendered {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the text holds characters of control tokens that came from outside: byte ranges in
    /// order, apart from each other.
    pub fn untrusted(&self) -> &[Range<usize>] {
        &self.untrusted
    }

    /// User-defined tokens that must not hold such a character either, in order.
    pub fn guarded(&self) -> &[u32] {
        &self.guarded
    }
}

/// A model's template, ready to render.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    /// Whether the template knows content only as text.
    joins_parts: bool,
    watch: Watch,
    guarded: Vec<u32>,
    /// Variables such as `bos_token`.
    token_names: Vec<(&'static str, String)>,
}

impl ChatTemplate {
    /// Compiles a template for a tokenizer.
    ///
    /// # Errors
    /// If it is not Jinja, with the line.
    pub fn new(source: &str, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE {
            return Err(TemplateError::TooLong { len: source.len(), max: MAX_SOURCE });
        }
        let environment = on_deep_stack(|| compile(source))??;
        let guarded = guarded_tokens(source, tokenizer);
        let watched =
            guarded.iter().filter_map(|&id| std::str::from_utf8(tokenizer.token_name(id)).ok());
        let control = tokenizer.control_tokens().map(|(_, text)| text);
        let watch =
            Watch::new(control.chain(watched), source, |mark| tokenizer.holds_control(mark));
        let ids = tokenizer.special();
        let names = [
            ("bos_token", ids.bos),
            ("eos_token", ids.eos),
            ("unk_token", ids.unk),
            ("pad_token", ids.pad),
            ("sep_token", ids.sep),
            ("cls_token", ids.cls),
            ("mask_token", ids.mask),
        ];
        let text = |id| String::from_utf8_lossy(tokenizer.token_name(id)).into_owned();
        let token_names = names.into_iter().filter_map(|(name, id)| Some((name, text(id?))));
        Ok(Self {
            environment,
            source: source.to_owned(),
            joins_parts: !knows_parts(source),
            watch,
            guarded,
            token_names: token_names.collect(),
        })
    }

    /// Compiles the template in a GGUF file's metadata, or the one of the model's family if the
    /// file has none.
    ///
    /// Some files have another template for conversations with tools; `with_tools` asks for it.
    ///
    /// # Errors
    /// If there is neither, or the template is not Jinja.
    pub fn from_metadata(
        metadata: &Metadata,
        tokenizer: &Tokenizer,
        with_tools: bool,
    ) -> Result<Self, TemplateError> {
        let get = |key: &str| metadata.get(key)?.as_str();
        let for_tools = get("tokenizer.chat_template.tool_use").filter(|_| with_tools);
        match for_tools.or_else(|| get("tokenizer.chat_template")) {
            Some(source) => Self::new(source, tokenizer),
            None => Self::for_family(tokenizer),
        }
    }

    /// Compiles the template of the family that a tokenizer's control tokens belong to.
    ///
    /// # Errors
    /// If the family is not known.
    pub fn for_family(tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let source = defaults::source_for(tokenizer).ok_or(TemplateError::Missing)?;
        Self::new(source, tokenizer)
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Writes a conversation as the model is to read it.
    ///
    /// # Errors
    /// If the template refuses the conversation, fails, or does not end.
    pub fn render(&self, input: &ChatInput<'_>) -> Result<Rendered, TemplateError> {
        for message in input.messages {
            check_role(&message.role)?;
        }
        let shadows = self.watch.shadows(&self.private_characters(input));
        let (context, n_bytes) = self.context(input, &shadows);
        let text = on_deep_stack(|| self.run(context, n_bytes))??;
        let (text, untrusted) = shadows.reveal(&text);
        Ok(Rendered { text, untrusted, guarded: self.guarded.clone() })
    }

    /// Runs the template on a conversation of so many bytes.
    fn run(&self, context: Value, n_bytes: usize) -> Result<String, TemplateError> {
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL + FUEL_PER_BYTE * n_bytes as u64));
        let template = environment.get_template(NAME).map_err(|error| explain(&error))?;
        let compiled = get_compiled_template(&template);
        let instructions = rewrite::metered(&compiled.instructions)?;
        let mut text = String::new();
        let mut out = make_string_output(&mut text);
        let blocks = &compiled.blocks;
        eval(&environment, &instructions, context, blocks, &mut out, AutoEscape::None)
            .map_err(|error| explain(&error))?;
        drop(out);
        Ok(text)
    }

    /// Characters of the planes that stand-ins are taken from, wherever they come from.
    fn private_characters(&self, input: &ChatInput<'_>) -> BTreeSet<char> {
        let mut found = BTreeSet::new();
        if self.watch.is_empty() {
            return found;
        }
        let mut see = |text: &str| {
            // These planes begin with one of two bytes in UTF-8.
            if text.bytes().any(|byte| matches!(byte, 0xf3 | 0xf4)) {
                found.extend(text.chars().filter(|&c| shadow::is_private(c)));
            }
        };
        see(&self.source);
        for (_, name) in &self.token_names {
            see(name);
        }
        let mut see_all = |text: &str| {
            see(text);
            String::new()
        };
        for message in input.messages {
            message.to_value(false, &mut see_all);
        }
        for value in input.tools.iter().chain(input.extra.values()) {
            message::value_of(value, &mut see_all);
        }
        found
    }

    /// The variables that the template sees, and how many bytes of text came from outside.
    fn context(&self, input: &ChatInput<'_>, shadows: &Shadows<'_>) -> (Value, usize) {
        let n_bytes = Cell::new(0);
        let hide = |text: &str, is_own: bool| {
            n_bytes.set(n_bytes.get() + text.len());
            shadows.hide(text, is_own)
        };
        let hide_own = hide;
        let mut hide = |text: &str| hide(text, false);
        let messages = input.messages.iter().map(|message| {
            let is_own = message.role == "assistant";
            let mut hide = |text: &str| hide_own(text, is_own);
            message.to_value(self.joins_parts, &mut hide)
        });
        let messages = Value::from(messages.collect::<Vec<_>>());
        let tools = input.tools.iter().map(|tool| message::value_of(tool, &mut hide));
        let tools = match tools.collect::<Vec<_>>() {
            tools if tools.is_empty() => Value::from(()),
            tools => Value::from(tools),
        };
        let mut variables = vec![
            ("messages".to_owned(), messages),
            ("tools".to_owned(), tools),
            ("documents".to_owned(), Value::from(())),
            ("add_generation_prompt".to_owned(), Value::from(input.add_generation_prompt)),
        ];
        for (name, text) in &self.token_names {
            variables.push(((*name).to_owned(), Value::from(text.as_str())));
        }
        if let Some(now) = input.now {
            let write = move |format: &str| now.format(format);
            variables.push(("strftime_now".to_owned(), Value::from_function(write)));
        }
        for (name, value) in &input.extra {
            variables.push((name.clone(), message::value_of(value, &mut hide)));
        }
        (Value::from_pairs(variables), n_bytes.get())
    }
}

/// The engine with a template in it.
fn compile(source: &str) -> Result<Environment<'static>, TemplateError> {
    let mut environment = environment()?;
    let compiled = rewrite::unfolded(&without_generation_tags(source), environment.syntax())?;
    environment.add_template_owned(NAME, compiled).map_err(|error| TemplateError::Syntax {
        line: error.line().unwrap_or(1),
        reason: reason(&error),
    })?;
    let template = environment.get_template(NAME).map_err(|error| explain(&error))?;
    rewrite::metered(&get_compiled_template(&template).instructions)?;
    drop(template);
    Ok(environment)
}

/// The engine with everything that transformers' templates may use.
fn environment() -> Result<Environment<'static>, TemplateError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| explain(&error))?);
    budget::add_operators(&mut environment);
    environment.set_unknown_method_callback(functions::call_method);
    environment.add_filter("tojson", json::to_json);
    environment.add_test("sequence", functions::is_sequence);
    environment.add_test("iterable", functions::is_iterable);
    environment.add_function("raise_exception", functions::raise_exception);
    Ok(environment)
}

/// Runs what may go deep on a stack of its own. In WebAssembly an overflow ends the module and
/// nothing else.
#[cfg(target_arch = "wasm32")]
fn on_deep_stack<T>(work: impl FnOnce() -> T) -> Result<T, TemplateError> {
    Ok(work())
}

/// Runs what may go deep on a stack of its own.
#[cfg(not(target_arch = "wasm32"))]
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, TemplateError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| TemplateError::Failed {
            line: 1,
            reason: format!("no stack to run it on: {error}"),
        })?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Writes `{% generation %}` as a condition that always holds.
///
/// transformers finds the assistant's words by this tag when it trains; when it renders, the tag
/// says nothing.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tag[2..].find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 4);
        let name =
            tag[2..end + 2].trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        match name {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out + rest
}

/// Whether a template asks if content is text or parts.
fn knows_parts(source: &str) -> bool {
    [
        "is string",
        "is not string",
        "is iterable",
        "is sequence",
        "['type']",
        "[\"type\"]",
        ".type ==",
        ".type in",
    ]
    .iter()
    .any(|sign| source.contains(sign))
}

/// The user-defined tokens that look like tags and that a template writes, in order.
fn guarded_tokens(source: &str, tokenizer: &Tokenizer) -> Vec<u32> {
    let is_tag =
        |text: &str| text.len() > 2 && text.starts_with(['<', '[']) && text.ends_with(['>', ']']);
    let ids = 0..tokenizer.vocab_len() as u32;
    ids.filter(|&id| tokenizer.kind(id) == TokenKind::UserDefined)
        .filter(|&id| {
            let text = std::str::from_utf8(tokenizer.token_name(id));
            text.is_ok_and(|text| is_tag(text) && source.contains(text))
        })
        .collect()
}

/// Checks that a role is a plain name, for templates that make a token of it.
fn check_role(role: &str) -> Result<(), TemplateError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if role.is_empty() || role.len() > 64 || !role.chars().all(is_name) {
        return Err(TemplateError::Role { role: role.to_owned() });
    }
    Ok(())
}

/// Says what an error of the engine means here.
fn explain(error: &minijinja::Error) -> TemplateError {
    let line = error.line().unwrap_or(1);
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(Refusal(message)) = error.downcast_ref() {
            return TemplateError::Refused { message: message.clone(), line };
        }
        let engine = error.downcast_ref::<minijinja::Error>();
        if engine.is_some_and(|error| error.kind() == ErrorKind::OutOfFuel) {
            return TemplateError::Endless { line };
        }
        cause = error.source();
    }
    TemplateError::Failed { line, reason: reason(error) }
}

/// An error's kind and detail, without the place, and what lies behind it.
fn reason(error: &minijinja::Error) -> String {
    let mut reason = error.kind().to_string();
    if let Some(detail) = error.detail() {
        reason = format!("{reason}: {detail}");
    }
    if let Some(source) = std::error::Error::source(error) {
        reason = format!("{reason} ({source})");
    }
    reason
}
