//! From what is asked to what the engine is given: tokens, parameters, constraints.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use mynah_engine::Request;
use mynah_engine::constraint::{Constraint, ConstraintError};
use mynah_engine::sampling::SamplingParams;
use mynah_model::tokenizer::SpecialText;
use mynah_store::{Message, Role, Turn};
use serde_json::{Map, Value};

use crate::answers::{Delta, Generation};
use crate::interpreting::Interpreting;
use crate::mailbox::mailbox;
use crate::models::{Loaded, Writer};
use crate::prompts::kept_text;
use crate::tools::{self, Choice, Tool};
use crate::wire::{Ask, Form, Input, Prompt};
use crate::worker::{Asked, Place, Submission, ending};
use crate::{ApiError, AppState};

impl AppState {
    /// Begins to answer; returns when the engine has taken the request.
    ///
    /// # Errors
    /// If it will not be answered.
    pub(crate) async fn begin(
        &self,
        mut ask: Ask,
        who: &str,
    ) -> Result<(Generation, Vec<Delta>), ApiError> {
        if ask.code.is_none() {
            return self.begin_once(ask, who).await;
        }
        let interpreting = Interpreting::new(self, &mut ask, who)?;
        let (generation, deltas) = self.begin_once(ask, who).await?;
        Ok(generation.interpret(interpreting, deltas))
    }

    /// The same, for one answer of those between programs.
    ///
    /// # Errors
    /// If it will not be answered.
    pub(crate) async fn begin_once(
        &self,
        ask: Ask,
        who: &str,
    ) -> Result<(Generation, Vec<Delta>), ApiError> {
        if self.is_ending() {
            return Err(ending());
        }
        let arrived = Instant::now();
        let model = self.models().get(ask.model.as_deref()).await?;
        model.writer()?;
        let limits = &self.options().limits;
        let place = Place::take(&model.metrics, limits.requests)?;
        let who = format!("{who} {}", ask.user.as_deref().unwrap_or_default());
        let (until, unread_bytes) = (arrived + limits.wait, limits.unread_bytes);
        // Templates, tokens and grammars may take long; others are answered meanwhile.
        let submit = move || {
            let prepared = prepare(&model, &ask)?;
            let writer = model.writer()?;
            let (post, answers) = mailbox(unread_bytes);
            let lengths: Vec<usize> =
                prepared.iter().map(|(request, _)| request.prompt.len()).collect();
            let tools = offered(&ask);
            let generation = Generation::new(
                Arc::clone(&model),
                lengths,
                ask.n,
                answers,
                ask.stop.clone(),
                tools,
            );
            for (i, (request, kept)) in prepared.into_iter().enumerate() {
                let post = post.from(i * ask.n);
                let (who, place) = (who.clone(), Arc::clone(&place));
                let kept = kept.map(|turn| Asked { thread: ask.thread.clone(), turn });
                writer.worker.submit(Submission {
                    request,
                    who,
                    arrived,
                    until,
                    post,
                    kept,
                    place,
                })?;
            }
            Ok(generation)
        };
        let mut generation = tokio::task::spawn_blocking(submit)
            .await
            .map_err(|_| ApiError::internal("preparing the request failed"))??;
        let deltas = generation.begun().await?;
        Ok((generation, deltas))
    }

    /// How many tokens a conversation has.
    ///
    /// # Errors
    /// If the model does not take it.
    pub(crate) async fn count(&self, ask: Ask) -> Result<usize, ApiError> {
        let model = self.models().get(ask.model.as_deref()).await?;
        let count = move || tokens(&model, &ask).map(|prompts| prompts.iter().map(Vec::len).sum());
        tokio::task::spawn_blocking(count)
            .await
            .map_err(|_| ApiError::internal("reading the conversation failed"))?
    }
}

/// The tools that the model is told of.
fn offered(ask: &Ask) -> &[Tool] {
    if ask.choice == Choice::None { &[] } else { &ask.tools }
}

/// The tokens of each prompt.
fn tokens(model: &Loaded, ask: &Ask) -> Result<Vec<Vec<u32>>, ApiError> {
    let writer = model.writer()?;
    match &ask.input {
        Input::Chat(messages) => {
            let tokens = writer.prompts.conversation(messages, offered(ask), &ask.variables)?;
            Ok(vec![tokens])
        }
        Input::Prompts(prompts) => Ok(prompts
            .iter()
            .map(|prompt| match prompt {
                Prompt::Text(text) => model.tokenizer.encode_prompt(text, SpecialText::AsText),
                Prompt::Tokens(tokens) => tokens.clone(),
            })
            .collect()),
    }
}

/// A request of the engine for each prompt, and how its answers are kept.
fn prepare(model: &Loaded, ask: &Ask) -> Result<Vec<(Request, Option<Turn>)>, ApiError> {
    let writer = model.writer()?;
    if let Some(token) = ask.sampling.largest_biased().filter(|&t| t as usize >= model.n_vocab) {
        let message = format!("there is no token {token}: the model has {}", model.n_vocab);
        return Err(ApiError::invalid("logit_bias", message));
    }
    let sampling =
        SamplingParams { logprobs: ask.logprobs, ..ask.sampling.over(&writer.recommended) };
    let constraint = constraint(writer, ask)?;
    let prompts = tokens(model, ask)?;
    let mut prepared = Vec::with_capacity(prompts.len());
    for (i, prompt) in prompts.into_iter().enumerate() {
        let (n_tokens, context) = (prompt.len(), writer.context);
        let param = if matches!(ask.input, Input::Chat(_)) { "messages" } else { "prompt" };
        if n_tokens >= context {
            let message = format!(
                "the prompt has {n_tokens} tokens and the context holds {context}, answer included"
            );
            return Err(ApiError::invalid(param, message).called("context_length_exceeded"));
        }
        if n_tokens == 0 {
            return Err(ApiError::invalid(param, "the prompt has no tokens"));
        }
        let room = context - n_tokens;
        let kept = writer.is_kept.then(|| turn(model, ask, i, &prompt, &sampling));
        let request = Request {
            prompt,
            n_samples: ask.n,
            max_tokens: ask.max_tokens.unwrap_or(room).min(room),
            sampling: sampling.clone(),
            stop: ask.stop.clone(),
            constraint: constraint.as_ref().map(Constraint::restarted),
            adapter: None,
            ignore_end: ask.ignore_end,
        };
        prepared.push((request, kept));
    }
    Ok(prepared)
}

/// What the answers must look like, if anything.
fn constraint(writer: &Writer, ask: &Ask) -> Result<Option<Constraint>, ApiError> {
    let grammars = &writer.grammars;
    let (made, field) = if let Some(schema) = tools::schema(&ask.tools, &ask.choice) {
        (Constraint::json_schema_value(grammars, &schema), "tools")
    } else {
        match &ask.form {
            Form::Text => return Ok(None),
            Form::Object => (Constraint::json_object(grammars), "response_format"),
            Form::Schema { schema, field } => {
                let limit = grammars.limits().text_bytes;
                let got = schema.to_string().len();
                if got > limit {
                    let error = ConstraintError::TooLong { what: "json schema", got, limit };
                    return Err(ApiError::invalid(field, error.to_string()));
                }
                (Constraint::json_schema_value(grammars, schema), field.as_str())
            }
            Form::Regex(text) => (Constraint::regex(grammars, text), "response_format.regex"),
            Form::Grammar(text) => (Constraint::lark(grammars, text), "response_format.grammar"),
        }
    };
    made.map(Some).map_err(|error| ApiError::invalid(field, error.to_string()))
}

/// A turn in which only the answer is missing.
fn turn(model: &Loaded, ask: &Ask, i: usize, tokens: &[u32], sampling: &SamplingParams) -> Turn {
    let role = |name: &str| Role::named(name).unwrap_or(Role::User);
    let messages = match &ask.input {
        Input::Chat(messages) => {
            messages.iter().map(|said| Message::new(role(&said.role), kept_text(said))).collect()
        }
        Input::Prompts(prompts) => {
            let text = match &prompts[i] {
                Prompt::Text(text) => text.clone(),
                Prompt::Tokens(_) => {
                    String::from_utf8_lossy(&model.tokenizer.decode(tokens)).into_owned()
                }
            };
            vec![Message::new(Role::User, text)]
        }
    };
    let schema = match &ask.form {
        Form::Schema { schema, .. } => Some(schema.clone()),
        _ => None,
    };
    Turn {
        command: "serve".to_owned(),
        model: model.name.clone(),
        fingerprint: model.sha256.clone(),
        messages,
        answer: String::new(),
        sample: 0,
        seed: Some(sampling.seed),
        // With the digits that were written.
        temperature: sampling.temperature.to_string().parse().ok(),
        options: options(ask, sampling),
        schema,
        input_tokens: None,
        cached_tokens: None,
        output_tokens: None,
        first_token: None,
        duration: None,
        finish: String::new(),
        at: SystemTime::now(),
    }
}

/// What the same answer can be drawn with.
fn options(ask: &Ask, sampling: &SamplingParams) -> Map<String, Value> {
    let mut options = sampling.told();
    let mut add = |name: &str, value: Option<Value>| {
        options.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("stop", (!ask.stop.is_empty()).then(|| ask.stop.as_slice().into()));
    add("max_tokens", ask.max_tokens.map(Value::from));
    add("raw", matches!(ask.input, Input::Prompts(_)).then_some(true.into()));
    let tools = offered(ask).iter().map(|tool| Value::from(tool.name.as_str()));
    let tools: Vec<Value> = tools.collect();
    add("tools", (!tools.is_empty()).then_some(tools.into()));
    match &ask.form {
        Form::Object => add("form", Some("json_object".into())),
        Form::Regex(text) => add("regex", Some(text.as_str().into())),
        Form::Grammar(text) => add("grammar", Some(text.as_str().into())),
        Form::Text | Form::Schema { .. } => {}
    }
    options
}
