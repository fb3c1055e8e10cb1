//! What there is to know about a model: `report.md`, `report.html`, and the model's card.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Preset};
use crate::evaluate::Evaluation;
use crate::journal::Event;
use crate::model::Layout;
use crate::rules;
use crate::svg::{Curve, plot};

/// Where text came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What it is called.
    pub name: String,
    /// Its licence, if it is known.
    pub licence: Option<String>,
    /// How many documents, and bytes of them, there are.
    pub documents: u64,
    /// See `documents`.
    pub bytes: u64,
}

/// What a report says beside what the log has.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// What the model is called.
    pub name: &'a str,
    /// What the run was made with.
    pub config: &'a Config,
    /// Where the text came from.
    pub origins: &'a [Origin],
    /// The SHA-256 of tokens and tokenizer.
    pub data: &'a str,
    /// How many tokens there were to learn from.
    pub tokens: u64,
    /// What was measured on all held-out text, for each seed.
    pub evaluations: &'a [(u64, Evaluation)],
    /// How long it took.
    pub seconds: f64,
    /// With what: the processor's instructions and threads.
    pub machine: &'a str,
    /// What the machine can do at best, in floating-point operations a second.
    pub peak: Option<f64>,
    /// What an hour costs, if asked for.
    pub price_per_hour: Option<f64>,
    /// What repeats it.
    pub command: &'a str,
    /// What loading the exported files again gave.
    pub check: Option<&'a str>,
}

/// A mean with a 95 % interval, over seeds; without the interval for one.
///
/// The factors are those of Student's t for one to nine degrees of freedom.
pub fn interval(values: &[f64]) -> (f64, Option<f64>) {
    const FACTORS: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    if values.len() < 2 {
        return (mean, None);
    }
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let factor = FACTORS.get(values.len() - 2).copied().unwrap_or(1.96);
    (mean, Some(factor * (variance / n).sqrt()))
}

impl About<'_> {
    fn flops(&self) -> f64 {
        let steps = self.config.schedule.steps as f64;
        rules::flops_per_token(self.config) * steps * self.config.tokens_per_step() as f64
    }

    /// The facts, each with its name.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let Config { model, schedule, .. } = self.config;
        let layout = Layout::new(self.config.preset, model);
        let read = schedule.steps * self.config.tokens_per_step() as u64;
        let mut facts = Vec::new();
        if !self.evaluations.is_empty() {
            let bits: Vec<f64> = self.evaluations.iter().map(|(_, e)| e.bits_per_byte).collect();
            let text = match interval(&bits) {
                (mean, Some(half)) => format!(
                    "{mean:.4} ± {half:.4} (95 % interval, {} seeds)",
                    self.evaluations.len()
                ),
                (mean, None) => format!("{mean:.4} (one seed: no interval)"),
            };
            facts.push(("held-out text, bits per byte", text));
            let tokens = self.evaluations[0].1.tokens;
            facts.push(("held-out tokens", grouped(tokens)));
        }
        facts.push((
            "weights",
            format!(
                "{}, of which {} in products",
                grouped(layout.n_numbers() as u64),
                grouped(layout.n_in_products() as u64)
            ),
        ));
        let what = match self.config.preset {
            Preset::Llama => "llama (RMS norms, rotary positions, SwiGLU; AdamW)",
            Preset::Nano => "nano (normalised queries and keys, squared ReLU; Muon and AdamW)",
        };
        facts.push(("preset", what.to_owned()));
        facts.push((
            "sizes",
            format!(
                "{} layers of width {}, {} heads, context {}, {} tokens",
                model.depth, model.width, model.n_heads, model.context, model.vocabulary
            ),
        ));
        facts.push((
            "read",
            format!(
                "{} tokens in {} steps: {:.2} times the {} there are",
                grouped(read),
                grouped(schedule.steps),
                read as f64 / self.tokens.max(1) as f64,
                grouped(self.tokens)
            ),
        ));
        facts.push(("time", format!("{} on {}", duration(self.seconds), self.machine)));
        let per_second = read as f64 / self.seconds.max(1e-9);
        let mut speed = format!("{} tokens/s", grouped(per_second as u64));
        if let Some(peak) = self.peak {
            let share = self.flops() / self.seconds.max(1e-9) / peak * 100.0;
            let _ = write!(speed, ", {share:.0} % of what the machine multiplies at best");
        }
        facts.push(("speed, all included", speed));
        if let Some(price) = self.price_per_hour {
            let cost = price * self.seconds / 3600.0;
            facts.push(("cost", format!("{cost:.4} at {price} an hour")));
        }
        if let Some(check) = self.check {
            facts.push(("exported files, loaded again", check.to_owned()));
        }
        facts.push(("data", format!("SHA-256 {}", self.data)));
        facts
    }
}

/// The report as Markdown.
pub fn markdown(about: &About, events: &[Event]) -> String {
    let mut text = format!("# {}\n\n", about.name);
    for (name, value) in about.facts() {
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push_str("\n## Data\n\n| source | licence | documents | bytes |\n|---|---|---:|---:|\n");
    for origin in about.origins {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            cell(&origin.name),
            cell(origin.licence.as_deref().unwrap_or("unknown")),
            grouped(origin.documents),
            grouped(origin.bytes)
        );
    }
    text.push_str("\n## Samples\n\n");
    for (prompt, written) in last_samples(events) {
        let _ = writeln!(text, "> **{}**{}\n", quoted(prompt), quoted(written));
    }
    let _ = writeln!(text, "## How to repeat it\n\n```\n{}\n```", about.command);
    text
}

/// The model's card: the report under the head that Hugging Face reads.
pub fn card(about: &About, events: &[Event]) -> String {
    let mut licences: Vec<&str> =
        about.origins.iter().filter_map(|origin| origin.licence.as_deref()).collect();
    licences.sort_unstable();
    licences.dedup();
    let licence = match licences[..] {
        [one] => one.to_lowercase(),
        _ => "other".to_owned(),
    };
    format!(
        "---\nlibrary_name: mynah\npipeline_tag: text-generation\nlicense: {licence}\n---\n\n{}\n\
         The model was trained on the texts above alone and knows nothing else. It continues text; \
         it was not taught to answer, to be truthful or to be kind. Texts that it has seen often \
         it may repeat word for word.\n",
        markdown(about, events)
    )
}

/// The report as a page that needs nothing else.
pub fn html(about: &About, events: &[Event]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n<table class=\"facts\">\n",
        escaped(about.name)
    );
    for (name, value) in about.facts() {
        let _ = writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
    }
    page.push_str("</table>\n<h2>Loss</h2>\n");
    page.push_str(&curves(events));
    page.push_str(
        "<h2>Data</h2>\n<table><tr><th>source</th><th>licence</th><th>documents</th>\
         <th>bytes</th></tr>\n",
    );
    for origin in about.origins {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&origin.name),
            escaped(origin.licence.as_deref().unwrap_or("unknown")),
            grouped(origin.documents),
            grouped(origin.bytes)
        );
    }
    page.push_str("</table>\n<h2>Samples</h2>\n");
    for (prompt, written) in last_samples(events) {
        let (prompt, written) = (escaped(prompt), escaped(written));
        let _ = writeln!(page, "<blockquote><b>{prompt}</b>{written}</blockquote>");
    }
    let command = escaped(about.command);
    let _ = writeln!(page, "<h2>How to repeat it</h2>\n<pre>{command}</pre>\n</body></html>");
    page
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;\
    padding:0 1rem;color:#222;background:#fff}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}\
    .facts th{width:14rem;font-weight:500;color:#555}.n{text-align:right}\
    blockquote{border-left:3px solid #999;margin:.8rem 0;padding:.1rem .8rem;white-space:pre-wrap}\
    pre{background:#f4f4f4;padding:.6rem;overflow-x:auto}svg{width:100%;height:auto;font:11px \
    system-ui,sans-serif;fill:#555}.grid{stroke:#ddd}@media(prefers-color-scheme:dark){\
    body{color:#ddd;background:#181818}th,td{border-color:#333}.facts th{color:#aaa}\
    pre{background:#222}svg{fill:#aaa}.grid{stroke:#333}}";

/// The most points of a curve; more cannot be seen.
const MOST_POINTS: usize = 400;

/// The loss while learning and on held-out text, in bits per byte.
fn curves(events: &[Event]) -> String {
    let (mut learnt, mut held) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Step { report, .. } => learnt.push((report.step as f64, report.bits_per_byte)),
            Event::Evaluated { step, evaluation } => {
                held.push((*step as f64, evaluation.bits_per_byte));
            }
            Event::Sample { .. } | Event::Saved { .. } => {}
        }
    }
    let each = learnt.len().div_ceil(MOST_POINTS).max(1);
    let mean = |some: &[(f64, f64)]| {
        let sum: f64 = some.iter().map(|point| point.1).sum();
        (some[some.len() - 1].0, sum / some.len() as f64)
    };
    let learnt: Vec<(f64, f64)> = learnt.chunks(each).map(mean).collect();
    plot(
        &[
            Curve { name: "training", colour: "#4477aa", points: &learnt, marked: false },
            Curve { name: "held-out", colour: "#cc6633", points: &held, marked: true },
        ],
        "steps",
        "bits per byte",
    )
}

/// The samples that were drawn last.
fn last_samples(events: &[Event]) -> Vec<(&str, &str)> {
    let samples = events.iter().filter_map(|event| match event {
        Event::Sample { step, prompt, text } => Some((*step, prompt.as_str(), text.as_str())),
        _ => None,
    });
    let samples: Vec<_> = samples.collect();
    let last = samples.last().map_or(0, |sample| sample.0);
    samples.into_iter().filter(|sample| sample.0 == last).map(|s| (s.1, s.2)).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A text within a quotation, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = text.replace('\\', "\\\\").replace('*', "\\*").replace('<', "\\<");
    plain.replace('\n', "\n> ")
}

/// A whole number with commas.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as people say them.
fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
