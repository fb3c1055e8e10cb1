//! Every sample, the variants' answers side by side.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::escape;
use super::svg;
use crate::execute::Sample;
use crate::outcome::Scale;
use crate::results::{ModelResults, Results};

pub(super) fn samples(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<section><h2>Every answer</h2>\n<form id=\"filter\" hidden><fieldset><legend>Show</legend>"
    )?;
    for (value, name) in
        [("all", "all"), ("passed", "passed"), ("failed", "failed"), ("differing", "differing")]
    {
        let checked = if value == "all" { " checked" } else { "" };
        writeln!(
            out,
            "<label><input type=\"radio\" name=\"show\" value=\"{value}\"{checked}> {name}</label>"
        )?;
    }
    writeln!(out, "<output id=\"count\" aria-live=\"polite\"></output></fieldset></form>")?;
    for model in &results.models {
        if results.models.len() > 1 {
            writeln!(out, "<h2>{}</h2>", escape(&model.model.name))?;
        }
        of_model(results, model, out)?;
    }
    writeln!(out, "</section>")
}

type Row<'s> = BTreeMap<usize, &'s Sample>;

fn of_model(results: &Results, model: &ModelResults, out: &mut dyn Write) -> io::Result<()> {
    let mut inputs: BTreeMap<usize, BTreeMap<(usize, usize), Row>> = BTreeMap::new();
    for sample in &model.samples {
        let cell = &sample.cell;
        let rows = inputs.entry(cell.input).or_default();
        rows.entry((cell.paraphrase, cell.repeat)).or_default().insert(cell.arm, sample);
    }
    for (input, rows) in inputs {
        let Some(input) = results.experiment.inputs.get(input) else { continue };
        writeln!(out, "<div class=\"input\"><h3>{}</h3>", escape(&input.name))?;
        for row in rows.values() {
            let is = properties(model, row).join(" ");
            writeln!(out, "<div class=\"row\" data-is=\"{is}\">")?;
            for sample in row.values() {
                article(results, model, sample, out)?;
            }
            writeln!(out, "</div>")?;
        }
        writeln!(out, "</div>")?;
    }
    Ok(())
}

/// By the first check: whether some answer of the row passed, some failed, some differ.
fn properties(model: &ModelResults, row: &Row) -> Vec<&'static str> {
    let Some(finding) = model.findings.first() else { return Vec::new() };
    let values: Vec<f64> =
        row.values().filter_map(|sample| Some(sample.outcomes.get(finding.check)?.value)).collect();
    let is_binary = finding.scale == Scale::Binary;
    let mut is = Vec::new();
    if is_binary && values.contains(&1.0) {
        is.push("passed");
    }
    if is_binary && values.contains(&0.0) {
        is.push("failed");
    }
    if values.windows(2).any(|pair| pair[0] != pair[1]) {
        is.push("differing");
    }
    is
}

fn article(
    results: &Results,
    model: &ModelResults,
    sample: &Sample,
    out: &mut dyn Write,
) -> io::Result<()> {
    let experiment = &results.experiment;
    let arm = experiment.arms.get(sample.cell.arm).map_or("", |arm| &arm.name);
    writeln!(out, "<article><header><strong>{}</strong>", escape(arm))?;
    for (place, outcome) in sample.outcomes.iter().enumerate() {
        let Some(check) = experiment.checks.get(place) else { continue };
        let scale = model.findings.iter().find(|one| one.check == place).map(|one| one.scale);
        let name = escape(&check.name);
        let reason = escape(&outcome.reason);
        match (scale, outcome.value == 1.0) {
            (Some(Scale::Binary), true) => writeln!(out, "<span class=\"pass\">✓ {name}</span>")?,
            (Some(Scale::Binary), false) => {
                writeln!(out, "<span class=\"fail\">✗ {name}: {reason}</span>")?;
            }
            _ => writeln!(out, "<span>{name} {} {reason}</span>", svg::number(outcome.value))?,
        }
    }
    writeln!(
        out,
        "<span>seed {}, repeat {}</span></header><pre tabindex=\"0\">{}</pre>\
         <details><summary>What was asked</summary><pre tabindex=\"0\">{}</pre></details></article>",
        sample.seed,
        sample.cell.repeat,
        escape(&sample.answer.text),
        escape(&experiment.prompt(&sample.cell).user)
    )
}
