//! `mynah serve`: models for other programs and for the browser.

mod library;

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mynah_server::{Access, AppState, Code, Limits, Options, Server};
use tempfile::TempDir;

use crate::environment;
use crate::failure::{Hint as _, Misuse};
use crate::interpreter::{self, SandboxArgs};
use crate::interrupt::Listening;
use crate::key;
use crate::log::LogArgs;
use crate::machine;
use crate::models::{self, Found};
use crate::session::{CacheFormatArg, Identity, at_least_one};
use crate::terminal::Terminal;
use crate::units;
use library::Shelf;

/// Memory that models may take if the system does not say how much there is.
const MEMORY_BYTES: u64 = 4 << 30;

/// How many bytes of images a program may return.
const IMAGE_BYTES: u64 = 8 << 20;

/// Serve models to other programs, in the shapes of OpenAI's and Anthropic's APIs
///
/// Any program that can be told the address of an OpenAI-compatible server can use it: at the
/// address that is printed, with `/v1` behind it. Requests name models as `mynah list` does; each
/// is loaded when it is first asked for. Ctrl-C lets answers come to their end, for a few seconds.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah serve
  mynah serve -m qwen2.5-coder-0.5b --port 8000
  MYNAH_API_KEY=… mynah serve --host 0.0.0.0
  mynah serve -m qwen2.5-coder-0.5b --code-interpreter
  curl http://127.0.0.1:8080/v1/chat/completions \\
    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Why is the sky blue?\"}]}'")]
pub(crate) struct Args {
    /// The model that answers where a request names none; fetched now if it is not here
    #[arg(long, short)]
    model: Option<String>,
    /// The address to listen at; any but this computer's own needs a key
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port to listen at; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// A file with the key that requests must show; only its owner may be able to read it
    ///
    /// Without it, the key is in MYNAH_API_KEY, if that is set.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    key_file: Option<PathBuf>,
    /// Answer everybody who can reach the address, without a key
    #[arg(long, help_heading = "Access", conflicts_with = "key_file")]
    no_auth: bool,
    /// A name, beside localhost and plain addresses, by which the server may be called
    #[arg(long, value_name = "NAME", help_heading = "Access")]
    allow_host: Vec<String>,
    /// Another site whose pages may ask, such as `https://example.org`
    #[arg(long, value_name = "ORIGIN", help_heading = "Access")]
    allow_origin: Vec<String>,
    /// How much memory models and their caches may take together, such as 6G [default: four
    /// fifths of what is free]
    #[arg(long, value_name = "BYTES", value_parser = read_bytes, help_heading = "Resources")]
    memory: Option<u64>,
    /// How many tokens a model's cache may hold, all conversations together
    #[arg(long, value_name = "N", default_value_t = 32768, value_parser = at_least_one)]
    #[arg(help_heading = "Resources")]
    cache_tokens: usize,
    /// How what was read is stored: less memory, or more exactly
    #[arg(long, value_name = "FORMAT", default_value = "f16", help_heading = "Resources")]
    cache_format: CacheFormatArg,
    /// How many requests a model may have, those that wait included; beyond that it says so
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_least_one)]
    #[arg(help_heading = "Resources")]
    requests: usize,
    /// How many answers a model computes at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    #[arg(help_heading = "Resources")]
    parallel: usize,
    /// How many seconds a request may wait for its turn
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "Resources")]
    wait: u64,
    /// How many threads compute [default: all there are]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Resources")]
    threads: Option<usize>,
    /// Let models have Python programs run, in a sandbox: requests offer them the tool
    /// `code_interpreter`
    #[arg(long, help_heading = "Code")]
    code_interpreter: bool,
    /// How many programs run at once; further ones wait
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    #[arg(help_heading = "Code", requires = "code_interpreter")]
    code_at_once: usize,
    /// How many programs a request may have run
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    #[arg(help_heading = "Code", requires = "code_interpreter")]
    code_calls: usize,
    #[command(flatten)]
    sandbox: SandboxArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    // What would be refused anyway is refused before anything is fetched.
    let access = access(args)?;
    let (model, path) = default_model(args, terminal)?;
    let memory_bytes = args
        .memory
        .unwrap_or_else(|| machine::available_memory().map_or(MEMORY_BYTES, |bytes| bytes / 5 * 4));
    // The folder of programs lives as long as the server.
    let (code, _scratch) = if args.code_interpreter {
        code(args, terminal).map(|(code, scratch)| (Some(code), Some(scratch)))?
    } else {
        (None, None)
    };
    let options = Options {
        access,
        code,
        model,
        memory_bytes,
        cache_positions: args.cache_tokens,
        cache_format: args.cache_format.into(),
        database: args.log.database.path()?,
        records: args.log.keeps(),
        limits: Limits {
            requests: args.requests,
            sequences: args.parallel,
            wait: Duration::from_secs(args.wait),
            ..Limits::default()
        },
    };
    let has_key = options.access.key.is_some();
    let shelf = Shelf {
        path,
        n_threads: args.threads.unwrap_or_else(machine::n_threads),
        terminal: terminal.clone(),
    };
    let address = SocketAddr::new(args.host, args.port);
    let server = Server::bind(address, AppState::new(Arc::new(shelf), options))
        .hint("--port takes another port, 0 one that is free")?;
    let url = format!("http://{}", server.address()?);
    let mut out = terminal.out();
    writeln!(out, "{url}")?;
    out.flush()?;
    drop(out);
    terminal.note(&format!("other programs ask at {url}/v1; Ctrl-C ends"));
    if !has_key && !args.host.is_loopback() {
        terminal.warning("everybody who can reach this address may use it");
    }
    terminal.note(&format!("models may take {} of memory", units::bytes(memory_bytes)));
    let listening = Listening::begin();
    server.run(|| listening.was_pressed())?;
    Ok(())
}

/// What runs programs, and the folder that theirs are made in.
fn code(args: &Args, terminal: &Terminal) -> anyhow::Result<(Code, TempDir)> {
    let scratch = tempfile::Builder::new().prefix("mynah-serve-").tempdir();
    let scratch = scratch.context("cannot make a folder for programs")?;
    let interpreter = interpreter::open(&args.sandbox, args.code_at_once, terminal)?;
    let code = Code {
        interpreter: Arc::from(interpreter),
        scratch: scratch.path().to_owned(),
        at_once: args.code_at_once,
        calls: args.code_calls,
        image_bytes: IMAGE_BYTES,
    };
    let seconds = args.sandbox.run_seconds.as_secs_f64();
    terminal.note(&format!(
        "models may have programs run: {seconds} s and {} MiB each, {} at once, {} for each request",
        args.sandbox.run_memory, args.code_at_once, args.code_calls
    ));
    Ok((code, scratch))
}

/// Who may ask.
///
/// # Errors
/// If the server could be reached by others and would answer everybody.
fn access(args: &Args) -> anyhow::Result<Access> {
    let key = match &args.key_file {
        Some(file) => Some(key::read(file)?),
        None if args.no_auth => None,
        None => environment::api_key().map(|key| key.trim().to_owned()),
    };
    if key.is_none() && !args.no_auth && !args.host.is_loopback() {
        return Err(Misuse(format!("others can reach {}, and there is no key", args.host)))
            .hint("put one into MYNAH_API_KEY or --key-file, or say --no-auth");
    }
    for origin in &args.allow_origin {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains('/')) {
            return Err(Misuse(format!("--allow-origin {origin:?} is not an origin")))
                .hint("an origin is a scheme, a name and perhaps a port: https://example.org");
        }
    }
    Ok(Access { key, hosts: args.allow_host.clone(), origins: args.allow_origin.clone() })
}

/// The name of the model that answers if none is named, and where it is if nobody fetched it.
fn default_model(
    args: &Args,
    terminal: &mut Terminal,
) -> anyhow::Result<(Option<String>, Option<PathBuf>)> {
    let Some(asked) = &args.model else { return Ok((None, None)) };
    let hub = models::hub(terminal)?;
    match models::find(&hub, Some(asked))? {
        Found::Path(path) => {
            mynah_hub::open(&path)?;
            Ok((Some(Identity::of_path(&path).name), Some(path)))
        }
        Found::Reference(reference) => {
            let (model, _) = models::pull(&hub, &reference, false, false, terminal)?;
            Ok((Some(model.manifest.name), None))
        }
    }
}

/// Reads a number of bytes, such as `6G` or `500M`.
fn read_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim().trim_end_matches(['b', 'B']);
    let (number, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text[..at], 1e9),
        Some((at, 't' | 'T')) => (&text[..at], 1e12),
        _ => (text, 1.0),
    };
    let number: f64 = number.trim().parse().map_err(|_| "it must be like 6G or 500M".to_owned())?;
    let bytes = number * factor;
    if bytes.is_finite() && bytes >= 1.0 {
        Ok(bytes as u64)
    } else {
        Err("it must be positive".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_units() {
        assert_eq!(read_bytes("6G"), Ok(6_000_000_000));
        assert_eq!(read_bytes("1.5 MB"), Ok(1_500_000));
        assert_eq!(read_bytes("1024"), Ok(1024));
        for text in ["", "G", "-1G", "x", "nan", "1e400G"] {
            assert!(read_bytes(text).is_err(), "{text}");
        }
    }
}
