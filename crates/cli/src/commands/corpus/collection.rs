//! Collections that mynah knows: fetched, compared with their checksums, and added.

use std::time::{Duration, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_corpus::{Add, Collection, Corpus, Excluded, Piece};
use mynah_hub::{Model, Reference};

use super::add::take_in;
use crate::models;
use crate::terminal::Terminal;

/// Adds what of a collection is not there yet.
pub(crate) fn add(
    corpus: &mut Corpus,
    collection: &Collection,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let hub = models::hub_for_data(terminal)?;
    let excluded = Excluded::default();
    for piece in &collection.pieces {
        let is_here = |source: &mynah_corpus::Source| source.name == piece.name;
        if corpus.sources()?.iter().any(|source| is_here(source) && source.is_complete) {
            terminal.note(&format!("{} is here already", piece.name));
            continue;
        }
        let reference: Reference = piece.from.parse()?;
        let (model, _) = models::pull(&hub, &reference, false, false, terminal)?;
        check(piece, &model)?;
        let path = model.path();
        let card = model.manifest.licence.as_ref().map(|licence| licence.name.clone());
        let card = card.and_then(|name| mynah_corpus::checked_licence(&name).ok());
        let (licence, licence_evidence) = match &piece.licence {
            Some(licence) => (Some(licence), piece.licence_evidence.as_str()),
            None => (card.as_ref(), "the data set's card"),
        };
        let members = piece.members.as_ref();
        let add = Add {
            path: &path,
            name: &piece.name,
            origin: Some(&piece.from),
            licence: licence.map(String::as_str),
            licence_evidence,
            allows_unlicensed: false,
            excluded: &excluded,
            fields: &piece.fields,
            members: members.map(|members| (members.begin.as_str(), members.end.as_str())),
            now: SystemTime::now(),
        };
        take_in(corpus, &add, terminal)?;
    }
    Ok(())
}

/// Compares what came with what the catalogue says.
fn check(piece: &Piece, model: &Model) -> anyhow::Result<()> {
    let Some(expected) = &piece.sha256 else { return Ok(()) };
    let came: Vec<String> =
        model.manifest.files.iter().map(|file| file.sha256.to_string()).collect();
    if came == [expected.clone()] {
        return Ok(());
    }
    anyhow::bail!(
        "{} from {} has the wrong checksum: expected SHA-256 {expected}, got {}",
        piece.name,
        piece.from,
        came.join(", ")
    )
}

/// What shows that something happens, where a person sees it.
pub(crate) fn spinner(terminal: &Terminal) -> ProgressBar {
    if !terminal.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner}  {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
