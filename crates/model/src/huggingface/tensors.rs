//! Gives every tensor of a folder its name, order and type in GGUF.

use std::collections::BTreeMap;

use super::HuggingFaceError;
use super::config::Config;
use super::families::{Change, Family, Rule};
use super::source::{Finish, Source};
use crate::checkpoint::Checkpoint;
use crate::metadata::Metadata;
use crate::safetensors::{Tensors, View};

/// What stands before names, depending on the class that a model was saved from.
const PREFIXES: &[&str] = &["model.", "transformer.", "language_model.", "text_model.", "bert."];
/// What stands behind them; the older names of a norm's two tensors become the newer ones.
const SUFFIXES: &[(&str, &str)] =
    &[(".weight", ".weight"), (".bias", ".bias"), (".gamma", ".weight"), (".beta", ".bias")];

/// Matrices that GGUF keeps in single precision, because they are small and matter.
const SINGLE_PRECISION: &[&str] = &[
    "position_embd.weight",
    "token_types.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_inp_shexp.weight",
];

/// A tensor's name taken apart.
struct Name {
    /// Without prefix and suffix, with `{n}` and `{e}` in place of numbers.
    pattern: String,
    /// The layer's number, as it stands there.
    layer: Option<usize>,
    /// The number of the expert or head.
    part: Option<usize>,
    suffix: &'static str,
}

/// Tensors that are to be stacked: by number, for each name in GGUF, with the fact that says how
/// many there must be.
type Stacks<'a> = BTreeMap<String, (&'static str, BTreeMap<usize, Source<'a>>)>;

/// Puts all tensors into the checkpoint that has the facts.
pub(super) fn place_all<'a>(
    family: &Family,
    config: &Config,
    tensors: Tensors<'a>,
    made: &mut Checkpoint<'a>,
) -> Result<(), HuggingFaceError> {
    let tied = config.flag("tie_word_embeddings")?;
    let heads = Heads::of(family.arch, &made.metadata);
    let mut stacks = Stacks::new();
    for (name, view) in tensors {
        let parsed = Name::parse(&name);
        let Some(rule) = find(family, &parsed.pattern) else {
            return Err(HuggingFaceError::UnknownTensor { name, architecture: family.arch });
        };
        let Rule(_, place, change) = rule;
        let dropped = match change {
            Change::Drop | Change::DropAll => true,
            Change::Output => tied,
            _ => false,
        };
        if dropped {
            continue;
        }
        let place = parsed.fill(place);
        match (change, parsed.part) {
            (Change::Stack(count), Some(part)) => {
                let source = Source::new(name, view)?;
                let (_, parts) = stacks.entry(place).or_insert((count, BTreeMap::new()));
                parts.insert(part, source);
            }
            _ => place_one(*change, &parsed, place, (name, view), &heads, made)?,
        }
    }
    for (place, (count, parts)) in stacks {
        let expected = made.metadata.size(&format!("{}.{count}", family.arch)).unwrap_or(0);
        let whole = stack(&place, expected, parts)?;
        insert(made, whole, place, Change::Keep)?;
    }
    Ok(())
}

/// Changes one tensor and puts it, or its two halves, into the checkpoint.
fn place_one<'a>(
    change: Change,
    parsed: &Name,
    place: String,
    (name, view): (String, View<'a>),
    heads: &Heads,
    made: &mut Checkpoint<'a>,
) -> Result<(), HuggingFaceError> {
    let source = Source::new(name, view)?;
    let source = match change {
        Change::Query => interleave(source, heads.query)?,
        Change::Key => interleave(source, heads.key)?,
        Change::FalconQkv => sort_falcon(source, heads)?,
        Change::Halves(other) => {
            let [first, second] = halves(source)?;
            insert(made, second, parsed.fill(other), Change::Keep)?;
            first
        }
        _ => source,
    };
    insert(made, source, place, change)
}

/// Puts a tensor into the checkpoint in the type that GGUF has for it.
fn insert<'a>(
    made: &mut Checkpoint<'a>,
    source: Source<'a>,
    place: String,
    change: Change,
) -> Result<(), HuggingFaceError> {
    let single = SINGLE_PRECISION.iter().any(|name| place.ends_with(name));
    let finish = Finish {
        // The biases of a transposed layer are not.
        transposed: change == Change::Transpose && source.shape.len() > 1,
        as_f32: single || source.shape.len() == 1 || place.ends_with("_norm.weight"),
        add: if change == Change::AddOne { 1.0 } else { 0.0 },
    };
    let name = source.name.clone();
    let tensor = source.finish(finish)?;
    if made.tensors.contains_key(&place) {
        return Err(HuggingFaceError::SamePlace { name, place });
    }
    made.tensors.insert(place, tensor);
    Ok(())
}

impl Name {
    fn parse(name: &str) -> Self {
        let mut rest = name;
        while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
            rest = shorter;
        }
        let suffix =
            SUFFIXES.iter().find_map(|(theirs, ours)| Some((rest.strip_suffix(theirs)?, *ours)));
        // Fused experts have none.
        let (core, suffix) = suffix.unwrap_or((rest, ".weight"));
        let mut numbers = Vec::new();
        let words = core.split('.').map(|word| {
            let number =
                word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok()).flatten();
            match (number, numbers.len()) {
                (Some(number), 0 | 1) => {
                    numbers.push(number);
                    if numbers.len() == 1 { "{n}" } else { "{e}" }
                }
                _ => word,
            }
        });
        let pattern = words.collect::<Vec<_>>().join(".");
        Self { pattern, layer: numbers.first().copied(), part: numbers.get(1).copied(), suffix }
    }

    /// The name in GGUF.
    fn fill(&self, place: &str) -> String {
        let layer = self.layer.unwrap_or_default().to_string();
        place.replace("{n}", &layer) + self.suffix
    }
}

fn find(family: &Family, pattern: &str) -> Option<&'static Rule> {
    let mut rules = family.rules.iter().copied().flatten();
    rules.find(|Rule(theirs, _, change)| match change {
        Change::DropAll => pattern.strip_prefix(theirs).is_some_and(|rest| rest.starts_with('.')),
        _ => pattern == *theirs,
    })
}

/// How many heads there are.
struct Heads {
    query: usize,
    key: usize,
}

impl Heads {
    fn of(arch: &str, metadata: &Metadata) -> Self {
        let count = |key| metadata.size(&format!("{arch}.attention.{key}")).unwrap_or(0);
        Self { query: count("head_count"), key: count("head_count_kv") }
    }
}

/// Turns each head's rows from halves that belong together into neighbours that do.
fn interleave(source: Source<'_>, n_heads: usize) -> Result<Source<'_>, HuggingFaceError> {
    let n_rows = source.n_rows();
    if n_heads == 0 || !n_rows.is_multiple_of(2 * n_heads) {
        return Err(source.error(format!("expected {n_heads} heads of an even number of rows")));
    }
    let size = n_rows / n_heads;
    let rows = (0..n_rows).map(|row| {
        let (head, at) = (row / size, row % size);
        (head * size + at % 2 * (size / 2) + at / 2, 1)
    });
    Ok(source.take_rows(rows))
}

/// Sorts the rows of Falcon's attention, where each group of query heads is followed by its key head
/// and its value head: all queries, all keys, all values.
fn sort_falcon<'a>(source: Source<'a>, heads: &Heads) -> Result<Source<'a>, HuggingFaceError> {
    let (n_query, n_key) = (heads.query, heads.key);
    let n_heads = n_query + 2 * n_key;
    if n_key == 0 || !n_query.is_multiple_of(n_key) || !source.n_rows().is_multiple_of(n_heads) {
        let problem = format!("expected {n_query} query heads and {n_key} key and value heads");
        return Err(source.error(problem));
    }
    let size = source.n_rows() / n_heads;
    let per_group = n_query / n_key;
    let group = |i: usize| i * (per_group + 2) * size;
    let queries = (0..n_key).map(|i| (group(i), per_group * size));
    let keys = (0..n_key).map(|i| (group(i) + per_group * size, size));
    let values = (0..n_key).map(|i| (group(i) + (per_group + 1) * size, size));
    Ok(source.take_rows(queries.chain(keys).chain(values)))
}

/// Splits experts' rows in the middle: `[n_experts, 2 * n, width]` becomes twice
/// `[n_experts, n, width]`.
fn halves(source: Source<'_>) -> Result<[Source<'_>; 2], HuggingFaceError> {
    let [n_experts, n_rows, width] = source.shape[..] else {
        return Err(source.error("expected three dimensions"));
    };
    if !n_rows.is_multiple_of(2) {
        return Err(source.error("expected an even number of rows"));
    }
    let half = n_rows / 2;
    let flat = source.reshaped(vec![n_experts * n_rows, width]);
    let take = |second: usize| {
        let runs = (0..n_experts).map(|expert| ((2 * expert + second) * half, half));
        flat.clone().take_rows(runs).reshaped(vec![n_experts, half, width])
    };
    Ok([take(0), take(1)])
}

/// Stacks experts or heads in the order of their numbers.
fn stack<'a>(
    place: &str,
    expected: usize,
    mut parts: BTreeMap<usize, Source<'a>>,
) -> Result<Source<'a>, HuggingFaceError> {
    let missing =
        |missing| HuggingFaceError::MissingPart { place: place.to_owned(), expected, missing };
    let sources = (0..expected).map(|i| parts.remove(&i).ok_or_else(|| missing(i)));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    if let Some((i, extra)) = parts.pop_first() {
        return Err(extra.error(format!("it is number {i} of {expected}, counted from 0")));
    }
    Source::stack(sources)
}
