//! `mynah corpus add`: takes texts in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use mynah_corpus::{Add, Added, Corpus, Error, Excluded, collections, default_collection};
use mynah_hub::Reference;

use super::{Place, collection};
use crate::failure::{Hint as _, Interrupted, Misuse};
use crate::interrupt::Listening;
use crate::models;
use crate::terminal::Terminal;
use crate::units;

/// Take texts in: files, folders, data sets, or a collection that mynah knows
///
/// Reads plain text, Markdown, HTML, JSON, JSON lines, CSV, EPUB, source code, Parquet if mynah was
/// built with it, all of these in .gz, .zst and .tar, and folders of them. An add that was
/// interrupted goes on where it was when it is called again.
#[derive(clap::Args)]
#[command(after_long_help = "\
Where texts come from:
  PATH                            a file or folder on this computer
  NAME                            a collection that `mynah corpus list --all` shows
  hf:OWNER/DATASET[/FILE]         a data set on Hugging Face, or the mirror in HF_ENDPOINT
  pypi:…, npm:…, https://…        a file, as `mynah pull` reads it

Licences are looked for in LICENSE files, package metadata, cards of data sets, pages and records.
Texts whose licence stays unknown are taken in and kept apart: they are not used until you say so,
by --licence, by --allow-unlicensed, or later by `mynah corpus allow`. Left out for good are texts
that robots.txt, ai.txt, tdmrep.json or the page itself reserve, and those of whom --exclude names.")]
pub(crate) struct Args {
    /// What to add; the default collection if nothing is named
    #[arg(value_name = "PATH")]
    sources: Vec<String>,
    /// The licence, as SPDX writes it, such as CC-BY-SA-4.0; overrides what is found
    #[arg(long, visible_alias = "license", value_name = "SPDX")]
    licence: Option<String>,
    /// Use the texts even if their licence is not known
    #[arg(long)]
    allow_unlicensed: bool,
    /// A list of authors and addresses that are left out, one a line
    #[arg(long, value_name = "FILE")]
    exclude: Option<PathBuf>,
    /// The field of a record that is its text; given several times, they are joined
    #[arg(long, value_name = "NAME")]
    field: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// What a person named.
enum Named {
    Path(PathBuf),
    Collection(&'static mynah_corpus::Collection),
    Elsewhere(Reference),
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    // All names are read before the first is added: a slip of the pen is told at once.
    let named = named(&args.sources)?;
    let excluded = match &args.exclude {
        Some(path) => {
            let text = fs::read_to_string(path);
            Excluded::parse(&text.with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => Excluded::default(),
    };
    let mut corpus = args.place.open_to_change()?;
    for one in named {
        match one {
            Named::Collection(known) => collection::add(&mut corpus, known, terminal)?,
            Named::Path(path) => {
                let name = path.display().to_string();
                let add = add(args, &path, &name, &excluded);
                take_in(&mut corpus, &add, terminal)?;
            }
            Named::Elsewhere(reference) => {
                let hub = models::hub_for_data(terminal)?;
                let (model, _) = models::pull(&hub, &reference, false, false, terminal)?;
                let name = reference.to_string();
                let path = model.path();
                let found = model.manifest.licence.as_ref().map(|licence| licence.name.clone());
                let found = found.and_then(|name| mynah_corpus::checked_licence(&name).ok());
                let mut add = add(args, &path, &name, &excluded);
                add.origin = Some(&name);
                if add.licence.is_none() && found.is_some() {
                    add.licence = found.as_deref();
                    add.licence_evidence = "the data set's card";
                }
                take_in(&mut corpus, &add, terminal)?;
            }
        }
    }
    Ok(())
}

fn named(sources: &[String]) -> anyhow::Result<Vec<Named>> {
    if sources.is_empty() {
        let known = default_collection().context("the catalogue has no default collection")?;
        return Ok(vec![Named::Collection(known)]);
    }
    sources.iter().map(|text| named_by(text)).collect()
}

fn named_by(text: &str) -> anyhow::Result<Named> {
    if Path::new(text).exists() {
        return Ok(Named::Path(text.into()));
    }
    if let Some(known) = collections().iter().find(|known| known.name == text) {
        return Ok(Named::Collection(known));
    }
    // What is named here on Hugging Face is a data set.
    let text = match text.strip_prefix("hf:") {
        Some(rest) if !rest.starts_with("datasets/") => format!("hf:datasets/{rest}"),
        _ => text.to_owned(),
    };
    match text.parse::<Reference>()? {
        Reference::Path(path) => Err(Misuse(format!("there is no {}", path.display())).into()),
        Reference::Name(name) => Err(Misuse(format!("there is no file or collection {name:?}")))
            .hint("`mynah corpus list --all` shows the collections that mynah knows"),
        other => Ok(Named::Elsewhere(other)),
    }
}

fn add<'a>(args: &'a Args, path: &'a Path, name: &'a str, excluded: &'a Excluded) -> Add<'a> {
    Add {
        path,
        name,
        origin: None,
        licence: args.licence.as_deref(),
        licence_evidence: "said by the person who added it",
        allows_unlicensed: args.allow_unlicensed,
        excluded,
        fields: &args.field,
        members: None,
        now: SystemTime::now(),
    }
}

/// Takes a source in and says what came of it.
pub(super) fn take_in(
    corpus: &mut Corpus,
    add: &Add<'_>,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let listening = Listening::begin();
    let bar = super::collection::spinner(terminal);
    let added = corpus.add(add, &mut |added| {
        bar.set_message(said(added));
        !listening.was_pressed()
    });
    bar.finish_and_clear();
    let added = match added {
        Err(Error::Stopped) => {
            terminal.note("stopped; the same command goes on from here");
            return Err(Interrupted.into());
        }
        added => added?,
    };
    if added.was_here {
        terminal.note(&format!("{} is here already", add.name));
    } else {
        terminal.note(&format!("{}: {}", add.name, said(&added)));
    }
    let source = corpus.source(add.name)?;
    if let Some(licence) = &source.licence {
        let evidence = source.licence_evidence.as_deref().unwrap_or("unknown");
        terminal.note(&format!("  licence {licence}, known from {evidence}"));
    }
    if added.refused > 0 {
        let n = added.refused;
        terminal.note(&format!("  {n} texts were not taken in; `mynah corpus list --refused`"));
    }
    if source.is_apart() {
        terminal.warning(&format!(
            "the licence of {} documents of {} is not known: they are kept apart and not used",
            source.unlicensed, source.name
        ));
        terminal.hint(&format!(
            "`mynah corpus allow {} --licence SPDX` if you know it, or without --licence to use \
             them all the same",
            source.id
        ));
    }
    Ok(())
}

fn said(added: &Added) -> String {
    let more = if added.kept > 0 { format!(", {} were here", added.kept) } else { String::new() };
    format!("{} documents, {}{more}", added.documents, units::bytes(added.bytes))
}
