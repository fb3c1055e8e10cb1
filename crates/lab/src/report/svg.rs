//! The drawings of the report.

use super::escape::escape;

/// A line of a forest plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What was compared.
    pub name: String,
    /// The difference; none if it could not be told.
    pub estimate: Option<(f64, f64, f64)>,
    /// What a publication reports, on the same axis.
    pub published: Option<f64>,
    /// The numbers in words.
    pub words: String,
}

const NAMES: f64 = 250.0;
const PLOT: f64 = 420.0;
const WORDS: f64 = 230.0;
const ROW: f64 = 24.0;

/// Draws differences and their intervals on one axis, with lines at zero and at the margin.
pub(crate) fn forest(lines: &[Line], margin: f64, title: &str, unit: &str) -> String {
    let ends = lines.iter().flat_map(|line| {
        let (estimate, low, high) = line.estimate.unwrap_or((0.0, 0.0, 0.0));
        [estimate, low, high, line.published.unwrap_or(0.0), margin]
    });
    let reach = ends.filter(|end| end.is_finite()).fold(0.0, |most: f64, end| most.max(end.abs()));
    let reach = if reach > 0.0 { reach * 1.08 } else { 1.0 };
    let x = |value: f64| NAMES + PLOT * (0.5 + 0.5 * (value / reach).clamp(-1.0, 1.0));
    let height = ROW * lines.len() as f64 + 30.0;
    let mut svg = open(NAMES + PLOT + WORDS, height, title);
    let bottom = height - 22.0;
    let mut rule = |at: f64, class: &str| {
        svg += &format!(
            "<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{bottom}\"/>"
        );
    };
    rule(x(0.0), "axis");
    if margin > 0.0 {
        rule(x(margin), "margin");
        rule(x(-margin), "margin");
    }
    for (place, line) in lines.iter().enumerate() {
        let y = ROW * (place as f64 + 0.5);
        svg += &label(0.0, y, "start", &cut(&line.name, 38));
        if let Some((estimate, low, high)) = line.estimate {
            let (low, high, at) = (x(low), x(high), x(estimate));
            svg += &format!(
                "<line class=\"interval\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <circle class=\"point\" cx=\"{at:.1}\" cy=\"{y}\" r=\"4\"/>"
            );
        }
        if let Some(published) = line.published {
            let at = x(published);
            svg += &format!(
                "<path class=\"published\" d=\"M{at:.1} {} l5 5 l-5 5 l-5 -5 z\"/>",
                y - 5.0
            );
        }
        svg += &label(NAMES + PLOT + 12.0, y, "start", &cut(&line.words, 36));
    }
    let foot = height - 8.0;
    svg += &label(NAMES, foot, "start", &format!("−{}", number(reach)));
    svg += &label(x(0.0), foot, "middle", "0");
    svg += &label(NAMES + PLOT, foot, "end", &format!("+{} {unit}", number(reach)));
    svg + "</svg>"
}

/// Draws how often values fall into each of equal classes, one strip above the other.
pub(crate) fn distributions(arms: &[(String, Vec<f64>)], title: &str) -> String {
    const CLASSES: usize = 30;
    const STRIP: f64 = 64.0;
    let all = || arms.iter().flat_map(|(_, values)| values).copied().filter(|v| v.is_finite());
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return String::new();
    }
    let width = if high > low { (high - low) / CLASSES as f64 } else { 1.0 };
    let height = STRIP * arms.len() as f64 + 24.0;
    let mut svg = open(NAMES + PLOT + WORDS, height, title);
    for (place, (name, values)) in arms.iter().enumerate() {
        let mut counts = [0usize; CLASSES];
        for value in values.iter().filter(|value| value.is_finite()) {
            counts[(((value - low) / width) as usize).min(CLASSES - 1)] += 1;
        }
        let most = counts.iter().max().copied().unwrap_or(0).max(1);
        let base = STRIP * (place as f64 + 1.0);
        for (class, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (step, tall) =
                (PLOT / CLASSES as f64, (STRIP - 14.0) * *count as f64 / most as f64);
            svg += &format!(
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>",
                NAMES + step * class as f64,
                base - tall,
                step - 1.0
            );
        }
        svg += &label(0.0, base - 12.0, "start", &cut(name, 38));
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let words = format!("mean {}, {} answers", number(mean), values.len());
        svg += &label(NAMES + PLOT + 12.0, base - 12.0, "start", &words);
    }
    svg += &label(NAMES, height - 6.0, "start", &number(low));
    svg += &label(NAMES + PLOT, height - 6.0, "end", &number(high));
    svg + "</svg>"
}

/// Draws an effect for each input: as it was seen, and shrunken.
pub(crate) fn effects(rows: &[(String, f64, Option<f64>)], title: &str) -> String {
    const TALL: f64 = 18.0;
    let ends = rows.iter().flat_map(|(_, raw, shrunken)| [*raw, shrunken.unwrap_or(0.0)]);
    let reach = ends.filter(|end| end.is_finite()).fold(0.0, |most: f64, end| most.max(end.abs()));
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let x = |value: f64| NAMES + PLOT * (0.5 + 0.48 * (value / reach).clamp(-1.0, 1.0));
    let height = TALL * rows.len() as f64 + 24.0;
    let mut svg = open(NAMES + PLOT + WORDS, height, title);
    svg += &format!(
        "<line class=\"axis\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{1}\"/>",
        x(0.0),
        height - 22.0
    );
    for (place, (name, raw, shrunken)) in rows.iter().enumerate() {
        let y = TALL * (place as f64 + 0.5);
        svg += &label(0.0, y, "start", &cut(name, 38));
        svg += &format!("<circle class=\"raw\" cx=\"{:.1}\" cy=\"{y}\" r=\"3.5\"/>", x(*raw));
        let mut words = number(*raw);
        if let Some(shrunken) = shrunken {
            svg += &format!(
                "<circle class=\"point\" cx=\"{:.1}\" cy=\"{y}\" r=\"3.5\"/>",
                x(*shrunken)
            );
            words += &format!(", shrunken {}", number(*shrunken));
        }
        svg += &label(NAMES + PLOT + 12.0, y, "start", &words);
    }
    svg + "</svg>"
}

fn open(width: f64, height: f64, title: &str) -> String {
    let title = escape(title);
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{title}\">"
    )
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    let text = escape(text);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\".32em\" text-anchor=\"{anchor}\">{text}</text>")
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let size = value.abs();
    let text = match size {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    text.replace('-', "−")
}
