//! The numbers of a model, check by check.

use super::numbers::{clean, difference, percent_or_number, width};
use super::sentence::verdict_word;
use crate::results::{ModelResults, Results};

/// A table with a row for each check.
pub(super) fn table(results: &Results, model: &ModelResults) -> String {
    let experiment = &results.experiment;
    let sides = experiment.sides();
    let question = &experiment.question;
    let mut rows = vec![[
        "check".to_owned(),
        clean(&sides[question.control]),
        clean(&sides[question.treatment]),
        "difference".to_owned(),
        format!("{:.0} % interval", 100.0 * (1.0 - question.alpha)),
        "p".to_owned(),
        "verdict".to_owned(),
    ]];
    for finding in &model.findings {
        let check = clean(&experiment.checks[finding.check].name);
        rows.push(match &finding.comparison {
            Err(reason) => [
                check,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                clean(reason),
            ],
            Ok(comparison) => {
                let shown = |value| percent_or_number(finding.scale, value);
                let signed = |value| difference(finding.scale, value);
                [
                    check,
                    shown(comparison.control_mean),
                    shown(comparison.treatment_mean),
                    signed(comparison.estimate),
                    format!("{} to {}", signed(comparison.low), signed(comparison.high)),
                    p_value(comparison.p_value),
                    verdict_word(comparison.verdict).to_owned(),
                ]
            }
        });
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - width(cell));
            // Names and verdicts stand left, numbers right.
            let is_text = column == 0 || column == row.len() - 1;
            line.extend(if is_text { [cell, &gap, "  "] } else { [&gap, cell, "  "] });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(Ok(comparison)) = model.findings.first().map(|finding| &finding.comparison) {
        text.push_str(&format!("  by {}", comparison.method));
        if model.findings.len() > 1 {
            text.push_str("; the first check decides, the others are for reading");
        }
        text.push('\n');
    }
    text
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}
