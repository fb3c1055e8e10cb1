//! From flags to a sandbox that is ready.

use std::env;

use anyhow::Context as _;
use mynah_agent::Interpreter;
use mynah_agent::sandboxed::Sandboxed;
use mynah_hub::Reference;
use mynah_sandbox::{Limits, OsChoice, Sandbox, WasiFiles, Worker};

use super::{Kind, Packages, SandboxArgs};
use crate::environment;
use crate::failure::Misuse;
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
    let (sandbox, identity) = match args.sandbox {
        Kind::Wasi => wasi(args.packages, &worker, at_once, terminal)?,
        Kind::Os if args.packages != Packages::None => {
            let message = "--packages: the sandbox `os` has the packages of this machine's Python";
            return Err(Misuse(message.to_owned()).into());
        }
        Kind::Os => (Sandbox::os(&OsChoice::default(), &worker, at_once)?, "os".to_owned()),
    };
    let packages = match args.packages {
        Packages::None => Vec::new(),
        Packages::Data => ["numpy", "pandas", "scipy", "matplotlib"].map(str::to_owned).to_vec(),
    };
    Ok(Box::new(Sandboxed { sandbox, limits, identity, packages }))
}

/// The Python for WASI, fetched if it is not here, and what names it.
fn wasi(
    packages: Packages,
    worker: &Worker,
    at_once: usize,
    terminal: &Terminal,
) -> anyhow::Result<(Sandbox, String)> {
    let name = match packages {
        Packages::None => "cpython-wasi",
        Packages::Data => "cpython-wasi-data",
    };
    let hub = models::hub(terminal)?;
    let reference = Reference::Name(name.to_owned());
    let (python, _) = models::pull(&hub, &reference, false, false, terminal)?;
    let module = python.manifest.files.iter().find(|file| file.name.ends_with(".wasm"));
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
