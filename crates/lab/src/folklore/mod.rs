//! Folk wisdom about prompts: what people believe, what was published, and an experiment on it.
//!
//! The experiments are ours, small enough for a small model, and written for this purpose; they are
//! not the publications' own. So a result that differs from the published figure says nothing
//! against it: other model, other task. What they say is whether the belief holds *here*.

use serde::{Deserialize, Serialize};

use crate::experiment::{Draft, Fault, Source, read};
use crate::outcome::Scale;
use crate::report::svg::{self, Line};
use crate::report::{escape, head};
use crate::results::Results;

const BELIEFS: &str = include_str!("beliefs.toml");
const FILES: [(&str, &str); 2] = [
    ("questions.jsonl", include_str!("questions.jsonl")),
    ("topics.jsonl", include_str!("topics.jsonl")),
];

/// A belief, what was published about it, and an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Belief {
    /// A word for it.
    pub id: String,
    /// What people believe.
    pub claim: String,
    /// Where it was looked into.
    pub publication: String,
    /// Where that can be read; empty if there is nothing.
    pub url: String,
    /// What it reports, in words.
    pub figure: String,
    /// What it reports, if it is one average figure.
    pub effect: Option<f64>,
    /// What the figure is in.
    pub unit: Option<Unit>,
    /// The experiment, as a file says it.
    pub experiment: String,
}

/// What a difference is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Percentage points.
    Points,
    /// Per cent of the control's mean.
    Percent,
}

#[derive(Deserialize)]
struct Beliefs {
    belief: Vec<Belief>,
}

/// Every belief.
///
/// # Errors
/// Never, as tests read them; the error of the reader is handed on all the same.
pub fn all() -> Result<Vec<Belief>, toml::de::Error> {
    toml::from_str::<Beliefs>(BELIEFS).map(|beliefs| beliefs.belief)
}

impl Belief {
    /// The experiment, which asks no model yet: set [`Draft::models`], then build it.
    ///
    /// # Errors
    /// Never, as tests read them; the fault of the reader is handed on all the same.
    pub fn draft(&self) -> Result<Draft, Fault> {
        let source = Source { name: format!("{}.toml", self.id), text: self.experiment.clone() };
        read(&source, &|name| {
            let file = FILES.iter().find(|(known, _)| *known == name);
            file.map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| "there is no such file".to_owned())
        })
    }

    /// Its lines in a forest plot: one for each variant and model, beside the published figure.
    pub fn lines(&self, results: &Results) -> Vec<Line> {
        let sides = results.experiment.sides();
        let mut lines = Vec::new();
        for finding in results.models.iter().filter_map(|model| model.findings.first()) {
            let arms: Vec<_> = match (&finding.family, &finding.comparison) {
                (Some(family), _) => {
                    family.members.iter().map(|one| (one.arm, &one.comparison)).collect()
                }
                (None, Ok(one)) => vec![(finding.question.treatment, one)],
                (None, Err(_)) => Vec::new(),
            };
            let usual = if finding.scale == Scale::Binary { Unit::Points } else { Unit::Percent };
            for (arm, one) in arms {
                let by = match self.unit.unwrap_or(usual) {
                    Unit::Points => 100.0,
                    Unit::Percent => 100.0 / one.control_mean,
                };
                let seen = [one.estimate, one.low, one.high].map(|end| end * by);
                let estimate = seen.iter().all(|end| end.is_finite());
                let estimate = estimate.then_some((seen[0], seen[1], seen[2]));
                let is_asked = arm == finding.question.treatment;
                lines.push(Line {
                    name: format!("{}: {}", self.id, sides[arm]),
                    estimate,
                    published: self.effect.filter(|_| is_asked),
                    words: words(estimate, self.effect.filter(|_| is_asked)),
                });
            }
        }
        lines
    }
}

fn words(estimate: Option<(f64, f64, f64)>, published: Option<f64>) -> String {
    let ours = match estimate {
        Some((at, low, high)) => format!("{at:+.1} ({low:+.1} to {high:+.1})"),
        None => "cannot be told".to_owned(),
    };
    match published {
        Some(published) => format!("{ours}; published {published:+.1}"),
        None => ours,
    }
}

/// One page: every belief, its publication, and a forest plot with ours beside the published.
pub fn html(seen: &[(Belief, Results)]) -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = head("Folk wisdom about prompts", &mut page);
    let mut page = String::from_utf8_lossy(&page).into_owned();
    let lines: Vec<Line> =
        seen.iter().flat_map(|(belief, results)| belief.lines(results)).collect();
    page += "<main><h1>Folk wisdom about prompts</h1><p class=\"note\">Differences from the plain \
        prompt: in points for right and wrong, in per cent of the control for lengths and where the \
        publication is in per cent. Circles: this model. Diamonds: published.</p>";
    page += &svg::forest(&lines, 0.0, "Folk wisdom, measured and published", "");
    page += "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Beliefs\"><table><thead><tr>\
        <th scope=\"col\">belief</th><th scope=\"col\">here</th><th scope=\"col\">published</th></tr></thead><tbody>";
    for (belief, results) in seen {
        let here: Vec<String> =
            belief.lines(results).iter().map(|line| escape(&line.words)).collect();
        page += &format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{} <cite>{}</cite> {}</td></tr>",
            escape(&belief.claim),
            here.join("<br>"),
            escape(&belief.figure),
            escape(&belief.publication),
            escape(&belief.url)
        );
    }
    page + "</tbody></table></div></main></body></html>\n"
}

/// The forest plot for a terminal, `columns` wide.
pub fn text(seen: &[(Belief, Results)], columns: usize) -> String {
    let lines: Vec<Line> =
        seen.iter().flat_map(|(belief, results)| belief.lines(results)).collect();
    let ends = lines.iter().flat_map(|line| {
        let (at, low, high) = line.estimate.unwrap_or_default();
        [at, low, high, line.published.unwrap_or(0.0)]
    });
    let reach = ends.fold(1.0, |most: f64, end| most.max(end.abs()));
    let widest = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).min(30);
    let half = (columns.saturating_sub(widest + 45) / 2).clamp(8, 30);
    let place = |value: f64| {
        (half as f64 + half as f64 * (value / reach).clamp(-1.0, 1.0)).round() as usize
    };
    let mut text = String::new();
    for line in &lines {
        let mut axis = vec![' '; 2 * half + 1];
        axis[half] = '│';
        if let Some((at, low, high)) = line.estimate {
            axis[place(low)..=place(high)].fill('─');
            axis[place(at)] = '●';
        }
        if let Some(published) = line.published {
            axis[place(published)] = '◆';
        }
        let (name, axis): (String, String) =
            (line.name.chars().take(widest).collect(), axis.into_iter().collect());
        text += &format!("  {name:<widest$}  {axis}  {}\n", line.words);
    }
    text + "  ● here, ◆ published; in points for right and wrong, else in per cent of the control\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::NoTools;
    use crate::execute::{Company, Unkept, Unobserved, execute};
    use crate::respond::{Request, Script};
    use crate::statistics::random::Generator;

    #[test]
    fn every_belief_of_the_issue_is_there_with_its_source() {
        let beliefs = all().unwrap();
        let ids: Vec<&str> = beliefs.iter().map(|belief| belief.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "capitals", "please", "tip", "fingers", "career", "breath", "december", "threat",
                "persona", "language", "format"
            ]
        );
        for belief in &beliefs {
            assert_eq!(belief.effect.is_some(), belief.unit.is_some(), "{}", belief.id);
            let names_a_place = belief.url.starts_with("https://");
            assert!(names_a_place || belief.figure == "no figure published", "{}", belief.id);
        }
        // What the figures are computed from is said in words.
        assert!((100.0 * (4086.0 / 4298.0 - 1.0) - beliefs[6].effect.unwrap()).abs() < 0.01);
        assert!((80.2 - 71.8 - beliefs[5].effect.unwrap()).abs() < 1e-9);
    }

    fn run(belief: &Belief) -> Results {
        let mut draft = belief.draft().unwrap_or_else(|fault| panic!("{}: {fault:?}", belief.id));
        draft.models = vec!["script".to_owned()];
        draft.early = Some(false);
        let experiment = draft.build().unwrap_or_else(|fault| panic!("{}: {fault:?}", belief.id));
        let answer = |request: &Request| {
            let drawn = Generator::new(request.seed ^ (request.repeat as u64) << 40).uniform();
            Ok(format!("# Title\n\n- I say {:.0}", drawn * 20.0))
        };
        let (journal, tools, observer) = (&mut Unkept, &mut NoTools, &mut Unobserved);
        let company = Company { journal, tools, observer };
        let model = execute(&experiment, &mut Script::new(4, answer), company).unwrap();
        let design = experiment.hash().unwrap();
        Results { experiment, design, models: vec![model] }
    }

    #[test]
    fn all_can_be_run_and_drawn_beside_what_was_published() {
        let seen: Vec<(Belief, Results)> =
            all().unwrap().into_iter().map(|belief| (belief.clone(), run(&belief))).collect();
        let page = html(&seen);
        assert_eq!(page.matches("class=\"published\"").count(), 3);
        // Eleven beliefs; the tip has three sums, the format three others.
        let text = text(&seen, 100);
        assert_eq!(text.lines().count(), 11 + 2 + 2 + 1, "{text}");
        assert!(text.contains("published -4.9"), "{text}");
    }
}
