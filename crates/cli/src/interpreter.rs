//! What programs run in, as the command line describes it.

#[cfg(feature = "code")]
mod open;

use std::time::Duration;

use mynah_agent::Interpreter;

use crate::terminal::Terminal;

/// Flags that say what programs run in and what each may take.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Sandbox")]
pub(crate) struct SandboxArgs {
    /// What programs run in
    #[arg(long, value_name = "KIND", default_value = "wasi")]
    pub(crate) sandbox: Kind,
    /// How many seconds a program may run
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) run_seconds: Duration,
    /// How much memory a program may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = crate::session::at_least_one)]
    pub(crate) run_memory: usize,
}

/// What programs run in.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Python compiled to WebAssembly: no network, only a folder of its own, on every system
    Wasi,
    /// This machine's own Python with its packages, under bubblewrap; Linux
    Os,
}

/// Does what a sandbox starts this program for, if it was started for that. Nobody else is told of
/// the command.
#[cfg(feature = "code")]
pub(crate) fn work_as_child() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == open::WORKER)
        .then(|| mynah_sandbox::worker::main(&arguments.collect::<Vec<_>>()))
}

/// Reads a time in seconds that is more than none.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("it must be more than 0".to_owned()),
    }
}

/// Makes the sandbox ready; fetches its Python first if it is not here yet. So many programs can run
/// in it at once.
///
/// # Errors
/// If it cannot be fetched, or this system cannot hold a program.
#[cfg(feature = "code")]
pub(crate) fn open(
    args: &SandboxArgs,
    at_once: usize,
    terminal: &Terminal,
) -> anyhow::Result<Box<dyn Interpreter + Send + Sync>> {
    open::open(args, at_once, terminal)
}

/// Says how to get a mynah that can run programs.
#[cfg(not(feature = "code"))]
pub(crate) fn open(
    _: &SandboxArgs,
    _: usize,
    _: &Terminal,
) -> anyhow::Result<Box<dyn Interpreter + Send + Sync>> {
    use crate::failure::Hint as _;
    Err(anyhow::anyhow!("this mynah was built without the sandbox that programs run in"))
        .hint("build it with `cargo install --path crates/cli --features code`")
}
