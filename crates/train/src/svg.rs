//! Curves as SVG, small enough to stand in a page.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 280.0;
/// Room for numbers on the left and below, and on the other sides.
const LEFT: f64 = 52.0;
const BELOW: f64 = 34.0;
const AROUND: f64 = 12.0;

/// Points that belong together.
pub(crate) struct Curve<'c> {
    pub(crate) name: &'c str,
    pub(crate) colour: &'c str,
    pub(crate) points: &'c [(f64, f64)],
    /// Whether each point is marked.
    pub(crate) marked: bool,
}

/// Draws curves over one horizontal axis that begins at zero.
pub(crate) fn plot(curves: &[Curve], across: &str, up: &str) -> String {
    let all = || curves.iter().flat_map(|curve| curve.points);
    let most_x = all().map(|p| p.0).fold(1.0, f64::max);
    let least = all().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let most = all().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (least, most) = match (least.is_finite(), least < most) {
        (true, true) => (least, most),
        (true, false) => (least - 0.5, least + 0.5),
        _ => (0.0, 1.0),
    };
    let x = |value: f64| LEFT + value / most_x * (WIDTH - LEFT - AROUND);
    let y = |value: f64| {
        HEIGHT - BELOW - (value - least) / (most - least) * (HEIGHT - BELOW - 2.0 * AROUND)
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{up} over {across}\">\n"
    );
    for value in ticks(least, most) {
        let (at, label) = (y(value), label(value));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" class=\"grid\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            WIDTH - AROUND,
            LEFT - 6.0,
            at + 4.0,
        );
    }
    for value in ticks(0.0, most_x) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(value),
            HEIGHT - BELOW + 16.0,
            label(value)
        );
    }
    for (i, curve) in curves.iter().filter(|curve| !curve.points.is_empty()).enumerate() {
        let points: Vec<String> =
            curve.points.iter().map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"/>",
            points.join(" "),
            curve.colour
        );
        for &(a, b) in curve.points.iter().filter(|_| curve.marked) {
            let (a, b, colour) = (x(a), y(b), curve.colour);
            let _ =
                writeln!(svg, "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let at = AROUND + 14.0 * (i as f64 + 1.0);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{at:.1}\" text-anchor=\"end\" fill=\"{}\">{}</text>",
            WIDTH - AROUND,
            curve.colour,
            curve.name
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{across}</text>\n</svg>",
        f64::midpoint(LEFT, WIDTH - AROUND),
        HEIGHT - 2.0
    );
    svg
}

/// Round values within a range, three to eight of them.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let rough = (most - least) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let unit = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&unit| unit >= rough);
    let unit = unit.unwrap_or(power * 10.0);
    let first = (least / unit).ceil() as i64;
    (first..first + 12).map(|i| i as f64 * unit).take_while(|&v| v <= most + 1e-9).collect()
}

fn label(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(0.0, 100.0), [0.0, 50.0, 100.0]);
        assert_eq!(ticks(1.3, 8.9), [2.0, 4.0, 6.0, 8.0]);
        assert_eq!(label(0.25), "0.25");
        assert_eq!(label(2000.0), "2000");
    }

    #[test]
    fn every_point_lies_within_the_picture() {
        let points = [(0.0, 8.0), (50.0, 4.0), (100.0, 3.0)];
        let curve = Curve { name: "loss", colour: "#000", points: &points, marked: true };
        let svg = plot(&[curve], "steps", "loss");
        assert!(svg.contains("points=\"52.0,24.0 380.0,201.6 708.0,246.0\""), "{svg}");
        let one = [(1.0, 2.0)];
        let curve = Curve { name: "", colour: "", points: &one, marked: false };
        assert!(!plot(&[curve], "", "").contains("NaN"));
        assert!(!plot(&[], "", "").contains("NaN"));
    }
}
