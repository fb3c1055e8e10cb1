//! `mynah label`: a person compares answers without knowing which variant they come from.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use mynah_lab::judge::{Choice, Label, Labels};
use mynah_lab::label::{Key, Pair, Shown, Sitting, preferences, same};
use mynah_store::{SampleId, Store};
use serde_json::Value;

use crate::failure::Hint as _;
use crate::log::DatabaseArgs;
use crate::printer::for_output;
use crate::terminal::Terminal;
use crate::text;

/// Compare the answers of an experiment blind, two at a time
///
/// Shows two answers to the same input side by side, in random order, without saying which variant
/// they come from. Type 1 or 2 for the better one, = if they are alike, s to skip, q to end; the
/// next time it goes on where you were. The labels are kept with your answers and in a file that a
/// judge can be calibrated against (`labels` of the checks judge and preference).
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// The experiment: its name, or its identifier
    #[arg(value_name = "EXPERIMENT")]
    experiment: String,
    /// The two variants that are compared [default: those of the experiment's question]
    #[arg(long, value_name = "VARIANT", num_args = 2)]
    variants: Option<Vec<String>>,
    /// Where labels are written, one JSON object a line [default: EXPERIMENT.labels.jsonl]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Who you are, if several people label
    #[arg(long, value_name = "NAME", default_value = "me")]
    person: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What a label is about, in the store.
const CRITERION: &str = "better";

/// How far from a half the mean preference must be to matter.
const MARGIN: f64 = 0.1;

/// How many lines of an input are shown.
const LONGEST_INPUT: usize = 12;

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let mut store = args
        .database
        .open_existing()?
        .context("no answers are kept yet")
        .hint("mynah try keeps the answers of an experiment")?;
    let (id, design) = find(&store, &args.experiment)?;
    let arms = arms(&design, args.variants.as_deref())?;
    let arms = [arms[0].as_str(), arms[1].as_str()];
    let (ids, answers) = answers(&store, &id, &design)?;
    let file =
        args.labels.clone().unwrap_or_else(|| format!("{}.labels.jsonl", args.experiment).into());
    let mut labels = read(&file)?;
    let ties = same(&answers, arms);
    // The experiment's seed, so that everybody who labels it sees the same order.
    let seed = design["seed"].as_u64().unwrap_or(0);
    let mut sitting = Sitting::new(answers, arms, &labels, seed);
    while let (Some((left, right)), Some(places)) = (sitting.now(), sitting.places()) {
        let (done, more) = sitting.progress();
        let about = about(&design, &left.input);
        show(left, right, &about, (done, more), terminal)?;
        match key(terminal)? {
            Key::Quit => break,
            Key::Skip => sitting.skip(),
            Key::Prefer(choice) => {
                if let Some(label) = sitting.prefer(choice) {
                    append(&file, &label)?;
                    record(&mut store, &ids, places, choice, &args.person)?;
                    labels.push(label);
                }
            }
        }
    }
    summary(labels, ties, arms, seed, &file, terminal)
}

/// The newest experiment that is called so, and its design.
fn find(store: &Store, name: &str) -> anyhow::Result<(String, Value)> {
    let all = store.experiments(None)?;
    let Some(found) = all.iter().find(|one| one.id == name || one.name == name) else {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let hint = if names.is_empty() {
            "mynah try keeps the answers of an experiment".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        return Err(anyhow::anyhow!("there is no experiment {name}")).hint(hint);
    };
    let design = serde_json::from_str(&found.design).context("its design cannot be read")?;
    Ok((found.id.clone(), design))
}

/// The variants to compare: the one in question, and its control.
fn arms(design: &Value, named: Option<&[String]>) -> anyhow::Result<[String; 2]> {
    let names: Vec<&str> = design["arms"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|arm| arm["name"].as_str())
        .collect();
    if let Some([one, other]) = named {
        for name in [one, other] {
            if !names.contains(&name.as_str()) {
                let message = format!("the experiment has no variant {name}");
                return Err(anyhow::anyhow!(message))
                    .hint(format!("there are {}", names.join(", ")));
            }
        }
        return Ok([one.clone(), other.clone()]);
    }
    let of = |side: &str| {
        let place = design["question"][side].as_u64()? as usize;
        names.get(place).map(|name| (*name).to_owned())
    };
    match (of("treatment"), of("control"), design["compared"]["factor"].is_null()) {
        (Some(treatment), Some(control), true) => Ok([treatment, control]),
        _ => Err(anyhow::anyhow!("the experiment compares a factor, not two variants"))
            .hint("name two variants with --variants"),
    }
}

fn answers(store: &Store, id: &str, design: &Value) -> anyhow::Result<(Vec<SampleId>, Vec<Shown>)> {
    let repeats = design["repeats"].as_u64().unwrap_or(1).max(1) as usize;
    let (mut ids, mut answers) = (Vec::new(), Vec::new());
    for kept in store.samples_of(id)? {
        let cell = kept.sample.cell;
        let place = cell.input.parse::<usize>().ok();
        let name = place.and_then(|place| design["inputs"][place]["name"].as_str());
        ids.push(kept.id);
        answers.push(Shown {
            arm: cell.arm,
            input: name.map_or(cell.input, str::to_owned),
            wording: cell.repeat as usize / repeats,
            repeat: cell.repeat as usize % repeats,
            text: kept.sample.turn.answer,
        });
    }
    Ok((ids, answers))
}

/// What an input says, field by field: nobody can judge a summary without what it summarises. The
/// prompts are not shown, since they would tell the variants apart.
fn about(design: &Value, name: &str) -> String {
    let inputs = design["inputs"].as_array();
    let input = inputs.into_iter().flatten().find(|input| input["name"] == name);
    let fields = input.and_then(|input| input["fields"].as_object());
    let lines = fields.into_iter().flatten().map(|(field, value)| match value {
        Value::String(text) => format!("{field}: {text}"),
        other => format!("{field}: {other}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn read(file: &Path) -> anyhow::Result<Vec<Label>> {
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Ok(Vec::new()),
        Ok(text) => {
            let labels = Labels::read(&text).with_context(|| format!("{}", file.display()))?;
            Ok(labels.0)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn append(file: &Path, label: &Label) -> anyhow::Result<()> {
    let line = serde_json::to_string(label)? + "\n";
    let mut out = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(out.write_all(line.as_bytes())?)
}

fn record(
    store: &mut Store,
    ids: &[SampleId],
    pair: Pair,
    choice: Choice,
    person: &str,
) -> anyhow::Result<()> {
    let choice = match choice {
        Choice::Left => mynah_store::Choice::Left,
        Choice::Right => mynah_store::Choice::Right,
        Choice::Tie => mynah_store::Choice::Tie,
        Choice::Neither => mynah_store::Choice::Neither,
    };
    let label = mynah_store::Label {
        left: ids[pair.left],
        right: ids[pair.right],
        criterion: CRITERION.to_owned(),
        person: person.to_owned(),
        choice,
        note: None,
        at: SystemTime::now(),
    };
    Ok(store.record_label(&label)?)
}

fn show(
    left: &Shown,
    right: &Shown,
    about: &str,
    (done, more): (usize, usize),
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let columns = text::columns().unwrap_or(100);
    let column = (columns.saturating_sub(3) / 2).max(20);
    let (left_lines, right_lines) = (wrapped(&left.text, column), wrapped(&right.text, column));
    let mut page = String::new();
    let title = format!("{} of {}: {}", done + 1, done + more, text::line(&left.input));
    writeln!(page, "\n{}\n", terminal.bold(&title))?;
    let about = wrapped(about, columns.max(20));
    about.iter().take(LONGEST_INPUT).try_for_each(|line| writeln!(page, "{line}"))?;
    if about.len() > LONGEST_INPUT {
        writeln!(page, "… and {} lines more", about.len() - LONGEST_INPUT)?;
    }
    writeln!(page)?;
    writeln!(page, "{} │ {}", terminal.bold(&text::left("1", column)), terminal.bold("2"))?;
    for row in 0..left_lines.len().max(right_lines.len()) {
        let of = |lines: &[String]| lines.get(row).cloned().unwrap_or_default();
        writeln!(page, "{} │ {}", text::left(&of(&left_lines), column), of(&right_lines))?;
    }
    let mut out = terminal.out();
    writeln!(out, "{page}")?;
    Ok(out.flush()?)
}

/// The lines of a text, none wider than `columns`; broken at spaces where there are some.
fn wrapped(answer: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in for_output(answer.trim()).lines() {
        let mut now = String::new();
        for word in text::line(line).split_inclusive(' ') {
            if text::width(&now) + text::width(word.trim_end()) > columns && !now.is_empty() {
                lines.push(now.trim_end().to_owned());
                now.clear();
            }
            for c in word.chars() {
                if text::width(&now) + text::width(c.encode_utf8(&mut [0; 4])) > columns {
                    lines.push(std::mem::take(&mut now));
                }
                now.push(c);
            }
        }
        lines.push(now.trim_end().to_owned());
    }
    lines
}

fn key(terminal: &Terminal) -> anyhow::Result<Key> {
    loop {
        let Some(line) = terminal.ask("1, 2, = alike, s skip, q end: ")? else {
            return Ok(Key::Quit);
        };
        let mut typed = line.trim().chars();
        if let (Some(key), None) = (typed.next().and_then(Key::of), typed.next()) {
            return Ok(key);
        }
    }
}

fn summary(
    mut labels: Vec<Label>,
    ties: Vec<Label>,
    arms: [&str; 2],
    seed: u64,
    file: &Path,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let (labelled, equal) = (labels.len(), ties.len());
    labels.extend(ties);
    let mut out = terminal.out();
    writeln!(out, "{labelled} pairs labelled in {}; {equal} more say the same.", file.display())?;
    match preferences(&labels, arms, MARGIN, seed) {
        Ok(seen) => writeln!(
            out,
            "{} was preferred to {} in {:.0} % (95 % interval {:.0} to {:.0} %; ties count half).",
            text::line(arms[0]),
            text::line(arms[1]),
            100.0 * seen.treatment_mean,
            100.0 * (0.5 + seen.low).max(0.0),
            100.0 * (0.5 + seen.high).min(1.0)
        )?,
        Err(_) => writeln!(out, "Nothing can be said yet.")?,
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_their_column_whatever_stands_in_them() {
        let hostile =
            "short\n".to_owned() + &"x".repeat(50) + " 火车今天会比计划晚到 \u{1b}[31m word";
        for line in wrapped(&hostile, 20) {
            assert!(text::width(&line) <= 20, "{line:?}");
            assert!(!line.contains('\u{1b}'));
        }
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }

    #[test]
    fn an_input_is_shown_by_its_fields() {
        let design = serde_json::json!({"inputs": [
            {"name": "1", "group": 0, "fields": {"text": "Buy milk.", "n": 3}},
            {"name": "2", "group": 1, "fields": {}},
        ]});
        assert_eq!(about(&design, "1"), "text: Buy milk.\nn: 3");
        assert_eq!((about(&design, "2"), about(&design, "x")), (String::new(), String::new()));
    }

    #[test]
    fn the_variants_are_those_of_the_question_or_named() {
        let design = serde_json::json!({
            "arms": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
            "question": {"treatment": 2, "control": 0},
            "compared": {"factor": null},
        });
        assert_eq!(arms(&design, None).unwrap(), ["c", "a"]);
        let named = ["b".to_owned(), "c".to_owned()];
        assert_eq!(arms(&design, Some(&named)).unwrap(), ["b", "c"]);
        assert!(arms(&design, Some(&["b".to_owned(), "x".to_owned()])).is_err());
    }
}
