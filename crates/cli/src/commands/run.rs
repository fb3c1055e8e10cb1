//! `mynah run`: answers a prompt.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::time::{Instant, SystemTime};

use mynah_engine::constraint::{Constraint, Grammars};
use mynah_engine::sampling::SamplingParams;
use mynah_engine::{Finish, Request, RequestError, Token};
use serde::Serialize;

use crate::failure::{Hint as _, Misuse};
use crate::limits;
use crate::log::{self, Asked, LogArgs, Recorder};
use crate::machine;
use crate::printer::Printer;
use crate::session::{
    Answer, ConstraintArgs, ConstraintText, Identity, Measured, Message, ModelArgs, SamplingArgs,
    Session, Timings, Unwatched, explain_refusal, generate,
};
use crate::terminal::Terminal;

/// Answer a prompt
///
/// The answer appears as it is generated. A prompt may be given as words, as text on standard
/// input, or as both: standard input is put after the words. A first word that is the path of a
/// model, such as ./my-model, is the model.
#[derive(Clone, clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah run \"Why is the sky blue?\"
  mynah run \"Put this into one sentence:\" < letter.txt
  mynah run --schema \"name, age int\" \"Invent a person.\"
  mynah run ./my-model \"Once upon a time\"
  mynah run --samples 8 --json \"Name a colour.\" | jq -r '.[].text'
  mynah run --seed 1 -n 50 --raw \"Once upon a time\"")]
pub(crate) struct Args {
    /// What to answer; several words are joined by spaces
    #[arg(value_name = "PROMPT")]
    prompt: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    /// What the model is told before the prompt: how it should behave
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Continue the prompt as it is, without making a conversation of it
    #[arg(long)]
    raw: bool,
    /// How many tokens the answer may have [default: what the context leaves]
    #[arg(long, short = 'n', value_name = "N", value_parser = crate::session::at_least_one)]
    max_tokens: Option<usize>,
    /// How many answers to give; they are generated together, for little more than the time of one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = crate::session::at_least_one)]
    samples: usize,
    /// Print answer, tokens, timings and parameters as JSON; several answers as an array
    #[arg(long)]
    json: bool,
    /// Tell afterwards how long everything took
    #[arg(long)]
    stats: bool,
    /// Tell the log-probability of each token, and of the N most likely ones in its place
    #[arg(long, value_name = "N", requires = "json", help_heading = "Sampling")]
    logprobs: Option<usize>,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    constraint: ConstraintArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// What `--json` prints for each answer.
#[derive(Serialize)]
struct Report<'r> {
    model: &'r Identity,
    sample: usize,
    text: &'r str,
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'r str>,
    tokens: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<TokenReport>>,
    seed: u64,
    parameters: &'r SamplingParams,
    stop: &'r [String],
    max_tokens: usize,
    timings: &'r Timings,
}

/// A token with the logarithms of probabilities in the model's own distribution.
#[derive(Serialize)]
struct TokenReport {
    id: u32,
    text: String,
    logprob: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top: Vec<TokenReport>,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let (start, at) = (Instant::now(), SystemTime::now());
    let (args, is_named) = &with_model_named_first(args.clone());
    let text = read_prompt(&args.prompt, args.raw)?;
    let is_empty = if args.raw { text.is_empty() } else { text.trim().is_empty() };
    // A model that continues texts begins one by itself.
    if is_empty && !is_named {
        return no_prompt();
    }
    args.sampling.check()?;
    let form = args.constraint.read()?;
    let (session, pool) = Session::open(&args.model, terminal)?;
    let mut sampling = args.sampling.params(&session.facts, &session.tokenizer)?;
    sampling.logprobs = args.logprobs;
    sampling.validate().map_err(|error| Misuse(error.to_string()))?;

    let message = [Message::user(text)];
    let (prompt, raw) = prompt_of(args, &session, &message)?;
    let too_long = RequestError::TooLong { n_tokens: prompt.len(), context: session.context };
    let room = session.context.saturating_sub(prompt.len());
    if room == 0 {
        return explain_refusal(Err(too_long.into()), &remedy(&session));
    }
    let max_tokens = args.max_tokens.unwrap_or(room).min(room);
    let n_positions = prompt.len() + args.samples.saturating_mul(max_tokens);
    let mut engine = session.engine(pool, n_positions);
    let grammars = || Grammars::new(engine.vocabulary().clone());
    let constraint = form.as_ref().map(|text| text.compile(&grammars())).transpose()?;
    let warnings = constraint.iter().flat_map(Constraint::warnings);
    warnings.for_each(|warning| terminal.warning(warning));
    let request = Request {
        prompt,
        n_samples: args.samples,
        max_tokens,
        sampling: sampling.clone(),
        stop: args.sampling.stop.clone(),
        constraint,
        adapter: session.adapter.clone(),
        ignore_end: false,
    };
    let ready = start.elapsed();
    let (answers, timing) = if args.json {
        generate(&mut engine, request, &mut Unwatched)
    } else {
        generate(&mut engine, request, &mut Printer::for_answers(terminal, args.samples))
    }
    .or_else(|error| explain_refusal(Err(error), &remedy(&session)))?;

    let measured = Measured {
        load: session.load_time,
        start_to_first_token: ready + timing.first_token,
        n_threads: session.n_threads,
        bytes_per_token: session.model.bytes_per_token(),
        peak_memory: machine::peak_memory(),
        timing,
    };
    let limit = args.stats.then(|| limits::read_gbps(engine.pool(), session.isa));
    let timings = Timings::new(&measured, limit);
    if args.json {
        let report = |answer| report(answer, args, &session, &sampling, max_tokens, &timings);
        write_reports(&answers.iter().map(report).collect::<Vec<_>>(), terminal)?;
    }
    if args.stats {
        timings.tell(terminal);
        terminal.note(&format!("seed     {}", sampling.seed));
    }
    let asked = asked(args, &session, &message, &sampling, form.as_ref(), raw, at);
    let turns: Vec<_> = answers.iter().map(|answer| asked.turn(answer, &timing)).collect();
    Recorder::new(&args.log).record(None, &turns, terminal);
    let limited = args.max_tokens.is_some_and(|asked| asked <= room);
    answers.iter().try_for_each(|answer| tell_end(answer, limited, &session, terminal))
}

/// The tokens of what is asked, and whether the text is continued as it is.
fn prompt_of(
    args: &Args,
    session: &Session,
    message: &[Message; 1],
) -> anyhow::Result<(Vec<u32>, bool)> {
    // A model that knows no conversations goes on with what it is given.
    let raw = args.raw || (args.system.is_none() && session.prompts.are_texts_only());
    if message[0].content.trim().is_empty() && !raw {
        return no_prompt();
    }
    let prompt = if raw {
        session.prompts.raw(&message[0].content)
    } else {
        session.prompts.conversation(args.system.as_deref(), message)?
    };
    if prompt.is_empty() { no_prompt() } else { Ok((prompt, raw)) }
}

/// What was asked, for the log.
fn asked<'a>(
    args: &'a Args,
    session: &'a Session,
    message: &[Message],
    sampling: &'a SamplingParams,
    constraint: Option<&'a ConstraintText>,
    raw: bool,
    at: SystemTime,
) -> Asked<'a> {
    Asked {
        command: "run",
        session,
        model_args: &args.model,
        messages: log::messages(args.system.as_deref(), message),
        sampling,
        stop: &args.sampling.stop,
        max_tokens: args.max_tokens,
        constraint,
        raw,
        at,
    }
}

/// A first word that is the path of a model names the model; whether there was one.
fn with_model_named_first(mut args: Args) -> (Args, bool) {
    let is_path = |word: &String| {
        let path = Path::new(word);
        let is_meant = path.is_absolute() || path.starts_with(".") || path.starts_with("..");
        let is_file = path.extension().is_some_and(|ending| ending == "gguf") && path.is_file();
        is_meant && (is_file || path.join("config.json").is_file())
    };
    let is_named = args.model.model.is_none() && args.prompt.first().is_some_and(is_path);
    if is_named {
        args.model.model = Some(args.prompt.remove(0));
    }
    (args, is_named)
}

/// The words, and after them what is on standard input, if it is not a terminal.
///
/// To be continued as it is, text must not be changed: only the line end that every text on
/// standard input has is taken away.
fn read_prompt(words: &[String], raw: bool) -> anyhow::Result<String> {
    let mut prompt = words.join(" ");
    if !io::stdin().is_terminal() {
        let mut input = String::new();
        io::stdin()
            .read_to_string(&mut input)
            .map_err(|error| Misuse(format!("cannot read standard input: {error}")))?;
        prompt = joined(prompt, &input, raw);
    }
    Ok(prompt)
}

fn joined(mut words: String, input: &str, raw: bool) -> String {
    if raw {
        words.push_str(input.strip_suffix('\n').unwrap_or(input));
        return words;
    }
    let input = input.trim_end();
    if !words.is_empty() && !input.is_empty() {
        words.push_str("\n\n");
    }
    words + input
}

fn no_prompt<T>() -> anyhow::Result<T> {
    Err(Misuse("the prompt is empty".to_owned()))
        .hint("`mynah run \"Why is the sky blue?\"`, or `mynah chat` for a conversation")
}

/// What to do about a prompt that is too long, or an answer that found no end.
fn remedy(session: &Session) -> String {
    let made_for = session.model.architecture().context_length;
    if session.context < made_for {
        format!("shorten the prompt, or allow more with --context, up to {made_for}")
    } else {
        format!("shorten the prompt; {} reads {made_for} tokens at most", session.identity.name)
    }
}

/// Says why an answer ended, if that is not what was asked for. `limited`: it was asked for no more
/// than it could have.
///
/// # Errors
/// If it could not go on.
fn tell_end(
    answer: &Answer,
    limited: bool,
    session: &Session,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    match &answer.finish {
        Finish::Failed(reason) => anyhow::bail!("the answer could not go on: {reason}"),
        Finish::CacheFull => {
            terminal.warning("the answer was cut off: memory for the cache is used up");
            terminal.hint("--cache-format q8_0 needs half, -n limits the answer");
        }
        Finish::Context | Finish::Length if !limited || answer.finish == Finish::Context => {
            terminal.warning(&format!(
                "the answer was cut off: prompt and answer fill the context of {} tokens",
                session.context
            ));
            terminal.hint(&remedy(session));
        }
        _ => {}
    }
    Ok(())
}

/// Writes one answer by itself, and several as a list.
fn write_reports(reports: &[Report<'_>], terminal: &Terminal) -> anyhow::Result<()> {
    match reports {
        [report] => write_json(report, terminal),
        reports => write_json(&reports, terminal),
    }
}

/// Writes a line of JSON: a token a line would be hard to read, and a line is easy to collect.
fn write_json(value: &impl Serialize, terminal: &Terminal) -> anyhow::Result<()> {
    let mut out = terminal.out();
    serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

fn report<'r>(
    answer: &'r Answer,
    args: &'r Args,
    session: &'r Session,
    sampling: &'r SamplingParams,
    max_tokens: usize,
    timings: &'r Timings,
) -> Report<'r> {
    let name = |id| String::from_utf8_lossy(session.tokenizer.token_name(id)).into_owned();
    let logprobs = args.logprobs.map(|_| {
        let one = |id, logprob, top| TokenReport { id, text: name(id), logprob, top };
        let of_token = |token: &Token| {
            let top = token.top.iter().map(|&(id, logprob)| one(id, Some(logprob), Vec::new()));
            one(token.id, token.logprob, top.collect())
        };
        answer.tokens.iter().map(of_token).collect()
    });
    Report {
        model: &session.identity,
        sample: answer.sample,
        text: &answer.text,
        finish_reason: answer.finish.name(),
        error: match &answer.finish {
            Finish::Failed(reason) => Some(reason),
            _ => None,
        },
        tokens: answer.tokens.iter().map(|token| token.id).collect(),
        logprobs,
        seed: sampling.seed,
        parameters: sampling,
        stop: &args.sampling.stop,
        max_tokens,
        timings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_comes_after_the_words() {
        let join = |words: &str, input, raw| joined(words.to_owned(), input, raw);
        assert_eq!(join("Sum up:", "one\ntwo\n\n", false), "Sum up:\n\none\ntwo");
        assert_eq!(join("", "one\n", false), "one");
        assert_eq!(join("Sum up:", " \n", false), "Sum up:");
        assert_eq!(join("Once", " upon \n\n", true), "Once upon \n");
        assert_eq!(join("", "Once upon", true), "Once upon");
    }
}
