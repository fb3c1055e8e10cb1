//! Listing and searching what was kept.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use mynah_store::{Error, Filter, Message, Role, Store, Turn};
use support::{at, turn};

fn store() -> Store {
    let mut store = Store::in_memory(at(0)).unwrap();
    for (i, (model, prompt, answer)) in [
        ("smollm2-135m", "What is the capital of France?", "The capital of France is Paris."),
        ("qwen", "用一句话介绍北京", "北京是中国的首都。"),
        ("qwen", "It's a \"quoted\" question?", "Yes: capital letters."),
    ]
    .into_iter()
    .enumerate()
    {
        let turn =
            Turn { model: model.into(), at: at(i as u64 * 3600), ..turn("run", prompt, answer) };
        store.record_turn(None, &turn).unwrap();
    }
    store
}

fn prompts(store: &Store, filter: &Filter) -> Vec<String> {
    store.entries(filter).unwrap().into_iter().map(|entry| entry.prompt).collect()
}

#[test]
fn the_newest_comes_first_and_filters_hold() {
    let store = store();
    let all = prompts(&store, &Filter::default());
    assert_eq!(all.len(), 3);
    assert!(all[0].starts_with("It's") && all[2].starts_with("What"));
    assert_eq!(prompts(&store, &Filter { limit: Some(1), ..Filter::default() }), all[..1]);
    let since = Filter { since: Some(at(3600)), ..Filter::default() };
    assert_eq!(prompts(&store, &since), all[..2]);
    let model = Filter { model: Some("smollm2-135m".into()), ..Filter::default() };
    assert_eq!(prompts(&store, &model), all[2..]);
    let entry = store.entry(None).unwrap();
    let thread = entry.conversation.clone().unwrap();
    for id in [thread.as_str(), &thread[thread.len() - 6..]] {
        let filter = Filter { thread: Some(id.into()), ..Filter::default() };
        assert_eq!(prompts(&store, &filter), all[..1]);
    }
    assert_eq!(store.entry(Some(&entry.id)).unwrap(), entry);
    assert_eq!(store.entry(Some(&entry.id[20..])).unwrap(), entry);
    assert!(matches!(store.entry(Some("zzzz")), Err(Error::Absent { .. })));
    assert!(store.entry(Some("")).is_err());
}

#[test]
fn words_are_found_in_any_script() {
    let store = store();
    let search =
        |words: &str| prompts(&store, &Filter { search: Some(words.into()), ..Filter::default() });
    // Who asked for it comes before who was told of it.
    assert_eq!(search("capital").len(), 2);
    assert!(search("capital")[0].starts_with("What"));
    assert_eq!(search("CAPITAL france").len(), 1);
    assert_eq!(search("capi*").len(), 2);
    assert_eq!(search("capital NOT france").len(), 1);
    assert_eq!(search("\"the capital of\"").len(), 1);
    assert_eq!(search("北京").len(), 1);
    assert_eq!(search("北京 首都").len(), 1);
    assert_eq!(search("东京").len(), 0);
    assert_eq!(search("france?").len(), 1, "a question mark is no syntax");
    assert_eq!(search("it's").len(), 1);
    let wrong = store.entries(&Filter { search: Some("\"open".into()), ..Filter::default() });
    assert!(matches!(wrong, Err(Error::Search { .. })), "{wrong:?}");
    let wrong = store.entries(&Filter { search: Some("AND".into()), ..Filter::default() });
    assert!(matches!(wrong, Err(Error::Search { .. })), "{wrong:?}");
}

#[test]
fn a_conversation_is_gone_on_with() {
    let mut store = store();
    let first = store.record_turn(None, &turn("chat", "My name is Ada.", "Hello, Ada.")).unwrap();
    let mut next = turn("chat", "My name is Ada.", "Ada.");
    next.messages.push(Message::new(Role::Assistant, "Hello, Ada."));
    next.messages.push(Message::new(Role::User, "What is my name?"));
    next.at = at(9000);
    let second = store.record_turn(Some(&first.thread), &next).unwrap();
    assert_eq!(first.thread, second.thread);
    let conversation = store.conversation(None).unwrap();
    assert_eq!(conversation.id, first.thread);
    assert_eq!(conversation.name.as_deref(), Some("My name is Ada."));
    let said: Vec<&str> = conversation.messages.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(said, ["My name is Ada.", "Hello, Ada.", "What is my name?", "Ada."]);
    assert_eq!(store.entry(None).unwrap().prompt, "What is my name?");
    assert!(store.conversation(Some("none")).is_err());
}

#[test]
fn the_log_is_switched_off_and_on() {
    let mut store = store();
    assert!(store.records().unwrap());
    store.set_records(false).unwrap();
    assert!(!store.records().unwrap());
    store.set_records(true).unwrap();
    assert!(store.records().unwrap());
}

#[test]
fn queries_are_kept_by_name_and_go_before_those_that_mynah_brings() {
    let mut store = store();
    let names = |store: &Store| {
        let queries = store.queries().unwrap();
        queries.into_iter().map(|it| (it.name, it.is_built_in)).collect::<Vec<_>>()
    };
    let brought = names(&store);
    assert!(brought.contains(&("tag-cloud".into(), true)));
    store.save_query("mine", "select 1", at(0)).unwrap();
    store.save_query("mine", "select 2", at(1)).unwrap();
    store.save_query("models", "select 3", at(1)).unwrap();
    assert_eq!(store.query("mine").unwrap().sql, "select 2");
    assert_eq!(store.query("models").unwrap().sql, "select 3");
    assert_eq!(names(&store).len(), brought.len() + 1);
    store.remove_query("models").unwrap();
    assert!(store.query("models").unwrap().is_built_in);
    assert!(store.remove_query("models").is_err());
    assert!(store.query("none").is_err());
}

#[test]
fn a_conversation_is_found_by_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("mynah.db"), at(0)).unwrap();
    let asked = turn("serve", "What is the capital of France?", "Paris.");
    let first = store.record_turn(None, &asked).unwrap();
    let mut said = asked.messages.clone();
    assert_eq!(store.thread_at(&said).unwrap(), None, "it has come further");
    said.push(Message::new(Role::Assistant, "Paris."));
    assert_eq!(store.thread_at(&said).unwrap(), Some(first.thread.clone()));
    let again = store.record_turn(None, &Turn { at: at(9), ..asked }).unwrap();
    assert_ne!(again.thread, first.thread);
    assert_eq!(store.thread_at(&said).unwrap(), Some(again.thread), "the newest");
    assert_eq!(store.thread_at(&[]).unwrap(), None);
}
