//! Measures what a sandbox takes: `cargo run --release -p mynah-sandbox --example measure` with
//! `MYNAH_TEST_MODELS` as for the tests. Builds `mynah-sandbox-worker` beside itself.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use mynah_sandbox::{Limits, OsChoice, Program, Sandbox, WasiFiles, Worker};

const SHA256: &str = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763";

#[expect(clippy::print_stdout, reason = "this is a report")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::var_os("MYNAH_TEST_MODELS").ok_or("no models")?);
    let own = std::env::current_exe()?;
    let beside = own.parent().and_then(Path::parent).ok_or("no folder")?;
    let worker = Worker { program: beside.join("mynah-sandbox-worker"), arguments: Vec::new() };
    let module = folder.join("python-3.12.wasm");
    let files = WasiFiles { module, sha256: SHA256.into(), library: None };
    let cache = std::env::temp_dir().join(format!("mynah-measure-{}", std::process::id()));
    let begin = Instant::now();
    let sandbox = Sandbox::wasi(&files, &cache, &worker, 1)?;
    println!("wasi: compiled, checked and started in {:.2} s", begin.elapsed().as_secs_f64());
    drop(sandbox);
    let begin = Instant::now();
    let sandbox = Sandbox::wasi(&files, &cache, &worker, 1)?;
    println!("wasi: from the cache in {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    report("wasi", &sandbox)?;
    drop(sandbox);
    std::fs::remove_dir_all(cache)?;
    match Sandbox::os(&OsChoice::default(), &worker, 1) {
        Ok(sandbox) => report("os", &sandbox)?,
        Err(error) => println!("os: {error}"),
    }
    Ok(())
}

/// Prints how long a program takes whose work is nothing: warm, and when none is ready.
#[expect(clippy::print_stdout, reason = "this is a report")]
fn report(name: &str, sandbox: &Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    let (limits, stop) = (Limits::default(), AtomicBool::new(false));
    let measure = |program: &Program<'_>, waits: bool| {
        let mut times = Vec::new();
        for _ in 0..20 {
            if waits {
                // Long enough for the next child to be ready.
                std::thread::sleep(std::time::Duration::from_millis(400));
            }
            let begin = Instant::now();
            let run = sandbox.run(program, &limits, &stop)?;
            assert!(run.verdict.is_finished(), "{run:?}");
            times.push((run.seconds * 1e3, begin.elapsed().as_secs_f64() * 1e3));
        }
        times.sort_by(|a, b| a.1.total_cmp(&b.1));
        Ok::<_, mynah_sandbox::SandboxError>(times[times.len() / 2])
    };
    let nothing = Program::new("print('hello')");
    let (run, whole) = measure(&nothing, true)?;
    println!(
        "{name}: warm: {run:.2} ms until the end is known, {whole:.2} ms with the child's end"
    );
    let (run, whole) = measure(&nothing, false)?;
    println!("{name}: one after the other: {run:.2} ms of {whole:.2} ms");
    let work = Program::new("x = 0\nfor i in range(10**6): x += i * i % 7");
    let (run, _) = measure(&work, false)?;
    println!("{name}: a million steps: {run:.0} ms");
    Ok(())
}
