//! From flags to a sandbox that is ready.

use std::env;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use mynah_agent::Interpreter;
use mynah_agent::sandboxed::Sandboxed;
use mynah_hub::Reference;
use mynah_sandbox::{Limits, OsChoice, Program, Sandbox, WasiFiles, Worker};

use super::{Kind, SandboxArgs};
use crate::environment;
use crate::models;
use crate::terminal::Terminal;

/// The hidden command of a sandbox's child.
pub(super) const WORKER: &str = "sandbox-worker";

pub(super) fn open(
    args: &SandboxArgs,
    at_once: usize,
    terminal: &Terminal,
) -> anyhow::Result<Box<dyn Interpreter + Send + Sync>> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    let worker = Worker { program, arguments: vec![WORKER.into()] };
    let limits = Limits {
        seconds: args.run_seconds.as_secs_f64(),
        memory_bytes: (args.run_memory as u64) << 20,
        ..Limits::default()
    };
    let (sandbox, identity, packages) = match args.sandbox {
        Kind::Wasi => {
            let (sandbox, identity) = wasi(&worker, at_once, terminal)?;
            (sandbox, identity, Vec::new())
        }
        Kind::Os => {
            let sandbox = Sandbox::os(&OsChoice::default(), &worker, at_once)?;
            let packages = packages(&sandbox)?;
            (sandbox, "os".to_owned(), packages)
        }
    };
    Ok(Box::new(Sandboxed { sandbox, limits, identity, packages }))
}

/// Which of the packages that programs for data use the machine's Python has.
fn packages(sandbox: &Sandbox) -> anyhow::Result<Vec<String>> {
    let source = "from importlib.util import find_spec\n\
        print(*(n for n in ('numpy', 'pandas', 'scipy', 'matplotlib') if find_spec(n)))";
    let program = Program { source, stdin: &[], folder: None };
    let run = sandbox.run(&program, &Limits::default(), &AtomicBool::new(false))?;
    Ok(run.stdout.split_whitespace().map(str::to_owned).collect())
}

/// The Python for WASI, fetched if it is not here, and what names it.
fn wasi(worker: &Worker, at_once: usize, terminal: &Terminal) -> anyhow::Result<(Sandbox, String)> {
    let name = "cpython-wasi";
    let hub = models::hub(terminal)?;
    let reference = Reference::Name(name.to_owned());
    let (python, _) = models::pull(&hub, &reference, false, false, terminal)?;
    let module = python
        .manifest
        .files
        .iter()
        .find(|file| Path::new(&file.name).extension().is_some_and(|end| end == "wasm"));
    let module = module.with_context(|| format!("{name} has no module"))?;
    let sha256 = module.sha256.to_string();
    let files = WasiFiles {
        module: python.folder.join(&module.name),
        sha256: sha256.clone(),
        library: None,
    };
    let cache = environment::home()?.join("compiled");
    let sandbox = Sandbox::wasi(&files, &cache, worker, at_once)?;
    Ok((sandbox, format!("wasi {name} {}", &sha256[..16])))
}
