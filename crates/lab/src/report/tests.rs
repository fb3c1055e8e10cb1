use std::fs;

use serde_json::json;

use super::*;
use crate::check::{Answered, NoTools};
use crate::experiment::Experiment;
use crate::respond::Identity;
use crate::results::{Ended, Findings, ModelResults};
use crate::testing::{check, experiment, samples};

const HOSTILE: [&str; 5] = [
    "</pre></article><script>document.title='owned'</script><img src=x onerror=\"alert(1)\">",
    "yes \0 NUL, \u{1b}[31m escape, \u{202e}turned around\u{202c}",
    "שלום עולם, yes هذا نص من اليمين إلى اليسار",
    "' onmouseover='alert(1)' \"><style>*{display:none}</style>&lt;&#0;",
    "yes <!-- --> ]]> <svg onload=alert(1)> &amp;",
];

fn results(experiment: Experiment) -> Results {
    let mut samples =
        samples(&experiment, |cell| match (cell.input * 3 + cell.repeat * 5 + cell.arm) % 11 {
            place @ 0..5 => HOSTILE[place].to_owned(),
            5 => "long ".to_owned() + &"x".repeat(20_000),
            6 | 7 if cell.arm == 1 => "yes, in capitals".to_owned(),
            _ => format!("no, {} of {}", cell.repeat, cell.input),
        });
    for sample in &mut samples {
        let prompt = experiment.prompt(&sample.cell);
        let input = &experiment.inputs[sample.cell.input].fields;
        let answered = Answered { prompt: &prompt, input, answer: &sample.answer };
        let look = |one: &crate::check::Checked| one.check.check(&answered, &mut NoTools).unwrap();
        sample.outcomes = experiment.checks.iter().map(look).collect();
    }
    let Findings { findings, analysed } =
        Findings::of(&experiment, &samples, None, &Ended::Complete);
    let model = ModelResults {
        model: Identity { name: "<b>script".to_owned(), fingerprint: "sha256:0".to_owned() },
        samples,
        analysed,
        resumed: 0,
        failures: 0,
        cost: 0.0,
        ended: Ended::Complete,
        judged: Vec::new(),
        findings,
    };
    let design = experiment.hash().unwrap();
    Results { experiment, design, models: vec![model] }
}

fn page(inputs: usize, repeats: usize) -> String {
    let checks = vec![check("contains", &json!({"text": "yes"})), check("characters", &json!({}))];
    html(&results(experiment(inputs, repeats, checks)))
}

#[test]
fn nothing_that_a_model_says_becomes_markup() {
    let page = page(11, 2);
    // The page's own, and no other.
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("<style>").count(), 1);
    for hostile in
        ["<img", "<svg onload", "<!--", "onmouseover='", "\0", "\u{202e}", "\u{1b}", "<b>"]
    {
        assert!(!page.contains(hostile), "{hostile:?}");
    }
    // Nothing is fetched, nothing styled inline: the policy would forbid it.
    for outside in ["http:", "https:", "url(", " style=\"", "@import", " src="] {
        let ours = page.replace(&escape(HOSTILE[0]), "");
        assert!(!ours.contains(outside), "{outside}");
    }
    assert!(page.contains("⟨U+202E⟩turned around"));
}

#[test]
fn every_answer_is_in_it_and_can_be_filtered() {
    let page = page(11, 2);
    assert_eq!(page.matches("<article>").count(), 44);
    assert_eq!(page.matches("class=\"row\" data-is=").count(), 22);
    assert!(page.contains("data-is=\"passed failed differing\""));
    assert!(page.find("class=\"verdict\"").unwrap() < page.find("<table>").unwrap());
    assert!(page.contains("<form id=\"filter\" hidden>"));
}

#[test]
fn the_page_of_a_small_run() {
    let page = page(4, 1);
    let body = page.split("<main>").nth(1).unwrap().split("<script>").next().unwrap();
    insta::assert_snapshot!(body.replace(&"x".repeat(20_000), "x…"));
}

/// Writes a page to look at, where REPORT_PAGE says.
#[test]
fn a_page_with_hundreds_of_samples_is_whole() {
    let page = page(50, 5);
    assert!(page.ends_with("</html>\n") && !page.contains("Of 50 inputs"));
    assert_eq!(page.matches("<article>").count(), page.matches("</article>").count());
    if let Ok(path) = std::env::var("REPORT_PAGE") {
        fs::write(path, page).unwrap();
    }
}
