//! The machine's own Python as interpreter: for tests, whose programs are known.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use crate::{Cells, Ending, Interpreter, InterpreterError, Program, Run};

/// Runs programs with `python3`, without any limit.
pub(crate) struct HostPython;

impl Interpreter for HostPython {
    fn identity(&self) -> String {
        "host".to_owned()
    }

    fn packages(&self) -> &[String] {
        &[]
    }

    fn run(&self, program: &Program<'_>, _: &AtomicBool) -> Result<Run, InterpreterError> {
        run(program.source, program.stdin, program.folder)
    }

    fn cells(&self, folder: &Path) -> Result<Box<dyn Cells + '_>, InterpreterError> {
        Ok(Box::new(Replayed { folder: folder.to_owned(), before: String::new() }))
    }
}

/// Runs all cells before a cell again, without their output.
struct Replayed {
    folder: std::path::PathBuf,
    before: String,
}

impl Cells for Replayed {
    fn run(&mut self, cell: &str, _: &AtomicBool) -> Result<Run, InterpreterError> {
        let Self { before, folder } = self;
        let quiet = "import io, sys; _out, sys.stdout = sys.stdout, io.StringIO()\n";
        let source = format!("{quiet}{before}\nsys.stdout = _out\n{cell}");
        let run = run(&source, b"", folder)?;
        before.push_str(cell);
        before.push('\n');
        Ok(run)
    }
}

fn run(source: &str, stdin: &[u8], folder: &Path) -> Result<Run, InterpreterError> {
    let failed = |error: std::io::Error| InterpreterError(error.to_string());
    let mut child = Command::new("python3")
        .args(["-I", "-c", source])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // A program that reads nothing may be gone already.
    let _ = child.stdin.take().map(|mut pipe| pipe.write_all(stdin));
    let output = child.wait_with_output().map_err(failed)?;
    let ending = match output.status.code() {
        Some(0) => Ending::Finished,
        code => Ending::Failed { code: code.unwrap_or(-1) },
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Run { ending, stdout: text(&output.stdout), stderr: text(&output.stderr), seconds: 0.0 })
}
