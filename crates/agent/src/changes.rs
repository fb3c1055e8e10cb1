//! What changed from one program to the next.

use similar::{ChangeTag, TextDiff};

/// The changed lines with three lines around them, as `diff -u` writes them; empty if there are
/// none.
pub fn unified(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).to_string()
}

/// Whether all that a repair did was to take assertions away.
///
/// Lines that say nothing (blank, comments, `pass` in place of what is gone) do not count, and
/// neither do assertions that span lines.
pub fn only_deletes_assertions(old: &str, new: &str) -> bool {
    let says_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "pass";
    let is_assertion = |line: &str| {
        line == "assert"
            || line.strip_prefix("assert").is_some_and(|rest| rest.starts_with([' ', '(']))
    };
    let mut n_deleted = 0;
    for change in TextDiff::from_lines(old, new).iter_all_changes() {
        let line = change.value().trim();
        match change.tag() {
            ChangeTag::Equal => {}
            _ if says_nothing(line) => {}
            ChangeTag::Delete if is_assertion(line) => n_deleted += 1,
            ChangeTag::Delete | ChangeTag::Insert => return false,
        }
    }
    n_deleted > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_lines() {
        assert_eq!(unified("a\nb\n", "a\nb\n"), "");
        let shown = unified("a\nb\n", "a\nc\n");
        assert!(shown.contains("-b\n+c\n"), "{shown}");
    }

    #[test]
    fn deleting_an_assertion_is_told_from_a_repair() {
        let old = "def f(x):\n    assert x > 0\n    return x\n";
        assert!(only_deletes_assertions(old, "def f(x):\n    return x\n"));
        assert!(only_deletes_assertions(old, "def f(x):\n    # checked elsewhere\n    return x\n"));
        assert!(!only_deletes_assertions(old, old));
        assert!(!only_deletes_assertions(old, "def f(x):\n    return -x\n"));
        assert!(!only_deletes_assertions("x = 1\n", "\n"));
        assert!(!only_deletes_assertions("assertion = 1\n", ""));
    }
}
