//! The sandbox as interpreter.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use mynah_sandbox::{Limits, Sandbox, Session, Verdict};

use crate::{Cells, Ending, Interpreter, InterpreterError, Program, Run};

/// A sandbox with limits, and what a model is told of it.
pub struct Sandboxed {
    /// Runs programs.
    pub sandbox: Sandbox,
    /// What each may take.
    pub limits: Limits,
    /// Which sandbox it is, exactly enough to tell whether another gives the same results.
    pub identity: String,
    /// What programs may import beside the standard library.
    pub packages: Vec<String>,
}

impl Interpreter for Sandboxed {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn packages(&self) -> &[String] {
        &self.packages
    }

    fn run(&self, program: &Program<'_>, stop: &AtomicBool) -> Result<Run, InterpreterError> {
        let Program { source, stdin, folder } = *program;
        let program = mynah_sandbox::Program { source, stdin, folder: Some(folder) };
        let run = self.sandbox.run(&program, &self.limits, stop);
        run.map(|run| told(run, &self.limits)).map_err(|error| failed(&error))
    }

    fn cells(&self, folder: &Path) -> Result<Box<dyn Cells + '_>, InterpreterError> {
        let session = self.sandbox.session(folder).map_err(|error| failed(&error))?;
        Ok(Box::new(Python { session, limits: &self.limits }))
    }
}

struct Python<'a> {
    session: Session,
    limits: &'a Limits,
}

impl Cells for Python<'_> {
    fn run(&mut self, cell: &str, stop: &AtomicBool) -> Result<Run, InterpreterError> {
        let run = self.session.run(cell, self.limits, stop);
        run.map(|run| told(run, self.limits)).map_err(|error| failed(&error))
    }
}

fn failed(error: &mynah_sandbox::SandboxError) -> InterpreterError {
    InterpreterError(error.to_string())
}

fn told(run: mynah_sandbox::Run, limits: &Limits) -> Run {
    let ending = match run.verdict {
        Verdict::Finished => Ending::Finished,
        Verdict::Failed { code } => Ending::Failed { code },
        Verdict::Stopped => Ending::Stopped,
        broken => Ending::Limit(broken.sentence(limits)),
    };
    Run { ending, stdout: run.stdout, stderr: run.stderr, seconds: run.seconds }
}
