//! Experiment files: what is read, and what is refused where.

use std::collections::HashMap;

use super::*;

fn draft(text: &str) -> Result<Draft, Fault> {
    let files = HashMap::from([
        ("notes.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n"),
        ("empty.txt", "\n"),
    ]);
    let open = |name: &str| {
        files.get(name).map(|text| (*text).to_owned()).ok_or("no such file".to_owned())
    };
    read(&Source { name: "e.toml".into(), text: text.into() }, &open)
}

fn build(text: &str) -> Result<Experiment, Fault> {
    draft(text)?.build()
}

const GOOD: &str = r#"
inputs = "notes.jsonl"
[[variant]]
name = "plain"
prompt = "Sum up: {{text}}"
[[variant]]
name = "capitals"
prompt = "SUM UP: {{text}}"
[[check]]
type = "markdown"
require = ["list"]
"#;

fn refused(text: &str) -> String {
    let fault = build(text).unwrap_err();
    let hint = fault.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{fault}{hint}")
}

#[test]
fn an_experiment_is_read() {
    let experiment = build(GOOD).unwrap();
    assert_eq!((experiment.name.as_str(), experiment.arms.len()), ("e", 2));
    assert_eq!((experiment.inputs.len(), experiment.repeats), (2, 50));
    assert_eq!((experiment.question.control, experiment.question.treatment), (0, 1));
    assert_eq!((experiment.question.margin, experiment.early), (0.1, false));
    let cell = Cell { block: 0, input: 1, arm: 1, paraphrase: 0, repeat: 3 };
    assert_eq!(experiment.prompt(&cell).user, "SUM UP: two");
    let other = build(&GOOD.replace("SUM UP", "Sum UP")).unwrap();
    assert_ne!(experiment.hash().unwrap(), other.hash().unwrap());
    assert_eq!(experiment.hash().unwrap(), build(GOOD).unwrap().hash().unwrap());
}

#[test]
fn factors_are_crossed_in_the_order_of_the_file() {
    let text = r#"
prompt = "{{please}}Sum up {{tip}}: {{text}}"
inputs = { file = "notes.jsonl" }
[factors]
tip = { none = "now", twenty = "for $20" }
please = { no = "", yes = "Please. " }
[[check]]
type = "words"
"#;
    let experiment = build(text).unwrap();
    let names: Vec<&str> = experiment.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names[..2], ["tip=none please=no", "tip=none please=yes"]);
    assert_eq!(experiment.sides(), ["tip=none", "tip=twenty"]);
    let cell = Cell { block: 0, input: 0, arm: 3, paraphrase: 0, repeat: 0 };
    assert_eq!(experiment.prompt(&cell).user, "Please. Sum up for $20: one");
    let other = format!("{text}[compare]\ncontrol = \"please=no\"\ntreatment = \"please=yes\"");
    let other = build(&other).unwrap();
    assert_eq!((other.sides()[1].as_str(), other.side(3), other.side(2)), ("please=yes", 1, 0));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let refused = [
        refused(&GOOD.replace("[[variant]]\nname = \"c", "[[varaint]]\nname = \"c")),
        refused(&GOOD.replace("SUM UP: {{text}}", "SUM UP: {{txet}}")),
        refused(&GOOD.replace("notes.jsonl", "empty.txt")),
        refused(&GOOD.replace("notes.jsonl", "absent.txt")),
        refused(&GOOD.replace("require = [\"list\"]", "requires = [\"list\"]")),
        refused(&GOOD.replace("[\"list\"]", "[\"lists\"]")),
        refused(&GOOD.replace("\"markdown\"\nrequire = [\"list\"]", "\"words\"\nmin = 9\nmax = 3")),
        refused(&GOOD.replace("\"SUM UP: {{text}}\"", "\"SUM UP: {{text\"")),
        refused(&GOOD.replace("name = \"capitals\"", "name = 7")),
        refused(&format!("{GOOD}[compare]\ntreatment = \"capital\"")),
        refused("name = \"x"),
        refused("seeds = -1"),
    ];
    insta::assert_snapshot!(refused.join("\n\n"));
}

#[test]
fn no_file_makes_it_panic() {
    for cut in 0..GOOD.len() {
        let _ = build(&GOOD[..cut]);
        let _ = build(&GOOD[cut..]);
    }
    for text in
        ["check = 1", "[[check]]\ntype = \"x\"", "[factors]\na = 1", "variant = {}", "inputs = []"]
    {
        assert!(build(text).is_err(), "{text}");
    }
}

#[test]
fn a_prompt_against_itself_has_two_arms_with_seeds_of_their_own() {
    let mut one = draft(GOOD).unwrap();
    one.is_aa = true;
    let experiment = one.build().unwrap();
    assert_eq!(experiment.arms[1].name, "plain again");
    let cell = |arm| Cell { block: 0, input: 0, arm, paraphrase: 0, repeat: 0 };
    assert_eq!(experiment.prompt(&cell(0)), experiment.prompt(&cell(1)));
    assert_ne!(experiment.seed_of(&cell(0)), experiment.seed_of(&cell(1)));
}

#[test]
fn a_near_name_is_suggested() {
    let names = ["variant", "inputs", "sampling"];
    assert_eq!(suggest("varaint", &names), Some("variant"));
    assert_eq!(suggest("input", &names), Some("inputs"));
    assert_eq!(suggest("zebra", &names), None);
    assert_eq!(suggest("", &names), None);
}
