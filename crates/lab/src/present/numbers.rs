//! Numbers and names as people read them.

use crate::outcome::Scale;

/// A mean: a share in per cent if the check passes or fails.
pub(crate) fn percent_or_number(scale: Scale, value: f64) -> String {
    match scale {
        Scale::Binary => format!("{:.0} %", value * 100.0),
        Scale::Continuous { .. } | Scale::Ordinal => number(value),
    }
}

/// A difference, with its sign: in percentage points if the check passes or fails.
pub(crate) fn difference(scale: Scale, value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    match scale {
        _ if value.is_infinite() => format!("{sign}∞"),
        Scale::Binary => format!("{sign}{:.0}", (value * 100.0).abs()),
        Scale::Continuous { .. } | Scale::Ordinal => format!("{sign}{}", number(value.abs())),
    }
}

/// The unit of differences.
pub(crate) fn unit(scale: Scale) -> &'static str {
    match scale {
        Scale::Binary => " points",
        Scale::Continuous { .. } | Scale::Ordinal => "",
    }
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A share of one, or an agreement from -1 to 1, with three decimals.
pub(super) fn share(value: f64) -> String {
    format!("{value:.3}").replace('-', "−")
}

/// A count with its noun.
pub(super) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A name without what a terminal would obey, on one line, and not longer than a column.
pub(super) fn clean(text: &str) -> String {
    const LONGEST: usize = 160;
    let tame = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().take(LONGEST).map(tame).collect();
    text.trim().to_owned()
}

/// How many columns a text takes, near enough: one for each character.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}
