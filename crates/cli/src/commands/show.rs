//! `mynah show`: what a model is.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use mynah_hub::{Hub, Manifest, ModelFiles};
use mynah_model::checkpoint::{Checkpoint, Metadata, Value};
use mynah_model::gguf;
use serde::Serialize;

use crate::models::{self, Found};
use crate::terminal::{Terminal, printable};
use crate::{checkpoint, units};

/// Show what a model is: architecture, size, formats, context, tokenizer, licence
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model: a name that `mynah list` shows, or a path; the default model if none is named
    model: Option<String>,
    /// Print the template that makes text of a conversation, and nothing else
    #[arg(long)]
    template: bool,
    /// List every tensor
    #[arg(long)]
    tensors: bool,
    /// List every fact in the file
    #[arg(long)]
    metadata: bool,
    /// Print the facts as JSON
    #[arg(long, conflicts_with = "template")]
    json: bool,
}

/// What is told about a model.
#[derive(Serialize)]
struct Facts {
    path: PathBuf,
    bytes: u64,
    name: Option<String>,
    architecture: String,
    parameters: u64,
    formats: Vec<FormatShare>,
    layers: Option<u64>,
    embedding_length: Option<u64>,
    heads: Option<u64>,
    heads_kv: Option<u64>,
    experts: Option<u64>,
    context_length: Option<u64>,
    vocabulary: Option<u64>,
    tokenizer: Option<String>,
    chat_template_bytes: Option<u64>,
    is_encoder: bool,
    licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors: Option<Vec<TensorFacts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
}

/// How much of a model is stored in one format.
#[derive(Serialize)]
struct FormatShare {
    format: String,
    tensors: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct TensorFacts {
    name: String,
    format: String,
    shape: Vec<usize>,
    bytes: u64,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let hub = models::hub(terminal)?;
    let (files, manifest) = open(&hub, args.model.as_deref())?;
    let checkpoint = checkpoint::facts(&files)?;
    if args.template {
        return print_template(&checkpoint.metadata, terminal);
    }
    let mut facts = facts_of(&files, &checkpoint);
    facts.licence = licence(&checkpoint.metadata, manifest.as_ref());
    facts.manifest = manifest;
    facts.tensors = args.tensors.then(|| tensors_of(&checkpoint));
    facts.metadata = args.metadata.then(|| metadata_of(&checkpoint.metadata));
    if args.json {
        return terminal.json(&facts);
    }
    print(&facts, terminal)
}

/// Opens a model that is here already; `show` fetches nothing.
fn open(hub: &Hub, text: Option<&str>) -> anyhow::Result<(ModelFiles, Option<Manifest>)> {
    match models::find(hub, text)? {
        Found::Path(path) => Ok((mynah_hub::open(&path)?, None)),
        Found::Reference(reference) => {
            let model = hub.get(&reference)?;
            Ok((models::open(&model)?, Some(model.manifest)))
        }
    }
}

fn print_template(metadata: &Metadata, terminal: &Terminal) -> anyhow::Result<()> {
    let template = metadata
        .optional_str("tokenizer.chat_template")?
        .ok_or_else(|| anyhow::anyhow!("the model has no template for conversations"))?;
    let mut out = terminal.out();
    writeln!(out, "{}", template.trim_end_matches('\n'))?;
    out.flush()?;
    Ok(())
}

fn facts_of(files: &ModelFiles, checkpoint: &Checkpoint<'_>) -> Facts {
    let metadata = &checkpoint.metadata;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let architecture = text("general.architecture").unwrap_or_else(|| "unknown".into());
    let number = |key: &str| {
        let value = metadata.get(&format!("{architecture}.{key}"))?;
        // Some facts are told for each layer; then the largest is told here.
        let numbers = value.as_integer().map(|n| vec![n]).or_else(|| value.as_integers())?;
        u64::try_from(numbers.into_iter().max()?).ok()
    };
    let tokens = metadata.get("tokenizer.ggml.tokens").and_then(Value::as_strings);
    let tokenizer = text("tokenizer.ggml.model").map(|model| match text("tokenizer.ggml.pre") {
        Some(pre) => format!("{model} ({pre})"),
        None => model,
    });
    let embedding = checkpoint.tensors.get("token_embd.weight");
    Facts {
        path: files.path().to_owned(),
        bytes: files.bytes(),
        name: text("general.name"),
        parameters: checkpoint.tensors.values().map(|t| t.n_elements() as u64).sum(),
        formats: formats_of(checkpoint),
        layers: number("block_count"),
        embedding_length: number("embedding_length"),
        heads: number("attention.head_count"),
        heads_kv: number("attention.head_count_kv"),
        experts: number("expert_count").filter(|n| *n > 0),
        context_length: number("context_length"),
        vocabulary: tokens
            .map(|tokens| tokens.len() as u64)
            .or_else(|| embedding?.shape.get(1).map(|n| *n as u64)),
        tokenizer,
        chat_template_bytes: text("tokenizer.chat_template").map(|text| text.len() as u64),
        is_encoder: metadata.contains_key(&format!("{architecture}.pooling_type")),
        licence: None,
        manifest: None,
        tensors: None,
        metadata: None,
        architecture,
    }
}

/// The formats, the one that takes most first.
fn formats_of(checkpoint: &Checkpoint<'_>) -> Vec<FormatShare> {
    let mut shares: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for tensor in checkpoint.tensors.values() {
        let share = shares.entry(tensor.format.name()).or_default();
        *share = (share.0 + 1, share.1 + tensor.n_bytes() as u64);
    }
    let mut shares: Vec<FormatShare> = shares
        .into_iter()
        .map(|(format, (tensors, bytes))| FormatShare { format: format.into(), tensors, bytes })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

fn licence(metadata: &Metadata, manifest: Option<&Manifest>) -> Option<String> {
    let kept = manifest.and_then(|manifest| manifest.licence.as_ref()).map(|l| l.name.clone());
    kept.or_else(|| metadata.get("general.license").and_then(Value::as_str).map(Into::into))
}

fn tensors_of(checkpoint: &Checkpoint<'_>) -> Vec<TensorFacts> {
    let names = gguf::order(checkpoint.tensors.keys().map(String::as_str));
    let tensors = names.into_iter().map(|name| (name, &checkpoint.tensors[name]));
    let facts = tensors.map(|(name, tensor)| TensorFacts {
        name: name.into(),
        format: tensor.format.name().into(),
        shape: tensor.shape.clone(),
        bytes: tensor.n_bytes() as u64,
    });
    facts.collect()
}

/// Every fact as text; long ones are cut.
fn metadata_of(metadata: &Metadata) -> BTreeMap<String, String> {
    metadata.iter().map(|(key, value)| (key.clone(), brief(value))).collect()
}

fn brief(value: &Value) -> String {
    const LONGEST: usize = 200;
    if let Some(text) = value.as_str() {
        let begin: String = text.chars().take(LONGEST).collect();
        let rest = text.chars().count() - begin.chars().count();
        return if rest == 0 { begin } else { format!("{begin}… and {rest} characters more") };
    }
    if let Some(integer) = value.as_integer() {
        return integer.to_string();
    }
    match (value.as_bool(), value.as_f32(), value.as_strings(), value.as_integers()) {
        (Some(truth), ..) => truth.to_string(),
        (_, Some(number), ..) => number.to_string(),
        (_, _, Some(strings), _) => format!("{} texts", strings.len()),
        (.., Some(numbers)) if numbers.len() <= 32 => format!("{numbers:?}"),
        (.., Some(numbers)) => format!("{} integers", numbers.len()),
        _ => "a list".into(),
    }
}

fn print(facts: &Facts, terminal: &Terminal) -> anyhow::Result<()> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let mut add = |label, value: Option<String>| lines.extend(value.map(|value| (label, value)));
    let kept = facts.manifest.as_ref();
    add("name", kept.map(|m| m.name.clone()).or_else(|| facts.name.clone()));
    add("calls itself", facts.name.clone().filter(|_| kept.is_some()));
    add("architecture", Some(facts.architecture.clone()));
    add("parameters", Some(units::count(facts.parameters)));
    add("size", Some(units::bytes(facts.bytes)));
    add("formats", Some(formats_in_words(&facts.formats)));
    add("layers", facts.layers.map(|n| n.to_string()));
    add("width", facts.embedding_length.map(|n| n.to_string()));
    add(
        "heads",
        facts.heads.map(|n| match facts.heads_kv.filter(|kv| *kv != n) {
            Some(kv) => format!("{n}, of which {kv} have keys and values"),
            None => n.to_string(),
        }),
    );
    add("experts", facts.experts.map(|n| n.to_string()));
    add("context", facts.context_length.map(|n| format!("{n} tokens")));
    add("vocabulary", facts.vocabulary.map(|n| format!("{n} tokens")));
    add("tokenizer", facts.tokenizer.clone());
    add("conversation", Some(conversation(facts).into()));
    add("licence", facts.licence.clone());
    add("licence text", kept.and_then(|m| m.licence.as_ref()?.url.clone()));
    add("accepted", kept.and_then(|m| m.accepted_at.clone()));
    add("source", kept.map(|m| m.source.clone()));
    add("fetched", kept.map(|m| m.fetched_at.clone()));
    add("path", Some(facts.path.display().to_string()));
    let mut out = terminal.out();
    for (label, value) in lines {
        writeln!(out, "{} {}", terminal.bold(&format!("{label:13}")), printable(&value))?;
    }
    let tensors = facts.tensors.as_deref().unwrap_or_default();
    let width = tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0);
    for TensorFacts { name, format, shape, .. } in tensors {
        writeln!(out, "{:width$}  {format:6}  {shape:?}", printable(name))?;
    }
    for (key, value) in facts.metadata.iter().flatten() {
        let value = printable(&value.replace('\n', "\\n"));
        writeln!(out, "{} = {value}", terminal.bold(&printable(key)))?;
    }
    out.flush()?;
    Ok(())
}

/// What the model does with a text.
fn conversation(facts: &Facts) -> &'static str {
    match facts.chat_template_bytes {
        Some(_) => "yes; --template prints its template",
        None if facts.is_encoder => "none; the model turns a text into numbers",
        None => "no template; the model continues a text",
    }
}

fn formats_in_words(formats: &[FormatShare]) -> String {
    let total: u64 = formats.iter().map(|share| share.bytes).sum();
    let share = |part: u64| 100.0 * part as f64 / total.max(1) as f64;
    let words = formats.iter().map(|part| format!("{} {:.1} %", part.format, share(part.bytes)));
    words.collect::<Vec<_>>().join(", ")
}
