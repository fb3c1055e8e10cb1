//! `mynah try`: finds out whether a change of a prompt works.

mod args;
mod folklore;
mod models;
mod tools;
mod watch;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use mynah_lab::execute::{Company, Journal, Kept, Unkept, execute, outlook, pilot_of};
use mynah_lab::experiment::{Draft, Experiment, Fault};
use mynah_lab::present::{outlook_text, results_text};
use mynah_lab::report;
use mynah_lab::respond::Responder;
use mynah_lab::results::{Ended, ModelResults, Results};
use mynah_store::Store;

use crate::failure::{self, Hint as _, Interrupted, Misuse, Unmet};
use crate::terminal::Terminal;
use crate::write;

pub(crate) use args::Args;

use models::{Models, Size};
use tools::LocalTools;
use watch::Watch;

/// How wide a plot is where nobody says.
const COLUMNS: usize = 80;

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    if args.folklore {
        return folklore::run(args, terminal);
    }
    let experiment = explained(args.draft()?.build())?;
    if args.plan {
        let models = Models::new(args, &experiment)?;
        return plan(args, &experiment, &models, terminal);
    }
    let mut store = args.store()?;
    let results = investigate(args, experiment, store.as_mut(), terminal)?;
    if let Some(store) = &store
        && let Err(error) = keep_report(store.path(), &results)
    {
        failure::warn(&error.context("the report was not kept"), terminal);
    }
    finish(args, &results, terminal)
}

/// Lets every model answer an experiment.
fn investigate(
    args: &Args,
    experiment: Experiment,
    mut store: Option<&mut Store>,
    terminal: &Terminal,
) -> anyhow::Result<Results> {
    let models = Models::new(args, &experiment)?;
    let design = experiment.hash()?;
    models.tell_cost(&experiment, terminal);
    terminal.note(&format!(
        "{}: {} arms x {} inputs x {} samples each; design {}",
        experiment.name,
        experiment.arms.len(),
        experiment.inputs.len(),
        experiment.samples_per_input(),
        &design[..16]
    ));
    let mut results = Results { experiment, design, models: Vec::new() };
    let experiment = results.experiment.clone();
    for name in models.names() {
        let size = Size::of(&experiment);
        let model = models.with(name.as_deref(), &size, terminal, &mut |responder| {
            let tools = &mut LocalTools::new(args, &models, terminal);
            draw(args, &experiment, responder, tools, store.as_deref_mut(), terminal)
        })?;
        let is_interrupted = model.ended == Ended::Interrupted;
        results.models.push(model);
        if is_interrupted {
            break;
        }
    }
    Ok(results)
}

/// Lets one model answer.
fn draw(
    args: &Args,
    experiment: &Experiment,
    responder: &mut dyn Responder,
    tools: &mut LocalTools<'_>,
    store: Option<&mut Store>,
    terminal: &Terminal,
) -> anyhow::Result<ModelResults> {
    let mut watch = Watch::begin(&responder.identity().name, terminal);
    let mut kept = store.map(|store| Kept::new(store, args.resume));
    let journal: &mut dyn Journal = match &mut kept {
        Some(kept) => kept,
        None => &mut Unkept,
    };
    let company = Company { journal, tools, observer: &mut watch };
    let results = execute(experiment, responder, company);
    watch.end();
    let results = results?;
    if args.resume && results.resumed == 0 {
        terminal.warning("there was nothing to resume: no samples of this design are kept");
    }
    Ok(results)
}

/// Runs the pilot and says what the whole can show; nothing else is drawn.
fn plan(
    args: &Args,
    experiment: &Experiment,
    models: &Models,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let pilot = pilot_of(experiment);
    models.tell_cost(&pilot, terminal);
    let mut out = terminal.out();
    for name in models.names() {
        let size = Size::of(&pilot);
        let drawn = models.with(name.as_deref(), &size, terminal, &mut |responder| {
            let tools = &mut LocalTools::new(args, models, terminal);
            draw(args, &pilot, responder, tools, None, terminal)
        })?;
        if drawn.ended == Ended::Interrupted {
            return Err(Interrupted.into());
        }
        let seen = outlook(experiment, &drawn.samples);
        if args.json {
            serde_json::to_writer_pretty(&mut out, &seen).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            write!(out, "{}: {}", drawn.model.name, outlook_text(experiment, seen.as_ref()))?;
        }
    }
    Ok(out.flush()?)
}

/// Writes a page to the file that was asked for, if any.
fn write_page(
    args: &Args,
    write: &dyn Fn(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    args.report.as_ref().map_or(Ok(()), |path| write::whole(path, write))
}

/// Keeps the report where the page of `mynah serve` finds it by the design.
fn keep_report(store: &Path, results: &Results) -> anyhow::Result<()> {
    write::report(store, &results.design, &|out| report::write(results, out))
}

/// Prints what came out, and ends as the person asked for.
fn finish(args: &Args, results: &Results, terminal: &Terminal) -> anyhow::Result<()> {
    write_page(args, &|out| report::write(results, out))?;
    if args.json {
        terminal.json(results)?;
    } else {
        let mut out = terminal.out();
        write!(out, "{}", results_text(results, COLUMNS))?;
        out.flush()?;
    }
    if results.models.iter().any(|model| model.ended == Ended::Interrupted) {
        terminal.hint("the same command with --resume goes on where it stopped");
        return Err(Interrupted.into());
    }
    if !results.is_required_met() {
        return Err(Unmet("what was required did not come out".to_owned()).into());
    }
    Ok(())
}

/// A mistake in what the person wrote.
fn explained<T>(result: Result<T, Fault>) -> anyhow::Result<T> {
    result.map_err(|fault| {
        let hint = fault.hint.clone();
        let misuse = Misuse(fault.to_string());
        match hint {
            Some(hint) => {
                Err::<(), _>(misuse).hint(hint).err().unwrap_or_else(|| anyhow::anyhow!(""))
            }
            None => misuse.into(),
        }
    })
}

/// Reads a text file that the person named.
fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let bytes = bytes.map_err(|error| Misuse(format!("{error:#}")))?;
    let not_text = |_| Misuse(format!("{} is not text in UTF-8", path.display()));
    Ok(String::from_utf8(bytes).map_err(not_text)?)
}

/// Reads what a file or a command line said into a draft.
impl Args {
    fn draft(&self) -> anyhow::Result<Draft> {
        let draft = match self.file() {
            Some(file) => self.read_file(file)?,
            None => self.read_prompts(),
        };
        self.over(draft)
    }
}
