//! From texts to a run that can begin: vocabulary, tokens, sizes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use mynah_corpus::bpe::{self, BpeOptions};
use mynah_model::tokenizer::{SpecialText, Tokenizer};
use mynah_train::config::Settings;
use mynah_train::data::{Part, Shard, ShardWriter, TokenSource as _};
use mynah_train::report::Origin;
use mynah_train::rules::Given;
use mynah_train::trainer::Material;

use super::folder::{About, Folder, parse_tokenizer, token_bytes};
use super::texts::{self, Texts};
use super::{Args, budget};
use crate::commands::corpus::Place;
use crate::failure::{Hint as _, Misuse};
use crate::terminal::Terminal;
use crate::units;

/// How many samples there are, and how many words each begins with.
const PROMPTS: usize = 3;
const PROMPT_WORDS: usize = 4;

/// Texts as tokens, and the vocabulary that they are written in.
pub(crate) struct Prepared {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) shard: Shard,
    /// The token that begins and ends texts.
    pub(crate) begins: u32,
    json: String,
    origins: Vec<Origin>,
}

/// Learns a vocabulary for texts and writes them as tokens to a folder.
///
/// `paths`: files and folders; the corpus, if there are none.
pub(crate) fn prepare_texts(
    paths: &[PathBuf],
    place: &Place,
    folder: &Path,
    n_threads: usize,
    terminal: &Terminal,
) -> anyhow::Result<Prepared> {
    let texts = find(paths, place, n_threads, terminal)?;
    let json = learn_vocabulary(None, &texts, n_threads)?;
    write_tokens(&texts, json, &folder.join("tokens"), terminal)
}

/// Finds texts, and says how much there is.
fn find(
    paths: &[PathBuf],
    place: &Place,
    n_threads: usize,
    terminal: &Terminal,
) -> anyhow::Result<Texts> {
    let texts = match paths {
        [] => texts::of_corpus(place, n_threads, terminal)?,
        _ => texts::of_files(paths)?,
    };
    let (documents, bytes) = texts.size()?;
    terminal.note(&format!(
        "{} of text in {} documents",
        units::bytes(bytes),
        units::count(documents)
    ));
    Ok(texts)
}

/// Writes all texts as tokens; counts where they are from.
fn write_tokens(
    texts: &Texts,
    json: String,
    path: &Path,
    terminal: &Terminal,
) -> anyhow::Result<Prepared> {
    let tokenizer = parse_tokenizer(&json).context("the tokenizer cannot be read")?;
    let begins = tokenizer
        .eos()
        .or_else(|| tokenizer.bos())
        .or_else(|| tokenizer.control_token("<|endoftext|>"))
        .context("the tokenizer has no token that ends a text")?;
    let mut writer = ShardWriter::create(path, tokenizer.vocab_len())?;
    let mut origins = Vec::new();
    for text in texts.read() {
        let text = text?;
        for piece in text.pieces() {
            writer.add(&encode(&tokenizer, piece))?;
        }
        text.count(&mut origins);
    }
    let shard = writer.finish()?;
    let bytes: u64 = origins.iter().map(|origin| origin.bytes).sum();
    terminal.note(&format!(
        "{} tokens with a vocabulary of {}, {:.2} bytes each",
        units::count(shard.n_tokens()),
        tokenizer.vocab_len(),
        bytes as f64 / shard.n_tokens().max(1) as f64
    ));
    Ok(Prepared { tokenizer, shard, begins, json, origins })
}

/// Prepares everything that a run needs, in its folder.
pub(super) fn prepare(
    args: &Args,
    n_threads: usize,
    terminal: &Terminal,
) -> anyhow::Result<Folder> {
    let begun = Instant::now();
    let (settings, paths) = settings(args)?;
    let texts = find(&paths, &args.place, n_threads, terminal)?;
    let root = args.out.clone().unwrap_or_else(|| default_folder(&paths));
    let folder = Folder::create(&root, args.force)?;
    let json = match &args.tokenizer {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => learn_vocabulary(args.vocabulary, &texts, n_threads)?,
    };
    let prepared = write_tokens(&texts, json, &folder.tokens(), terminal)?;
    folder.put_tokenizer(&prepared.json)?;
    let spent = begun.elapsed().as_secs_f64();
    let config = choose(args, settings, &prepared, spent, n_threads)?;
    let model = &config.model;
    terminal.note(&format!(
        "{}: {} layers of width {}, {} weights; {} steps of {} tokens",
        config.preset.name(),
        model.depth,
        model.width,
        units::count(mynah_train::model::Layout::new(config.preset, model).n_numbers() as u64),
        config.schedule.steps,
        config.tokens_per_step()
    ));
    let about = About {
        name: root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        command: command(),
        origins: prepared.origins,
        begins: prepared.begins,
        seeds: args.seeds as u64,
        price_per_hour: args.price_per_hour,
    };
    folder.begin(&about, &config)?;
    Ok(folder)
}

/// What was said, in a file and on the command line, which comes first; and where the texts are.
fn settings(args: &Args) -> anyhow::Result<(Settings, Vec<PathBuf>)> {
    let is_settings = |path: &&PathBuf| path.extension().is_some_and(|end| end == "toml");
    let (files, paths): (Vec<&PathBuf>, Vec<&PathBuf>) =
        args.what.iter().partition(|path| is_settings(path));
    let mut settings = match files[..] {
        [] => Settings::default(),
        [path] => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Settings::parse(&path.display().to_string(), &text)?
        }
        _ => return Err(Misuse("there may be one file of settings".to_owned()).into()),
    };
    settings.preset = args.preset.or(settings.preset);
    settings.seed = args.seed.or(settings.seed);
    settings.model.depth = args.depth.or(settings.model.depth);
    settings.schedule.steps = args.steps.map(|n| n as u64).or(settings.schedule.steps);
    Ok((settings, paths.into_iter().cloned().collect()))
}

/// A folder called like the text.
fn default_folder(paths: &[PathBuf]) -> PathBuf {
    match paths {
        [one] => {
            let stem = one.file_stem().unwrap_or_default().to_string_lossy();
            PathBuf::from(format!("{stem}-model"))
        }
        _ => PathBuf::from("mynah-model"),
    }
}

/// How many tokens suit so many bytes of text: the embeddings are to be a part of the model, not
/// most of it, and each token is to be seen often.
fn vocabulary_for(bytes: u64) -> usize {
    match bytes {
        0..100_000 => 512,
        100_000..1_000_000 => 1024,
        1_000_000..5_000_000 => 2048,
        5_000_000..200_000_000 => 4096,
        200_000_000..2_000_000_000 => 16_384,
        _ => 32_768,
    }
}

/// The words of a text as tokens.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, SpecialText::AsText)
}

/// Chooses sizes and steps.
fn choose(
    args: &Args,
    mut settings: Settings,
    prepared: &Prepared,
    spent: f64,
    n_threads: usize,
) -> anyhow::Result<mynah_train::config::Config> {
    let Prepared { tokenizer, shard, begins, .. } = prepared;
    let held_out = settings.watch.held_out.unwrap_or(0.02);
    let [learnt, held] = Part::divide(shard, held_out);
    if learnt.n_documents() == 0 {
        anyhow::bail!("there is no text to learn from");
    }
    if settings.watch.prompts.is_none() {
        settings.watch.prompts = Some(prompts(&held, tokenizer)?);
    }
    let vocabulary = settings.model.vocabulary.unwrap_or(tokenizer.vocab_len());
    if vocabulary < tokenizer.vocab_len() {
        let error = Misuse(format!(
            "model.vocabulary is {vocabulary}, but the tokenizer has {} tokens",
            tokenizer.vocab_len()
        ));
        return Err(error).hint("leave it out; --vocabulary says how many tokens are learnt");
    }
    let given =
        Given { vocabulary, steps: budget::FEWEST_STEPS, tokens: learnt.n_tokens(), depth: None };
    if settings.schedule.steps.is_some() {
        return Ok(settings.resolve(&given)?);
    }
    let token_bytes = token_bytes(tokenizer, vocabulary);
    let material = Material { source: &learnt, begins: *begins, token_bytes: &token_bytes };
    let seconds = ((args.budget - spent) / args.seeds as f64).max(1.0);
    budget::fit(settings, &given, &material, seconds, n_threads)
}

/// The first words of some held-out documents.
fn prompts(held: &Part, tokenizer: &Tokenizer) -> anyhow::Result<Vec<String>> {
    let mut prompts = Vec::new();
    let each = (held.n_documents() / PROMPTS).max(1);
    for i in (0..held.n_documents()).step_by(each).take(PROMPTS) {
        let mut tokens = Vec::new();
        held.read(i, 0, held.length(i).min(64), &mut tokens)?;
        let text = String::from_utf8_lossy(&tokenizer.decode(&tokens)).into_owned();
        let mut words = text.split_inclusive(char::is_whitespace);
        let first: String = words.by_ref().take(PROMPT_WORDS).collect();
        // Without spaces between words, some characters.
        let short: String = first.chars().take(40).collect();
        prompts.push(short.trim_end().to_owned());
    }
    prompts.retain(|prompt| !prompt.is_empty());
    Ok(prompts)
}

/// What was asked for, so that it can be asked for again.
fn command() -> String {
    let quoted = |argument: std::ffi::OsString| {
        let text = argument.to_string_lossy().into_owned();
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
        if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{text}'") }
    };
    let arguments: Vec<String> = std::env::args_os().skip(1).map(quoted).collect();
    format!("mynah {}", arguments.join(" "))
}

/// Learns a vocabulary from the texts; as large as suits them, if nobody says.
fn learn_vocabulary(
    n_vocab: Option<usize>,
    texts: &Texts,
    n_threads: usize,
) -> anyhow::Result<String> {
    let n_vocab = match n_vocab {
        Some(n_vocab) => n_vocab,
        None => vocabulary_for(texts.size()?.1),
    };
    let options = BpeOptions { n_vocab, n_threads, ..BpeOptions::default() };
    Ok(bpe::train(texts.read(), &options)?.to_tokenizer_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_called_like_the_text() {
        let folder =
            |paths: &[&str]| default_folder(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(folder(&["books/moby.txt"]), PathBuf::from("moby-model"));
        assert_eq!(folder(&["a", "b"]), PathBuf::from("mynah-model"));
    }
}
