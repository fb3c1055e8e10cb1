//! `mynah try --folklore`: folk wisdom about prompts, tried on the models that are here.

use std::io::Write as _;

use mynah_lab::folklore;
use mynah_lab::results::Ended;

use super::args::Args;
use super::{COLUMNS, explained, investigate, write_page};
use crate::failure::Interrupted;
use crate::terminal::Terminal;

/// Tries every belief, then draws all of them in one plot.
pub(super) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let mut store = args.store()?;
    let mut seen = Vec::new();
    let mut is_interrupted = false;
    for belief in folklore::all()? {
        let experiment = explained(args.over(explained(belief.draft())?)?.build())?;
        let results = investigate(args, experiment, store.as_mut(), terminal)?;
        is_interrupted = results.models.iter().any(|model| model.ended == Ended::Interrupted);
        seen.push((belief, results));
        if is_interrupted {
            break;
        }
    }
    write_page(args, &|out| out.write_all(folklore::html(&seen).as_bytes()))?;
    if args.json {
        terminal.json(&seen)?;
    } else {
        let mut out = terminal.out();
        write!(out, "{}", folklore::text(&seen, COLUMNS))?;
        out.flush()?;
    }
    if is_interrupted {
        terminal.hint("the same command with --resume goes on where it stopped");
        return Err(Interrupted.into());
    }
    Ok(())
}
