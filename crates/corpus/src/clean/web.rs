//! Rules for web pages: C4's and FineWeb's.
//!
//! Sources: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
//! Text-to-Text Transformer", section 2.2 (the list of offensive words is not used: it takes away
//! what is written about and by minorities, as Dodge et al. 2021 found); Penedo et al. 2024, "The
//! FineWeb Datasets", section 3.6.

use std::collections::HashSet;

use super::Findings;
use super::words::{Words, ends_sentence, is_sentence_end, is_spaceless, lines};

const LEAST_SENTENCES: usize = 3;
const LEAST_WORDS_OF_LINE: usize = 5;
const POLICY: [&str; 7] = [
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "隐私政策",
];
const LEAST_ENDS: f64 = 0.12;
const MOST_DUPLICATE_CHARACTERS: f64 = 0.1;
const MOST_SHORT_LINES: f64 = 0.67;
const SHORT_LINE: usize = 30;

pub(super) fn look(words: &Words<'_>, found: &mut Findings) {
    c4(words, found);
    fineweb(words.text, found);
}

fn c4(words: &Words<'_>, found: &mut Findings) {
    let text = words.text;
    let lower = text.to_lowercase();
    if lower.contains("lorem ipsum") {
        found.leave_out("c4-lorem-ipsum", 1.0, "\"lorem ipsum\"".to_owned());
    }
    if text.contains('{') {
        found.leave_out("c4-curly", 1.0, "a curly bracket".to_owned());
    }
    let n_sentences = sentences(text);
    if n_sentences < LEAST_SENTENCES {
        found.leave_out("c4-sentences", n_sentences as f64, format!("{n_sentences} sentences"));
    }
    for (range, line) in lines(text) {
        let lower = line.to_lowercase();
        if !is_sentence_end(line) || n_words(line) < LEAST_WORDS_OF_LINE {
            found.edit("c4-lines", range.clone());
        }
        if lower.contains("javascript") {
            found.edit("c4-javascript", range.clone());
        }
        if POLICY.iter().any(|phrase| lower.contains(phrase)) {
            found.edit("c4-policy", range);
        }
    }
}

/// Ends of sentences that something follows which is no part of them, or the end of the text.
fn sentences(text: &str) -> usize {
    let mut n = 0;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if !ends_sentence(c) {
            continue;
        }
        // Full stops of scripts without spaces need nothing after them.
        let ends = !c.is_ascii()
            || characters.peek().is_none_or(|next| next.is_whitespace() || !next.is_alphanumeric());
        while characters.next_if(|next| ends_sentence(*next)).is_some() {}
        n += usize::from(ends);
    }
    n
}

/// The words of a line; characters of scripts without spaces count as one each.
fn n_words(line: &str) -> usize {
    let spaceless = line.chars().filter(|c| is_spaceless(*c)).count();
    if spaceless > 0 { spaceless } else { line.split_whitespace().count() }
}

fn fineweb(text: &str, found: &mut Findings) {
    let all: Vec<&str> = lines(text).map(|(_, line)| line).collect();
    if all.is_empty() {
        return;
    }
    let share = |n: usize| n as f64 / all.len() as f64;
    let ends = share(all.iter().filter(|line| is_sentence_end(line)).count());
    if ends <= LEAST_ENDS {
        let detail = format!("{:.0} % of lines end with punctuation", 100.0 * ends);
        found.leave_out("fineweb-punctuation", ends, detail);
    }
    let is_short = |line: &&&str| width(line) < SHORT_LINE;
    let short = share(all.iter().filter(is_short).count());
    if short >= MOST_SHORT_LINES {
        let detail = format!("{:.0} % of lines are short", 100.0 * short);
        found.leave_out("fineweb-short-lines", short, detail);
    }
    let (mut seen, mut again, mut total) = (HashSet::new(), 0, 0);
    for line in &all {
        total += line.len();
        again += if seen.insert(line) { 0 } else { line.len() };
    }
    let duplicates = again as f64 / total as f64;
    if duplicates >= MOST_DUPLICATE_CHARACTERS {
        let detail = format!("{:.0} % of the text are lines said before", 100.0 * duplicates);
        found.leave_out("fineweb-duplicates", duplicates, detail);
    }
}

/// The length of a line in characters, of which one of a script without spaces says as much as
/// three of others: the bytes that each takes in UTF-8.
fn width(line: &str) -> usize {
    line.chars().map(|c| if is_spaceless(c) { 3 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_counted() {
        assert_eq!(sentences("It is 1.5 m. Really?! Yes... so"), 3);
        assert_eq!(sentences("床前明月光，疑是地上霜。举头望明月！"), 2);
        assert_eq!(sentences(""), 0);
    }

    #[test]
    fn lines_are_measured_in_both_kinds_of_script() {
        assert_eq!((n_words("a b c"), n_words("举头望明月，")), (3, 5));
        assert_eq!((width("abc"), width("明月")), (3, 6));
    }
}
