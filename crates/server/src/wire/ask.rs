//! What is asked, whichever API it was asked through.

use mynah_engine::sampling::{Breaker, SamplingError, SamplingParams, StopMatcher};
use mynah_model::template::Message;
use serde_json::{Map, Value};

use super::fields::{Fields, mistyped};
use crate::code;
use crate::tools::{Choice, Tool};
use crate::{ApiError, Limits};

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ask {
    /// Which model is to answer.
    pub(crate) model: Option<String>,
    /// What it is to answer or continue.
    pub(crate) input: Input,
    /// The tools that it may ask to be called.
    pub(crate) tools: Vec<Tool>,
    /// The field that offers it the server's own `code_interpreter`, if one does.
    pub(crate) code: Option<String>,
    /// Whether it has to.
    pub(crate) choice: Choice,
    /// What the answer must look like.
    pub(crate) form: Form,
    /// How tokens are chosen.
    pub(crate) sampling: SamplingAsked,
    /// Texts that end the answer.
    pub(crate) stop: Vec<String>,
    /// How many answers are wanted to each prompt.
    pub(crate) n: usize,
    /// How many tokens each may have.
    pub(crate) max_tokens: Option<usize>,
    /// Whether probabilities of tokens are wanted, and those of how many others in their places.
    pub(crate) logprobs: Option<usize>,
    /// Whether answers are sent as they grow.
    pub(crate) stream: bool,
    /// Whether a stream tells at its end how many tokens there were.
    pub(crate) include_usage: bool,
    /// Goes on past what ends an answer, as other servers do for measurements.
    pub(crate) ignore_end: bool,
    /// Whether the prompt is part of the answer.
    pub(crate) echo: bool,
    /// Who asks, as the client says.
    pub(crate) user: Option<String>,
    /// The conversation under which it is kept.
    pub(crate) thread: Option<String>,
    /// Variables for the model's template.
    pub(crate) variables: Map<String, Value>,
}

/// What is to be answered or continued.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// A conversation.
    Chat(Vec<Message>),
    /// Texts.
    Prompts(Vec<Prompt>),
}

impl Default for Input {
    fn default() -> Self {
        Self::Prompts(Vec::new())
    }
}

/// A text that is to be continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// As text.
    Text(String),
    /// As tokens.
    Tokens(Vec<u32>),
}

/// What an answer must look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Form {
    /// Anything.
    #[default]
    Text,
    /// Any JSON object.
    Object,
    /// JSON that fits a schema.
    Schema {
        /// The schema.
        schema: Value,
        /// The field that it stands in.
        field: String,
    },
    /// A text that a regular expression matches as a whole.
    Regex(String),
    /// A text that a grammar in Lark's notation derives.
    Grammar(String),
}

impl Ask {
    /// What all APIs have in common.
    pub(super) fn begin(fields: &Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            model: fields.text("model")?.filter(|name| !name.is_empty()).map(str::to_owned),
            sampling: SamplingAsked::read(fields)?,
            n: 1,
            ignore_end: fields.flag("ignore_eos")?.unwrap_or(false),
            stream: fields.flag("stream")?.unwrap_or(false),
            thread: read_thread(fields)?,
            variables: match fields.object("chat_template_kwargs")? {
                Some(variables) => variables.map().clone(),
                None => Map::new(),
            },
            ..Self::default()
        })
    }

    /// How many answers there will be.
    pub(crate) fn n_samples(&self) -> usize {
        match &self.input {
            Input::Chat(_) => self.n,
            Input::Prompts(prompts) => self.n * prompts.len(),
        }
    }
}

/// The name of a conversation: what the store calls them by, or what a client made up likewise.
fn read_thread(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    let Some(thread) = fields.text("thread")? else { return Ok(None) };
    let fits =
        (1..=64).contains(&thread.len()) && thread.bytes().all(|b| b.is_ascii_alphanumeric());
    if !fits {
        return Err(fields.unknown("thread", thread, "1 to 64 letters and digits"));
    }
    Ok(Some(thread.to_owned()))
}

/// Reads `stop` or `stop_sequences`: a text or a list of them.
pub(super) fn read_stop(fields: &Fields<'_>, key: &str) -> Result<Vec<String>, ApiError> {
    let texts = match fields.get(key) {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            let text = |(i, item): (usize, &Value)| {
                let expected = "a string";
                let place = || format!("{}[{i}]", fields.name(key));
                item.as_str().map(str::to_owned).ok_or_else(|| mistyped(&place(), expected, item))
            };
            items.iter().enumerate().map(text).collect::<Result<_, _>>()?
        }
        Some(other) => {
            return Err(mistyped(&fields.name(key), "a string or a list of strings", other));
        }
    };
    StopMatcher::new(&texts).map_err(|error| explain(fields, &error).about(fields.name(key)))?;
    Ok(texts)
}

/// Reads a schema, which must be there.
pub(super) fn read_schema(fields: &Fields<'_>, key: &str) -> Result<Form, ApiError> {
    let schema = fields.need(key)?;
    match schema {
        Value::Object(_) | Value::Bool(_) => {
            Ok(Form::Schema { schema: schema.clone(), field: fields.name(key) })
        }
        other => Err(mistyped(&fields.name(key), "a JSON schema", other)),
    }
}

/// Reads a tool: its name, what it is for, and the schema under `parameters`.
pub(super) fn read_tool(fields: &Fields<'_>, parameters: &str) -> Result<Tool, ApiError> {
    let name = fields.need("name").and(fields.text("name"))?.unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !(1..=128).contains(&name.len()) || !name.chars().all(fits) {
        return Err(fields.unknown("name", name, "1 to 128 letters, digits, `_`, `-` and `.`"));
    }
    let parameters = match fields.get(parameters) {
        None => serde_json::json!({"type": "object", "properties": {}}),
        Some(schema @ Value::Object(_)) => schema.clone(),
        Some(other) => return Err(mistyped(&fields.name(parameters), "a JSON schema", other)),
    };
    let description = fields.text("description")?.map(str::to_owned);
    Ok(Tool { name: name.to_owned(), description, parameters })
}

/// Takes the server's own tool, if that is what is offered. Where it runs (`container`) is not the
/// client's to say. Whether it was.
pub(super) fn take_code(ask: &mut Ask, tool: &Fields<'_>) -> Result<bool, ApiError> {
    if tool.text("type")? != Some(code::NAME) {
        return Ok(false);
    }
    ask.code = Some(tool.name("type"));
    Ok(true)
}

/// Refuses a choice that the tools do not offer.
pub(super) fn check_choice(fields: &Fields<'_>, ask: &Ask) -> Result<(), ApiError> {
    let is_own = |name: &str| ask.code.is_some() && name == code::NAME;
    if let Choice::Named(name) = &ask.choice
        && !is_own(name)
        && ask.tools.iter().all(|tool| tool.name != *name)
    {
        return Err(fields.unknown("tool_choice", name, "the name of one of the tools"));
    }
    let demands = matches!(ask.choice, Choice::Required | Choice::Named(_));
    let offers = !ask.tools.is_empty() || ask.code.is_some();
    if demands && !offers {
        return Err(fields.unsupported("tool_choice", "there are no tools to be called"));
    }
    let calls = offers && ask.choice != Choice::None;
    if calls && ask.form != Form::Text {
        let why = "an answer cannot be held to a form and be a call of a tool; leave one of them \
                   out, or say tool_choice \"none\"";
        return Err(fields.unsupported("tools", why));
    }
    Ok(())
}

/// How tokens are to be chosen; what is not said is as the model's makers recommend.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SamplingAsked {
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    typical_p: Option<f32>,
    repetition_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    dry_multiplier: Option<f32>,
    dry_base: Option<f32>,
    dry_allowed_length: Option<usize>,
    dry_sequence_breakers: Option<Vec<Breaker>>,
    logit_bias: Vec<(u32, f32)>,
    seed: Option<u64>,
}

impl SamplingAsked {
    fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        // llama.cpp's name for it.
        let repeat = fields.number("repeat_penalty")?;
        let asked = Self {
            temperature: fields.number("temperature")?,
            top_k: fields.count("top_k", 0, usize::MAX)?,
            top_p: fields.number("top_p")?,
            min_p: fields.number("min_p")?,
            typical_p: fields.number("typical_p")?,
            repetition_penalty: fields.number("repetition_penalty")?.or(repeat),
            frequency_penalty: fields.number("frequency_penalty")?,
            presence_penalty: fields.number("presence_penalty")?,
            dry_multiplier: fields.number("dry_multiplier")?,
            dry_base: fields.number("dry_base")?,
            dry_allowed_length: fields.count("dry_allowed_length", 0, usize::MAX)?,
            dry_sequence_breakers: read_breakers(fields)?,
            logit_bias: read_bias(fields)?,
            seed: read_seed(fields)?,
        };
        let params = asked.over(&SamplingParams::default());
        params.validate().map_err(|error| explain(fields, &error))?;
        Ok(asked)
    }

    /// What was said, over what holds otherwise. Without a seed it is one that nobody chose.
    pub(crate) fn over(&self, recommended: &SamplingParams) -> SamplingParams {
        let of = recommended;
        SamplingParams {
            temperature: self.temperature.unwrap_or(of.temperature),
            top_k: self.top_k.unwrap_or(of.top_k),
            top_p: self.top_p.unwrap_or(of.top_p),
            min_p: self.min_p.unwrap_or(of.min_p),
            typical_p: self.typical_p.unwrap_or(of.typical_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(of.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(of.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(of.presence_penalty),
            dry_multiplier: self.dry_multiplier.unwrap_or(of.dry_multiplier),
            dry_base: self.dry_base.unwrap_or(of.dry_base),
            dry_allowed_length: self.dry_allowed_length.unwrap_or(of.dry_allowed_length),
            dry_sequence_breakers: self
                .dry_sequence_breakers
                .clone()
                .unwrap_or_else(|| of.dry_sequence_breakers.clone()),
            logit_bias: self.logit_bias.iter().copied().collect(),
            seed: self.seed.unwrap_or_else(crate::random::seed),
            ..of.clone()
        }
    }

    /// The largest token that a bias names.
    pub(crate) fn largest_biased(&self) -> Option<u32> {
        self.logit_bias.iter().map(|&(token, _)| token).max()
    }
}

/// What is said of sampling parameters, with the field at fault.
fn explain(fields: &Fields<'_>, error: &SamplingError) -> ApiError {
    match error {
        SamplingError::OutOfRange { field, .. } => {
            ApiError::invalid(fields.name(field), error.to_string())
        }
        other => ApiError::malformed(other.to_string()),
    }
}

/// A seed may be below 0, as other servers take those too.
fn read_seed(fields: &Fields<'_>) -> Result<Option<u64>, ApiError> {
    let Some(value) = fields.get("seed") else { return Ok(None) };
    let seed = value.as_u64().or(value.as_i64().map(i64::cast_unsigned));
    seed.map(Some).ok_or_else(|| mistyped(&fields.name("seed"), "a whole number", value))
}

fn read_breakers(fields: &Fields<'_>) -> Result<Option<Vec<Breaker>>, ApiError> {
    let Some(list) = fields.list("dry_sequence_breakers", 64)? else { return Ok(None) };
    let name = fields.name("dry_sequence_breakers");
    let text = |item: &Value| {
        let text = item.as_str().ok_or_else(|| mistyped(&name, "a list of strings", item))?;
        Ok(Breaker::Text(text.to_owned()))
    };
    list.iter().map(text).collect::<Result<_, _>>().map(Some)
}

/// Reads `{"token": bias}`.
fn read_bias(fields: &Fields<'_>) -> Result<Vec<(u32, f32)>, ApiError> {
    let Some(biases) = fields.object("logit_bias")? else { return Ok(Vec::new()) };
    let one = |token: &String| {
        let id = token.parse::<u32>().map_err(|_| {
            let message = format!("logit_bias: {token:?} is not the number of a token");
            ApiError::invalid(fields.name("logit_bias"), message)
        })?;
        Ok((id, biases.number(token)?.unwrap_or(0.0)))
    };
    biases.map().keys().map(one).collect()
}

/// The limit on answers, which several fields decide together.
pub(super) fn check_samples(
    fields: &Fields<'_>,
    ask: &Ask,
    limits: &Limits,
) -> Result<(), ApiError> {
    let (n, most) = (ask.n_samples(), limits.samples);
    if n <= most {
        return Ok(());
    }
    let message = format!("the request asks for {n} answers, but at most {most} are given");
    Err(ApiError::invalid(fields.name("n"), message))
}
