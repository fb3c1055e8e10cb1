//! `mynah corpus rm`: removes a source.

use super::Place;
use crate::terminal::Terminal;
use crate::units;

/// Remove a source with all its texts, also from the disk
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sources: their names or their numbers
    #[arg(required = true)]
    sources: Vec<String>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let mut corpus = args.place.change()?;
    for name in &args.sources {
        let source = corpus.remove(name)?;
        terminal.note(&format!(
            "removed {}: {} documents, {}",
            source.name,
            source.documents,
            units::bytes(source.bytes)
        ));
    }
    Ok(())
}
