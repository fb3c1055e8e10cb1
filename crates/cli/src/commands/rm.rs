//! `mynah rm`: removes models.

use mynah_hub::Reference;

use crate::models;
use crate::terminal::Terminal;
use crate::units;

/// Remove models, and what unfinished pulls left of them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The models to remove, by the names that `mynah list` shows
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<String>,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let hub = models::hub(terminal)?;
    for name in &args.models {
        // The name of a model that was copied from a file may look like a path or like anything.
        let reference = match name.parse()? {
            Reference::Path(_) => Reference::Name(name.clone()),
            other => other,
        };
        let freed = hub.remove(&reference)?.map_or(0, |model| model.bytes());
        terminal.note(&format!("removed {reference}, {} are free again", units::bytes(freed)));
    }
    Ok(())
}
