//! Conversations as trees.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use mynah_store::{Error, Message, Role, Sample, Store, Tree, Turn};
use support::{at, turn};

/// A conversation of two questions, of which the first was answered again and the second edited.
fn branched() -> (Store, String) {
    let mut store = Store::in_memory(at(0)).unwrap();
    let first = turn("page", "Name a colour.", "Red.");
    let thread = store.record_turn(None, &first).unwrap().thread;
    let again =
        Turn { seed: Some(u64::MAX), at: at(10), ..turn("page", "Name a colour.", "Blue.") };
    store.record_turn(Some(&thread), &again).unwrap();
    for (seconds, question, answer) in [(20, "Darker?", "Navy."), (30, "Lighter?", "Sky.")] {
        let messages = vec![
            Message::new(Role::User, "Name a colour."),
            Message::new(Role::Assistant, "Blue."),
            Message::new(Role::User, question),
        ];
        let turn = Turn { messages, at: at(seconds), ..turn("page", question, answer) };
        store.record_turn(Some(&thread), &turn).unwrap();
    }
    (store, thread)
}

fn hash_of<'t>(tree: &'t Tree, text: &str) -> &'t str {
    &tree.messages.iter().find(|node| node.text == text).unwrap().hash
}

#[test]
fn a_tree_has_every_branch_and_each_message_once() {
    let (store, thread) = branched();
    let tree = store.tree(&thread).unwrap();
    let said: Vec<&str> = tree.messages.iter().map(|node| node.text.as_str()).collect();
    let expected = ["Name a colour.", "Red.", "Blue.", "Darker?", "Navy.", "Lighter?", "Sky."];
    assert_eq!(said, expected);
    let parent =
        |text: &str| tree.messages.iter().find(|node| node.text == text).unwrap().parent.as_deref();
    assert_eq!(parent("Name a colour."), None);
    assert_eq!(parent("Red."), parent("Blue."));
    assert_eq!(parent("Darker?"), Some(hash_of(&tree, "Blue.")));
    assert_eq!(tree.tip.as_deref(), Some(hash_of(&tree, "Sky.")));
    assert_eq!(tree.turns.len(), 4);
    assert_eq!(tree.turns[1].seed.as_deref(), Some("18446744073709551615"));
    assert_eq!(tree.turns[1].tip.as_deref(), Some(hash_of(&tree, "Blue.")));
    assert!(matches!(store.tree("none"), Err(Error::Absent { .. })));
}

#[test]
fn whoever_goes_on_goes_on_from_where_it_was_led_to() {
    let (mut store, thread) = branched();
    let tree = store.tree(&thread).unwrap();
    store.set_tip(&thread, hash_of(&tree, "Navy.")).unwrap();
    let messages = store.conversation(Some(&thread)).unwrap().messages;
    assert_eq!(messages.last().unwrap().text, "Navy.");
    let other = store.record_turn(None, &turn("run", "Else?", "Yes.")).unwrap().thread;
    let foreign = store.tree(&other).unwrap().tip.unwrap();
    assert!(store.set_tip(&thread, &foreign).is_err(), "a message of another conversation");
    assert!(store.set_tip("none", &foreign).is_err());
}

#[test]
fn conversations_are_listed_renamed_and_deleted() {
    let (mut store, thread) = branched();
    let experiment = mynah_store::Experiment {
        id: "e1".into(),
        name: "capitals".into(),
        design_hash: "h".into(),
        design: "{}".into(),
        state: mynah_store::State::Running,
        result: None,
        created: at(0),
        ended: None,
    };
    store.begin_experiment(&experiment).unwrap();
    let cell = mynah_store::Cell { arm: "A".into(), input: "1".into(), repeat: 0 };
    let turn = Turn { at: at(99), ..turn("try", "?", "!") };
    let sample = Sample { cell, block: 0, position: 0, turn, checks: None };
    store.record_sample("e1", &sample).unwrap();
    store.rename_thread(&thread, "Colours").unwrap();
    let lines = store.threads(10).unwrap();
    assert_eq!(lines.len(), 1, "an experiment is no conversation");
    assert_eq!((lines[0].name.as_deref(), lines[0].n_turns), (Some("Colours"), 4));
    assert_eq!(store.threads(0).unwrap(), []);
    assert!(store.rename_thread("none", "x").is_err());
    assert_eq!(store.delete_thread(&thread).unwrap(), 4);
    assert!(store.threads(10).unwrap().is_empty());
    assert!(store.tree(&thread).is_err() && store.delete_thread(&thread).is_err());
    assert_eq!(store.samples_of("e1").unwrap().len(), 1);
}
