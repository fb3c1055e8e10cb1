//! Cleaning: what each rule finds, and that nothing is deleted.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use mynah_corpus::clean::{Clean, RULES};
use mynah_corpus::{Corpus, Report, report_html};
use support::{add, clean, licensed, of_texts, texts, unlicensed};

const PROSE: &str = "The old harbour lies to the west of the town, and in the evening the boats come \
    back with the tide. Fishermen sort their catch on the quay while gulls wait for what is left \
    over. Nobody hurries, because the market does not open before the morning. In winter the wind \
    from the sea makes the ropes sing, and the people who have lived there for long say that they \
    can tell by the sound what the weather will be on the day after.";
const CHINESE: &str = "城西的旧港口在傍晚迎来归航的渔船。渔民们在码头上分拣当天的收获，海鸥等着剩下的东西。\
    没有人着急，因为市场要到第二天早晨才开。冬天的海风吹得缆绳发出响声，住了很久的人说，他们能从声音里听出\
    后天的天气。孩子们在石阶上写作业，老人坐在门口喝茶，谈论着过去的船和远方的岛。";

/// Which rules have a reason or an edit beside each document, by the document's number.
fn found(corpus: &Corpus) -> BTreeMap<i64, Vec<String>> {
    let mut found: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for taken in corpus.taken(1000).unwrap() {
        for example in taken.examples {
            found.entry(example.document).or_default().push(taken.rule.name.to_owned());
        }
    }
    found
}

/// What the rules say about one text.
fn rules_of(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut corpus = of_texts(folder.path(), &[text]);
    clean(&mut corpus);
    found(&corpus).remove(&1).unwrap_or_default()
}

#[test]
fn good_texts_are_left_alone_in_both_kinds_of_script() {
    assert_eq!(rules_of(PROSE), [""; 0]);
    assert_eq!(rules_of(CHINESE), [""; 0]);
}

#[test]
fn each_rule_finds_what_it_is_for() {
    let check = |text: &str, rule: &str| {
        let found = rules_of(text);
        assert!(found.contains(&rule.to_owned()), "{rule}: {found:?}");
    };
    check("Too short.", "gopher-length");
    check(&"a b c d e ".repeat(20), "gopher-word-length");
    check(&"# word ".repeat(60), "gopher-symbols");
    check(&"- an item of a list\n".repeat(30), "gopher-bullets");
    check(&format!("{PROSE}\nread on...\nread more...\nand so…"), "gopher-ellipsis");
    check(&"12 34 word 56 ".repeat(20), "gopher-alphabetic");
    check("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。", "gopher-stop-words");
    check(&"the same line again\n".repeat(10), "gopher-duplicate-lines");
    check(&"床前明月光，疑是地上霜。\n".repeat(10), "gopher-duplicate-lines");
    check(&"One paragraph of this.\n\n".repeat(5), "gopher-duplicate-paragraphs");
    check(&"buy now ".repeat(60), "gopher-top-ngrams");
    check(&format!("{PROSE} {PROSE}"), "gopher-duplicate-ngrams");
    check("One sentence only, without another", "c4-sentences");
    check(&format!("{PROSE} Lorem ipsum."), "c4-lorem-ipsum");
    check(&format!("{PROSE} function() {{}}"), "c4-curly");
    check(&format!("Home | About\n{PROSE}"), "c4-lines");
    check(&format!("首页 关于\n{CHINESE}"), "c4-lines");
    check(&format!("You must enable JavaScript to see this page.\n{PROSE}"), "c4-javascript");
    check(&format!("We use cookies, read our cookie policy here.\n{PROSE}"), "c4-policy");
    check(&"Home\nNews\nContact us\n".repeat(3), "fineweb-punctuation");
    check(&"Home\nNews\nContact us\n".repeat(3), "fineweb-short-lines");
    check(&"Home\nNews\nContact us\n".repeat(3), "fineweb-duplicates");
    check(&format!("{PROSE} Write to a@example.org."), "personal-email");
    check(&format!("{CHINESE} 电话13812345678。"), "personal-phone");
    check(&format!("{PROSE} 4111 1111 1111 1111"), "personal-card");
}

#[test]
fn duplicates_are_found_and_the_first_stays() {
    let folder = tempfile::tempdir().unwrap();
    let near = PROSE.replace("Fishermen sort", "Fisherwomen sort");
    let near_chinese = CHINESE.replace("老人坐在门口", "老人站在门口");
    let spaced = PROSE.replace(". ", ".\n").to_uppercase();
    let other = "Something that is said nowhere else in this corpus, by nobody, at no time at all.";
    let corpus = [PROSE, other, &near, CHINESE, &near_chinese, &spaced, other];
    let mut corpus = of_texts(folder.path(), &corpus);
    clean(&mut corpus);
    let found = found(&corpus);
    let has =
        |id: i64, rule: &str| found.get(&id).is_some_and(|rules| rules.contains(&rule.to_owned()));
    assert!(has(6, "exact-duplicate") && has(7, "exact-duplicate"), "{found:?}");
    assert!(has(3, "near-duplicate") && has(5, "near-duplicate"), "{found:?}");
    assert_eq!(texts(&corpus).len(), 3);
    let stats = corpus.stats().unwrap();
    assert_eq!((stats.exact_duplicates, stats.near_duplicates), (2, 2));
    // Cleaning again finds the same, and nothing is lost when a rule is turned off.
    clean(&mut corpus);
    assert_eq!(corpus.stats().unwrap(), stats);
    corpus.turn("near-duplicate", false).unwrap();
    assert_eq!(texts(&corpus).len(), 5);
    corpus.turn("exact-duplicate", false).unwrap();
    assert_eq!(texts(&corpus).len(), 7);
}

#[test]
fn what_is_kept_apart_does_not_take_the_place_of_what_may_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.txt");
    std::fs::write(&path, PROSE).unwrap();
    let mut corpus = Corpus::open_to_change(&folder.path().join("corpus")).unwrap();
    add(&mut corpus, &unlicensed(&path, "apart"));
    add(&mut corpus, &licensed(&path, "licensed"));
    clean(&mut corpus);
    assert_eq!(texts(&corpus), [PROSE]);
    // Once it may be used, the second is the duplicate; when it goes, the second is back.
    corpus.allow("apart", None, support::now()).unwrap();
    assert_eq!(corpus.documents(0).next().unwrap().unwrap().source, "apart");
    assert_eq!(texts(&corpus).len(), 1);
    corpus.remove("apart").unwrap();
    assert_eq!(texts(&corpus), [PROSE]);
}

#[test]
fn a_rule_counts_only_while_it_is_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("Home | About\n{PROSE}\nWrite to a@example.org or call (212) 555-0123 now.");
    let mut corpus = of_texts(folder.path(), &[&text, "Too short."]);
    clean(&mut corpus);
    let masked = "Write to [email] or call [phone] now.";
    let seen = texts(&corpus);
    assert_eq!(seen.len(), 2);
    assert!(seen[0].starts_with("Home | About\n") && seen[0].ends_with(masked), "{}", seen[0]);
    let before = corpus.fingerprint().unwrap();
    assert!(corpus.turn("c4", true).unwrap() >= 6);
    assert!(texts(&corpus)[0].starts_with("The old harbour"));
    assert_ne!(corpus.fingerprint().unwrap(), before);
    corpus.turn("gopher-length", true).unwrap();
    assert_eq!(texts(&corpus).len(), 1);
    corpus.turn("personal", false).unwrap();
    assert!(texts(&corpus)[0].ends_with("a@example.org or call (212) 555-0123 now."));
    for family in ["c4", "gopher-length"] {
        corpus.turn(family, false).unwrap();
    }
    corpus.turn("personal", true).unwrap();
    assert_eq!(corpus.fingerprint().unwrap(), before);
    assert_eq!(texts(&corpus), seen);
    let error = corpus.turn("gophers", true).unwrap_err();
    assert!(error.hint().unwrap().contains("gopher-length"));
}

#[test]
fn languages_that_are_not_wanted_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut corpus = of_texts(folder.path(), &[PROSE, CHINESE]);
    let with = |languages: &[&str]| Clean {
        against: Vec::new(),
        languages: Some(languages.iter().map(|code| (*code).to_owned()).collect()),
        n_threads: 1,
    };
    corpus.clean(&with(&["cmn"]), &mut |_| true).unwrap();
    assert_eq!(texts(&corpus), [CHINESE]);
    // The choice is remembered.
    clean(&mut corpus);
    assert_eq!(texts(&corpus), [CHINESE]);
    corpus.clean(&with(&[]), &mut |_| true).unwrap();
    assert_eq!(texts(&corpus).len(), 2);
    assert!(corpus.clean(&with(&["english"]), &mut |_| true).is_err());
    let languages = corpus.stats().unwrap().languages;
    let names: Vec<&str> = languages.iter().map(|share| share.name.as_str()).collect();
    assert!(names.contains(&"eng") && names.contains(&"cmn"), "{names:?}");
}

#[test]
fn texts_of_a_benchmark_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let question = "A train leaves the station at noon and travels north for three hours at sixty \
         miles an hour; how far is it from the station then?";
    let benchmark = folder.path().join("benchmark.jsonl");
    let record = serde_json::json!({ "task": 1, "prompt": { "question": question } });
    std::fs::write(&benchmark, record.to_string()).unwrap();
    let contaminated = format!("{PROSE} He asked: {question} Nobody knew.");
    let mut corpus = of_texts(folder.path(), &[PROSE, &contaminated]);
    let against = |paths: Vec<&Path>| {
        let clean = Clean { against: paths, languages: None, n_threads: 2 };
        corpus.clean(&clean, &mut |_| true).unwrap();
        texts(&corpus).len()
    };
    let mut against = against;
    assert_eq!(against(vec![&benchmark]), 1);
    // Findings stay when the benchmark is not named again.
    assert_eq!(against(vec![]), 1);
}

#[test]
fn cleaning_that_was_stopped_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<String> = (0..1300).map(|i| format!("Text number {i}. {PROSE} {i}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut corpus = of_texts(folder.path(), &all);
    let options = Clean { against: Vec::new(), languages: None, n_threads: 2 };
    assert!(corpus.clean(&options, &mut |_| false).is_err());
    let unseen = corpus.stats().unwrap().unseen;
    assert!(unseen > 0 && unseen < 1300);
    let mut looked = 0;
    corpus
        .clean(&options, &mut |n| {
            looked = n;
            true
        })
        .unwrap();
    assert_eq!(looked, unseen);
    assert_eq!(corpus.stats().unwrap().unseen, 0);
    assert_eq!(corpus.stats().unwrap().near_duplicates, 1299);
}

#[test]
fn the_report_shows_and_does_not_obey() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "Somebody wrote <script>alert(1)</script> here \u{202e}so";
    let mut corpus = of_texts(folder.path(), &[hostile, PROSE, PROSE]);
    clean(&mut corpus);
    let taken = corpus.taken(3).unwrap();
    assert_eq!(taken.len(), RULES.len());
    let report = Report {
        name: "<b>mine</b>".into(),
        stats: corpus.stats().unwrap(),
        sources: corpus.sources().unwrap(),
        taken,
        refused: corpus.refused().unwrap(),
    };
    let page = report_html(&report);
    assert!(page.contains("2 of 3 documents are used"), "{page}");
    assert!(!page.contains("<script>") && !page.contains("<b>mine"));
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("⟨U+202E⟩"));
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("exact-duplicate") && page.contains("Penedo et al. 2024"));
}
