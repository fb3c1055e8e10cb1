//! From what a person calls a model to its files.

use std::path::Path;

use anyhow::Context as _;
use mynah_hub::{Hub, Model, ModelFiles, Reference};

use crate::environment;
use crate::progress::Progress;
use crate::terminal::Terminal;

/// The hub as the environment and the command line want it.
pub(crate) fn hub(terminal: &Terminal) -> anyhow::Result<Hub> {
    Ok(Hub::new(environment::hub_config(terminal.offline)?)?)
}

/// The same, for files that need not be a model.
pub(crate) fn hub_for_data(terminal: &Terminal) -> anyhow::Result<Hub> {
    let config = environment::hub_config(terminal.offline)?;
    Ok(Hub::new(mynah_hub::Config { keep_data: true, ..config })?)
}

/// Opens a model, fetching it first if it is not here yet; the default model if none is named.
///
/// A path is opened where it is. Anything else that `mynah pull` understands is looked up in the
/// cache and fetched on first use, after saying what is fetched, how large it is and under which
/// licence.
pub(crate) fn resolve_or_pull(
    reference: Option<&str>,
    terminal: &mut Terminal,
) -> anyhow::Result<ModelFiles> {
    let hub = hub(terminal)?;
    match find(&hub, reference)? {
        Found::Path(path) => Ok(mynah_hub::open(&path)?),
        Found::Reference(reference) => {
            let model = pull(&hub, &reference, false, false, terminal)?.0;
            open(&model)
        }
    }
}

/// What a person means by a word.
pub(crate) enum Found {
    /// A file or folder where it is.
    Path(std::path::PathBuf),
    /// Something that the hub keeps or fetches.
    Reference(Reference),
}

/// Reads what a person calls a model; a folder's plain name counts if nothing else has that name.
pub(crate) fn find(hub: &Hub, text: Option<&str>) -> anyhow::Result<Found> {
    let text = text.unwrap_or_else(|| hub.catalogue().default_name());
    let reference: Reference = text.parse()?;
    Ok(match reference {
        Reference::Path(path) => Found::Path(path),
        Reference::Name(name)
            if Path::new(&name).is_dir()
                && hub.catalogue().get(&name).is_none()
                && hub.find(&Reference::Name(name.clone()))?.is_none() =>
        {
            Found::Path(name.into())
        }
        other => Found::Reference(other),
    })
}

/// Pulls a model and shows how. Whether it was here before.
pub(crate) fn pull(
    hub: &Hub,
    reference: &Reference,
    again: bool,
    accepts: bool,
    terminal: &Terminal,
) -> anyhow::Result<(Model, bool)> {
    let progress = Progress::new(terminal, accepts);
    let pulled = hub.pull(reference, again, &progress)?;
    Ok((pulled.model, pulled.was_here))
}

/// Maps a model of the cache.
pub(crate) fn open(model: &Model) -> anyhow::Result<ModelFiles> {
    mynah_hub::open(&model.path()).with_context(|| format!("cannot open {}", model.manifest.name))
}
