//! What stands between the verdict and the samples.

use std::io::{self, Write};

use super::escape;
use super::svg::{self, Line};
use crate::analysis::Comparison;
use crate::outcome::Scale;
use crate::present::judge_notes;
use crate::present::numbers::{difference, percent_or_number, unit};
use crate::present::sentence::verdict_word;
use crate::results::{Finding, ModelResults, Results};

/// How many inputs are drawn; of more, those with the largest effects either way.
const DRAWN: usize = 60;

pub(super) fn table(
    results: &Results,
    model: &ModelResults,
    out: &mut dyn Write,
) -> io::Result<()> {
    let sides = results.experiment.sides();
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Results\"><table>\n\
         <thead><tr><th scope=\"col\">check</th><th scope=\"col\">variant</th>\
         <th scope=\"col\" class=\"n\">its mean</th><th scope=\"col\" class=\"n\">control</th>\
         <th scope=\"col\" class=\"n\">difference</th><th scope=\"col\">{} % interval</th>\
         <th scope=\"col\" class=\"n\">p</th><th scope=\"col\">verdict</th></tr></thead>\n<tbody>",
        svg::number(100.0 * (1.0 - results.experiment.question.alpha)).trim_end_matches(".0")
    )?;
    for finding in &model.findings {
        let check = escape(&results.experiment.checks[finding.check].name);
        for (arm, comparison, p) in comparisons(finding) {
            let show = |value: f64| percent_or_number(finding.scale, value);
            let move_ = |value: f64| escape(&difference(finding.scale, value));
            writeln!(
                out,
                "<tr><th scope=\"row\">{check}</th><td>{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}{}</td><td>{} to {}</td>\
                 <td class=\"n\">{}</td><td>{}</td></tr>",
                escape(&sides[arm]),
                show(comparison.treatment_mean),
                show(comparison.control_mean),
                move_(comparison.estimate),
                unit(finding.scale),
                move_(comparison.low),
                move_(comparison.high),
                if p < 0.0001 { "&lt; 0.0001".to_owned() } else { format!("{p:.4}") },
                verdict_word(comparison.verdict),
            )?;
        }
        if let Err(reason) = &finding.comparison {
            let reason = escape(reason);
            writeln!(
                out,
                "<tr><th scope=\"row\">{check}</th><td colspan=\"7\">{reason}</td></tr>"
            )?;
        }
    }
    writeln!(out, "</tbody></table></div>")
}

/// Each compared arm, its comparison, and the p-value that counts.
fn comparisons(finding: &Finding) -> Vec<(usize, &Comparison, f64)> {
    match (&finding.family, &finding.comparison) {
        (Some(family), _) => {
            let members = family.members.iter();
            members.map(|one| (one.arm, &one.comparison, one.adjusted_p)).collect()
        }
        (None, Ok(one)) => vec![(finding.question.treatment, one, one.p_value)],
        (None, Err(_)) => Vec::new(),
    }
}

pub(super) fn notes(
    results: &Results,
    model: &ModelResults,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut notes = Vec::new();
    for finding in &model.findings {
        let check = &results.experiment.checks[finding.check].name;
        if let Ok(one) = &finding.comparison {
            let (inputs, samples, method) = (one.inputs, one.samples, one.method);
            notes.push(format!("{check}: {samples} answers to {inputs} inputs; {method}"));
        }
        notes.extend(finding.model.iter().flat_map(|model| model.words.clone()));
    }
    notes.extend(judge_notes(results, model));
    if model.failures > 0 {
        notes.push(format!("{} requests were not answered", model.failures));
    }
    if notes.is_empty() {
        return Ok(());
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    writeln!(out, "<ul class=\"note\">{items}</ul>")
}

/// The comparisons of the first check, of every model, on one axis.
pub(super) fn forest(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let sides = results.experiment.sides();
    let mut lines = Vec::new();
    let mut shown = None;
    for model in &results.models {
        let Some(finding) = model.findings.first() else { continue };
        shown = shown.or(Some(finding));
        for (arm, one, _) in comparisons(finding) {
            let show = |value: f64| difference(finding.scale, value);
            lines.push(Line {
                name: format!("{} {}", model.model.name, sides[arm]),
                estimate: Some((one.estimate, one.low, one.high)),
                published: None,
                words: format!("{} ({} to {})", show(one.estimate), show(one.low), show(one.high)),
            });
        }
    }
    let Some(finding) = shown.filter(|_| !lines.is_empty()) else { return Ok(()) };
    let check = &results.experiment.checks[finding.check].name;
    let control = &sides[finding.question.control];
    let title = format!("Differences of {check} from {control}, with their intervals");
    let (lines, unit) = in_points(finding.scale, lines);
    let scale = if finding.scale == Scale::Binary { 100.0 } else { 1.0 };
    let better = if finding.question.lower_is_better { "left" } else { "right" };
    writeln!(
        out,
        "<section><h2>{}</h2>{}<p class=\"note\">Better is {better}. Dotted: the smallest \
         difference that matters.</p></section>",
        escape(&title),
        svg::forest(&lines, finding.question.margin * scale, &title, unit)
    )
}

/// Shares are drawn in percentage points.
fn in_points(scale: Scale, mut lines: Vec<Line>) -> (Vec<Line>, &'static str) {
    if scale != Scale::Binary {
        return (lines, "");
    }
    for line in &mut lines {
        line.estimate = line.estimate.map(|(a, b, c)| (100.0 * a, 100.0 * b, 100.0 * c));
    }
    (lines, "points")
}

pub(super) fn distributions(
    results: &Results,
    model: &ModelResults,
    out: &mut dyn Write,
) -> io::Result<()> {
    for finding in &model.findings {
        let check = &results.experiment.checks[finding.check].name;
        let arms: Vec<(String, Vec<f64>)> = results
            .experiment
            .arms
            .iter()
            .enumerate()
            .map(|(place, arm)| {
                let samples = model.samples.iter().filter(|sample| sample.cell.arm == place);
                let values = samples.filter_map(|sample| sample.outcomes.get(finding.check));
                (arm.name.clone(), values.map(|outcome| outcome.value).collect())
            })
            .collect();
        writeln!(out, "<h3>{} by variant</h3>", escape(check))?;
        if finding.scale == Scale::Binary {
            for (name, values) in &arms {
                let passed = values.iter().filter(|value| **value == 1.0).count();
                writeln!(
                    out,
                    "<p><meter min=\"0\" max=\"{0}\" value=\"{passed}\" aria-label=\"passed\"></meter> \
                     {1}: {passed} of {0} passed</p>",
                    values.len(),
                    escape(name)
                )?;
            }
        } else {
            let title = format!("How often each variant's answers had which {check}");
            writeln!(out, "{}", svg::distributions(&arms, &title))?;
        }
    }
    Ok(())
}

pub(super) fn effects(
    results: &Results,
    model: &ModelResults,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(Ok(one)) = model.findings.first().map(|finding| &finding.comparison) else {
        return Ok(());
    };
    let inputs = &results.experiment.inputs;
    let mut rows: Vec<(String, f64, Option<f64>)> = one
        .per_input
        .iter()
        .filter_map(|effect| {
            let name = inputs.get(effect.input)?.name.clone();
            Some((name, effect.raw, effect.shrunken))
        })
        .collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all = rows.len();
    if all > DRAWN {
        rows.drain(DRAWN / 2..all - DRAWN / 2);
    }
    if all < 2 {
        return Ok(());
    }
    let title = "The effect on each input";
    let cut = if all > DRAWN {
        format!(" Of {all} inputs the {DRAWN} with the largest effects are drawn.")
    } else {
        String::new()
    };
    writeln!(
        out,
        "<h3>{title}</h3>{}<p class=\"note\">Rings: as seen. Filled: shrunken, drawn towards the \
         mean as far as the difference is noise.{cut}</p>",
        svg::effects(&rows, title)
    )
}

pub(super) fn design(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let experiment = &results.experiment;
    writeln!(out, "<section><h2>How it was done, and how to repeat it</h2><ul>")?;
    let models: Vec<String> = results
        .models
        .iter()
        .map(|model| format!("{} ({})", model.model.name, model.model.fingerprint))
        .collect();
    for (name, value) in [
        ("Design", results.design.clone()),
        ("Models", models.join(", ")),
        ("Seed", experiment.seed.to_string()),
        ("Answers of each variant to each input", experiment.samples_per_input().to_string()),
        ("Smallest difference that matters", svg::number(experiment.question.margin)),
    ] {
        writeln!(out, "<li>{name}: <code>{}</code></li>", escape(&value))?;
    }
    writeln!(
        out,
        "</ul><p class=\"note\">The design is a fingerprint of everything that was decided before \
         the first answer. The same file, models and seed give the same fingerprint; a local model \
         then gives the same answers, letter for letter.</p>"
    )?;
    for arm in &experiment.arms {
        writeln!(out, "<h3>{}</h3>", escape(&arm.name))?;
        for wording in &arm.wordings {
            if let Some(system) = &wording.system {
                writeln!(
                    out,
                    "<p class=\"note\">System</p><pre tabindex=\"0\">{}</pre>",
                    escape(system.source())
                )?;
            }
            writeln!(out, "<pre tabindex=\"0\">{}</pre>", escape(wording.prompt.source()))?;
        }
    }
    writeln!(out, "</section>")
}
