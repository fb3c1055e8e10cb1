//! A forest plot: a line for each comparison of the first check, its interval drawn.

use super::numbers::{clean, difference, width};
use crate::analysis::Comparison;
use crate::results::Results;

/// The widest name that is shown.
const LONGEST_NAME: usize = 32;

/// Draws every model's comparisons on one axis; empty if there is none.
pub(super) fn forest(results: &Results, columns: usize) -> String {
    let sides = results.experiment.sides();
    let mut rows: Vec<(String, &Comparison)> = Vec::new();
    for model in &results.models {
        let Some(finding) = model.findings.first() else { continue };
        match &finding.family {
            Some(family) => {
                rows.extend(family.members.iter().map(|member| {
                    (label(&model.model.name, &sides[member.arm]), &member.comparison)
                }));
            }
            None => rows.extend(finding.comparison.as_ref().ok().map(|comparison| {
                (label(&model.model.name, &sides[finding.question.treatment]), comparison)
            })),
        }
    }
    let Some(finding) = results.models.iter().find_map(|model| model.findings.first()) else {
        return String::new();
    };
    if rows.is_empty() {
        return String::new();
    }
    let margin = finding.question.margin;
    let ends = rows.iter().flat_map(|(_, row)| [row.low, row.high, row.estimate]);
    let reach = ends
        .chain([margin])
        .filter(|end| end.is_finite())
        .fold(0.0, |most: f64, end| most.max(end.abs()));
    let reach = if reach > 0.0 { reach * 1.05 } else { 1.0 };
    let name_width = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    // An odd number of columns has a middle.
    let room = columns.saturating_sub(name_width + 12).clamp(21, 61) / 2 * 2 + 1;
    let axis = Axis { reach, room };
    let mut text = String::new();
    for (name, row) in &rows {
        let gap = " ".repeat(name_width - width(name));
        let estimate = difference(finding.scale, row.estimate);
        text.push_str(&format!("  {name}{gap}  {}  {estimate}\n", axis.line(row, margin)));
    }
    let shown = |value| difference(finding.scale, value);
    let (low, high) = (shown(-reach), shown(reach));
    let half = (room / 2).saturating_sub(width(&low));
    let rest = (room / 2).saturating_sub(width(&high));
    let indent = " ".repeat(name_width + 4);
    text.push_str(&format!("{indent}{low}{}0{}{high}\n", " ".repeat(half), " ".repeat(rest)));
    let better = if finding.question.lower_is_better { "left" } else { "right" };
    text.push_str(&format!(
        "{indent}better is {better}; ┊ is the smallest difference that matters\n"
    ));
    text
}

fn label(model: &str, side: &str) -> String {
    let name = format!("{} {}", clean(model), clean(side));
    if width(&name) <= LONGEST_NAME {
        return name;
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

struct Axis {
    /// What the ends of the axis stand for.
    reach: f64,
    /// How many columns it has.
    room: usize,
}

impl Axis {
    fn place(&self, value: f64) -> usize {
        let share = (value / self.reach).clamp(-1.0, 1.0);
        let half = (self.room / 2) as f64;
        (half + share * half).round() as usize
    }

    fn line(&self, row: &Comparison, margin: f64) -> String {
        let mut line = vec![' '; self.room];
        if margin > 0.0 {
            line[self.place(-margin)] = '┊';
            line[self.place(margin)] = '┊';
        }
        line[self.room / 2] = '│';
        let (low, high) = (self.place(row.low), self.place(row.high));
        line[low..=high].fill('─');
        line[low] = '├';
        line[high] = '┤';
        line[self.place(row.estimate)] = '●';
        line.into_iter().collect()
    }
}
