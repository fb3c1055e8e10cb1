//! Experiment files: TOML, read with the place of everything in it.

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Draft, FactorDraft, InputsDraft, Spot, VariantDraft};
use super::{Fault, Requirement, Source, Wanted, suggest};
use crate::check;

const KEYS: &[&str] = &[
    "name",
    "model",
    "models",
    "prompt",
    "system",
    "variant",
    "factors",
    "arms",
    "inputs",
    "sampling",
    "seeds",
    "seed",
    "check",
    "compare",
    "early",
    "budget",
    "require",
    "paraphrases",
];

/// Reads an experiment's file and the inputs that it names; `open` reads a file that lies beside it.
///
/// # Errors
/// The first mistake, with its place.
pub fn read(
    source: &Source,
    open: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Draft, Fault> {
    let document = DeTable::parse(&source.text).map_err(|error| {
        let message = error.message().to_owned();
        match error.span() {
            Some(span) => source.fault(span, message),
            None => source.fault_of_all(message),
        }
    })?;
    let table = Table { source, entries: document.get_ref(), span: document.span() };
    table.only(KEYS)?;
    let stem = Path::new(&source.name).file_stem().unwrap_or_default().to_string_lossy();
    let mut draft = Draft::new(source.clone(), stem);
    if let Some(name) = table.text_spot("name")? {
        draft.name = name.value;
    }
    draft.models = match table.text_spot("model")? {
        Some(model) => vec![model.value],
        None => table.texts("models")?.unwrap_or_default(),
    };
    variants(&table, &mut draft)?;
    factors(&table, &mut draft)?;
    inputs(&table, &mut draft, open)?;
    sampling(&table, &mut draft)?;
    draft.repeats = table.count("seeds")?.map(|spot| spot.value);
    draft.seed = table.count("seed")?.map_or(0, |spot| spot.value as u64);
    draft.paraphrases = table.count("paraphrases")?.map_or(0, |spot| spot.value);
    draft.early = table.flag("early")?;
    checks(&table, &mut draft)?;
    compare(&table, &mut draft)?;
    budget(&table, &mut draft)?;
    require(&table, &mut draft)?;
    Ok(draft)
}

fn variants(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    if let Some(prompt) = table.text_spot("prompt")? {
        let name = Spot { value: "prompt".to_owned(), span: prompt.span.clone() };
        let system = table.text_spot("system")?;
        draft.variants.push(VariantDraft { name, system, prompts: vec![prompt] });
    } else if let Some(system) = table.text_spot("system")? {
        let message = "system belongs to a prompt: put it into a [[variant]]";
        return Err(table.source.fault(system.span.unwrap_or(0..0), message));
    }
    for variant in table.tables("variant")? {
        variant.only(&["name", "prompt", "system", "wordings"])?;
        let prompt = variant.required_text("prompt")?;
        let name = variant.text_spot("name")?.unwrap_or_else(|| Spot {
            value: format!("variant {}", draft.variants.len() + 1),
            span: Some(variant.span.clone()),
        });
        let mut prompts = vec![prompt];
        prompts.extend(variant.text_spots("wordings")?.unwrap_or_default());
        draft.variants.push(VariantDraft { name, system: variant.text_spot("system")?, prompts });
    }
    Ok(())
}

fn factors(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    draft.fraction = table.count("arms")?;
    let Some(factors) = table.table("factors")? else { return Ok(()) };
    if draft.variants.len() > 1 {
        let message = "factors vary one prompt; [[variant]] compares prompts as they are";
        return Err(table.source.fault(factors.span.clone(), message));
    }
    for (name, _, _) in factors.in_order() {
        let Some(levels) = factors.table(name.get_ref())? else { continue };
        let mut read = Vec::new();
        for (level, _, _) in levels.in_order() {
            if let Some(text) = levels.text_spot(level.get_ref())? {
                read.push((level.get_ref().to_string(), text));
            }
        }
        let name = Spot { value: name.get_ref().to_string(), span: Some(name.span()) };
        draft.factors.push(FactorDraft { name, levels: read });
    }
    Ok(())
}

fn inputs(
    table: &Table,
    draft: &mut Draft,
    open: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(), Fault> {
    let (file, group) = match table.get("inputs") {
        None => return Ok(()),
        Some((_, value)) if value.get_ref().is_table() => {
            let Some(inputs) = table.table("inputs")? else { return Ok(()) };
            inputs.only(&["file", "group"])?;
            (inputs.required_text("file")?, inputs.text_spot("group")?)
        }
        Some(_) => match table.text_spot("inputs")? {
            Some(file) => (file, None),
            None => return Ok(()),
        },
    };
    let text = open(&file.value).map_err(|error| {
        let span = file.span.clone().unwrap_or(0..0);
        table.source.fault(span, format!("cannot read {}: {error}", file.value))
    })?;
    let mut inputs = InputsDraft::read(Source { name: file.value, text })?;
    inputs.group = group.map(|group| group.value);
    draft.inputs = Some(inputs);
    Ok(())
}

fn sampling(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    let Some(table) = table.table("sampling")? else { return Ok(()) };
    table.only(&["temperature", "top_k", "top_p", "min_p", "max_tokens", "stop"])?;
    let sampling = &mut draft.sampling;
    let within = |key: &str, high: f64| -> Result<Option<f32>, Fault> {
        match table.number(key)? {
            Some(Spot { value, span }) if !(0.0..=high).contains(&value) => {
                let message = format!("{key} must lie between 0 and {high}");
                Err(table.source.fault(span.unwrap_or(0..0), message))
            }
            found => Ok(found.map(|spot| spot.value as f32)),
        }
    };
    sampling.temperature = within("temperature", 100.0)?;
    sampling.top_p = within("top_p", 1.0)?;
    sampling.min_p = within("min_p", 1.0)?;
    sampling.top_k = table.count("top_k")?.map(|spot| spot.value);
    if let Some(Spot { value, span }) = table.count("max_tokens")? {
        if value == 0 {
            let message = "max_tokens must be at least 1";
            return Err(table.source.fault(span.unwrap_or(0..0), message));
        }
        sampling.max_tokens = value;
    }
    sampling.stop = table.texts("stop")?.unwrap_or_default();
    Ok(())
}

fn checks(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    let folder = Path::new(&table.source.name).parent().unwrap_or(Path::new(""));
    for check in table.tables("check")? {
        let kind = check.required_text("type")?;
        let name = check.text_spot("name")?;
        let mut keys = Map::new();
        for (key, _, value) in check.in_order() {
            if !matches!(key.get_ref().as_ref(), "type" | "name") {
                keys.insert(key.get_ref().to_string(), to_json(value.get_ref()));
            }
        }
        let made = check::make(&kind.value, keys, folder.to_owned()).map_err(|fault| {
            let span = match fault.key.as_deref().and_then(|key| check.get(key)) {
                Some((key, _)) if fault.is_key => key.span(),
                Some((_, value)) => value.span(),
                None => kind.span.clone().unwrap_or(0..0),
            };
            check.source.fault(span, fault.message).with_hint(fault.hint)
        })?;
        let name = name.map_or(made.name.clone(), |name| name.value);
        draft.checks.push((check::Checked { name, ..made }, Some(check.span.clone())));
    }
    Ok(())
}

fn compare(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    let Some(table) = table.table("compare")? else { return Ok(()) };
    table.only(&["treatment", "control", "margin", "alpha", "lower_is_better"])?;
    draft.treatment = table.text_spot("treatment")?;
    draft.control = table.text_spot("control")?;
    if let Some(Spot { value, span }) = table.number("margin")? {
        if value < 0.0 {
            return Err(table.source.fault(span.unwrap_or(0..0), "margin must not be negative"));
        }
        draft.margin = Some(value);
    }
    if let Some(Spot { value, span }) = table.number("alpha")? {
        if !(value > 0.0 && value < 0.5) {
            let message = "alpha must lie between 0 and 0.5; 0.05 gives 95 % intervals";
            return Err(table.source.fault(span.unwrap_or(0..0), message));
        }
        draft.alpha = value;
    }
    draft.lower_is_better = table.flag("lower_is_better")?;
    Ok(())
}

fn budget(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    let Some(table) = table.table("budget")? else { return Ok(()) };
    table.only(&["samples", "cost"])?;
    draft.budget.samples = table.count("samples")?.map(|spot| spot.value);
    draft.budget.cost = table.number("cost")?.map(|spot| spot.value);
    Ok(())
}

fn require(table: &Table, draft: &mut Draft) -> Result<(), Fault> {
    let Some(table) = table.table("require")? else { return Ok(()) };
    table.only(&["verdict", "at_least", "at_most"])?;
    let mut requirement = Requirement::default();
    if let Some(Spot { value, span }) = table.text_spot("verdict")? {
        requirement.verdict = Wanted::named(&value).ok_or_else(|| {
            let message =
                format!("verdict {value:?} is not \"better\", \"not worse\" or \"equivalent\"");
            table.source.fault(span.unwrap_or(0..0), message)
        })?;
    }
    requirement.at_least = table.number("at_least")?.map(|spot| spot.value);
    requirement.at_most = table.number("at_most")?.map(|spot| spot.value);
    draft.requirement = Some(requirement);
    Ok(())
}

/// A table, and the source that its places are in.
struct Table<'t> {
    source: &'t Source,
    entries: &'t DeTable<'t>,
    span: Range<usize>,
}

type Key<'t> = Spanned<toml::de::DeString<'t>>;
type Entry<'t> = (&'t Key<'t>, Range<usize>, &'t Spanned<DeValue<'t>>);

impl<'t> Table<'t> {
    /// Refuses keys that are not among `known`.
    fn only(&self, known: &[&str]) -> Result<(), Fault> {
        for (key, span, _) in self.in_order() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = match suggest(name, known) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", known.join(", ")),
                };
                let fault = self.source.fault(span, format!("unknown key {name}"));
                return Err(fault.with_hint(Some(hint)));
            }
        }
        Ok(())
    }

    /// The entries as they were written.
    fn in_order(&self) -> Vec<Entry<'t>> {
        let entry =
            |(key, value): (&'t Key<'t>, &'t Spanned<DeValue<'t>>)| (key, key.span(), value);
        let mut entries: Vec<Entry> = self.entries.iter().map(entry).collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    fn get(&self, key: &str) -> Option<(&'t Key<'t>, &'t Spanned<DeValue<'t>>)> {
        self.entries.iter().find(|(own, _)| own.get_ref() == key)
    }

    fn wrong(&self, key: &str, expected: &str, value: &Spanned<DeValue>) -> Fault {
        let found = value.get_ref().type_str();
        self.source.fault(value.span(), format!("{key} must be {expected}, not {found}"))
    }

    fn text_spot(&self, key: &str) -> Result<Option<Spot<String>>, Fault> {
        let Some((_, value)) = self.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => {
                Ok(Some(Spot { value: text.to_string(), span: Some(value.span()) }))
            }
            _ => Err(self.wrong(key, "a text", value)),
        }
    }

    fn required_text(&self, key: &str) -> Result<Spot<String>, Fault> {
        let missing = || self.source.fault(self.span.clone(), format!("{key} is missing here"));
        self.text_spot(key)?.ok_or_else(missing)
    }

    fn text_spots(&self, key: &str) -> Result<Option<Vec<Spot<String>>>, Fault> {
        let Some((_, value)) = self.get(key) else { return Ok(None) };
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.wrong(key, "an array of texts", value));
        };
        let item = |item: &Spanned<DeValue>| match item.get_ref() {
            DeValue::String(text) => Ok(Spot { value: text.to_string(), span: Some(item.span()) }),
            _ => Err(self.wrong(key, "an array of texts", item)),
        };
        items.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Fault> {
        let spots = self.text_spots(key)?;
        Ok(spots.map(|spots| spots.into_iter().map(|spot| spot.value).collect()))
    }

    fn number(&self, key: &str) -> Result<Option<Spot<f64>>, Fault> {
        let Some((_, value)) = self.get(key) else { return Ok(None) };
        let Value::Number(number) = to_json(value.get_ref()) else {
            return Err(self.wrong(key, "a number", value));
        };
        Ok(number.as_f64().map(|number| Spot { value: number, span: Some(value.span()) }))
    }

    fn count(&self, key: &str) -> Result<Option<Spot<usize>>, Fault> {
        let Some((_, value)) = self.get(key) else { return Ok(None) };
        match to_json(value.get_ref()).as_u64() {
            Some(count) => Ok(Some(Spot { value: count as usize, span: Some(value.span()) })),
            None => Err(self.wrong(key, "a whole number from 0 up", value)),
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        match self.get(key).map(|(_, value)| (value, value.get_ref())) {
            None => Ok(None),
            Some((_, DeValue::Boolean(flag))) => Ok(Some(*flag)),
            Some((value, _)) => Err(self.wrong(key, "true or false", value)),
        }
    }

    fn table(&self, key: &str) -> Result<Option<Table<'t>>, Fault> {
        let Some((own, value)) = self.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(entries) => {
                Ok(Some(Table { source: self.source, entries, span: own.span() }))
            }
            _ => Err(self.wrong(key, "a table", value)),
        }
    }

    fn tables(&self, key: &str) -> Result<Vec<Table<'t>>, Fault> {
        let Some((own, value)) = self.get(key) else { return Ok(Vec::new()) };
        let DeValue::Array(items) = value.get_ref() else {
            let message = format!("write [[{key}]]: there may be several");
            return Err(self.source.fault(own.span(), message));
        };
        let item = |item: &'t Spanned<DeValue<'t>>| match item.get_ref() {
            DeValue::Table(entries) => {
                Ok(Table { source: self.source, entries, span: item.span() })
            }
            _ => Err(self.wrong(key, "an array of tables", item)),
        };
        items.iter().map(item).collect()
    }
}

/// The value as JSON; times, which no key takes, become texts.
fn to_json(value: &DeValue) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => {
            number.as_str().replace('_', "").parse::<f64>().map_or(Value::Null, Value::from)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(entries) => {
            let entry = |(key, value): (&Key, &Spanned<DeValue>)| {
                (key.get_ref().to_string(), to_json(value.get_ref()))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
    }
}
