//! Gopher's rules for quality and repetition.
//!
//! Source: Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
//! Gopher", appendix A.1.1 and table A1. In scripts without spaces words are characters, so the
//! rule for their length does not apply; stop words are looked for in English and Chinese only.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Findings;
use super::words::{Words, lines, paragraphs};

const WORDS: RangeInclusive<usize> = 50..=100_000;
const MEAN_WORD_LENGTH: RangeInclusive<f64> = 3.0..=10.0;
const MOST_SYMBOLS: f64 = 0.1;
const MOST_BULLETS: f64 = 0.9;
const MOST_ELLIPSES: f64 = 0.3;
const LEAST_ALPHABETIC: f64 = 0.8;
const LEAST_STOP_WORDS: usize = 2;
const STOP_WORDS: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];
/// Frequent particles of modern and of classical Chinese. They stand for Gopher's words, which has
/// none for Chinese.
const CHINESE_STOP_WORDS: [&str; 9] = ["的", "是", "不", "了", "在", "有", "之", "而", "也"];
const MOST_DUPLICATE_LINES: f64 = 0.30;
const MOST_DUPLICATE_CHARACTERS: f64 = 0.20;
/// Lengths of n-grams, and the share of the text that the most frequent one may be.
const TOP_NGRAMS: [(usize, f64); 3] = [(2, 0.20), (3, 0.18), (4, 0.16)];
/// Lengths of n-grams, and the share of the text that may have been said before.
const DUPLICATE_NGRAMS: [(usize, f64); 6] =
    [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)];
const BULLETS: [char; 6] = ['•', '●', '○', '*', '-', '·'];

/// Looks at a text.
pub(super) fn look(words: &Words<'_>, language: &str, found: &mut Findings) {
    quality(words, language, found);
    repetition(words, found);
}

fn quality(words: &Words<'_>, language: &str, found: &mut Findings) {
    let n = words.len();
    if !WORDS.contains(&n) {
        found.leave_out("gopher-length", n as f64, format!("{n} words"));
    }
    if n == 0 {
        return;
    }
    if !words.is_spaceless {
        let characters: usize = words.iter().map(|word| word.chars().count()).sum();
        let mean = characters as f64 / n as f64;
        if !MEAN_WORD_LENGTH.contains(&mean) {
            found.leave_out("gopher-word-length", mean, format!("{mean:.1} characters a word"));
        }
    }
    let count = |symbol: &str| words.text.matches(symbol).count();
    let symbols = count("#").max(count("...") + count("…")) as f64 / n as f64;
    if symbols > MOST_SYMBOLS {
        found.leave_out("gopher-symbols", symbols, format!("{symbols:.2} symbols a word"));
    }
    let all: Vec<&str> = lines(words.text).map(|(_, line)| line).collect();
    let share = |is: &dyn Fn(&&str) -> bool| {
        all.iter().filter(|line| is(line)).count() as f64 / all.len().max(1) as f64
    };
    let bullets = share(&|line| line.starts_with(BULLETS));
    if bullets > MOST_BULLETS {
        found.leave_out(
            "gopher-bullets",
            bullets,
            percent(bullets, "of lines begin with a bullet"),
        );
    }
    let ellipses = share(&|line| line.ends_with("...") || line.ends_with('…'));
    if ellipses > MOST_ELLIPSES {
        found.leave_out("gopher-ellipsis", ellipses, percent(ellipses, "of lines end with …"));
    }
    let is_alphabetic = |word: &&str| word.chars().any(char::is_alphabetic);
    let alphabetic = words.iter().filter(is_alphabetic).count() as f64 / n as f64;
    if alphabetic < LEAST_ALPHABETIC {
        let detail = percent(alphabetic, "of words have a letter");
        found.leave_out("gopher-alphabetic", alphabetic, detail);
    }
    stop_words(words, language, found);
}

fn stop_words(words: &Words<'_>, language: &str, found: &mut Findings) {
    let wanted: &[&str] = match language {
        "eng" => &STOP_WORDS,
        "cmn" => &CHINESE_STOP_WORDS,
        _ => return,
    };
    let hashes: FxHashSet<u64> = words.hashes.iter().copied().collect();
    let n = wanted.iter().filter(|word| hashes.contains(&crate::hash::word(word))).count();
    if n < LEAST_STOP_WORDS {
        found.leave_out("gopher-stop-words", n as f64, format!("{n} different stop words"));
    }
}

fn repetition(words: &Words<'_>, found: &mut Findings) {
    let all = lines(words.text).map(|(_, line)| line);
    repeated(all, ("gopher-duplicate-lines", "lines"), found);
    repeated(paragraphs(words.text), ("gopher-duplicate-paragraphs", "paragraphs"), found);
    if words.len() < *WORDS.start() {
        // Gopher has no such texts: in a short one two equal pairs of words are much of it.
        return;
    }
    let total: usize = words.places.iter().map(ExactSizeIterator::len).sum();
    for (n, most) in TOP_NGRAMS {
        let (count, bytes) = top_ngram(words, n);
        let share = (count * bytes) as f64 / total.max(1) as f64;
        if count > 1 && share > most {
            let detail = percent(share, &format!("of the text is one {n}-gram"));
            found.leave_out("gopher-top-ngrams", share, detail);
            break;
        }
    }
    for (n, most) in DUPLICATE_NGRAMS {
        let share = duplicate_bytes(words, n) as f64 / total.max(1) as f64;
        if share > most {
            let detail = percent(share, &format!("of the text is in {n}-grams said before"));
            found.leave_out("gopher-duplicate-ngrams", share, detail);
            break;
        }
    }
}

/// Finds texts of which too many parts were said before.
fn repeated<'t>(
    parts: impl Iterator<Item = &'t str>,
    (rule, what): (&'static str, &str),
    found: &mut Findings,
) {
    let mut seen = HashSet::new();
    let (mut n, mut again, mut bytes, mut bytes_again) = (0, 0, 0, 0);
    for part in parts {
        n += 1;
        bytes += part.len();
        if !seen.insert(part) {
            again += 1;
            bytes_again += part.len();
        }
    }
    let share = again as f64 / f64::from(n.max(1));
    let of_bytes = bytes_again as f64 / bytes.max(1) as f64;
    if share > MOST_DUPLICATE_LINES {
        found.leave_out(rule, share, percent(share, &format!("of {what} were said before")));
    } else if of_bytes > MOST_DUPLICATE_CHARACTERS {
        let detail = percent(of_bytes, &format!("of the text is {what} said before"));
        found.leave_out(rule, of_bytes, detail);
    }
}

/// How often the most frequent n-gram occurs, and how many bytes its words have.
fn top_ngram(words: &Words<'_>, n: usize) -> (usize, usize) {
    let mut counts: FxHashMap<u64, (usize, usize)> = HashMap::default();
    for (at, hash) in words.ngrams(n).enumerate() {
        counts.entry(hash).or_insert((0, at)).0 += 1;
    }
    // Of equally frequent ones the longest counts.
    let bytes = |at: usize| words.places[at..at + n].iter().map(ExactSizeIterator::len).sum();
    let most = counts.values().map(|(count, _)| *count).max().unwrap_or(0);
    let longest = counts.values().filter(|(count, _)| *count == most && most > 1);
    (most, longest.map(|(_, at)| bytes(*at)).max().unwrap_or(0))
}

/// Bytes of words in n-grams that were said before; no word counts twice.
fn duplicate_bytes(words: &Words<'_>, n: usize) -> usize {
    let mut seen: FxHashSet<u64> = HashSet::default();
    let (mut bytes, mut counted) = (0, 0);
    for (at, hash) in words.ngrams(n).enumerate() {
        if !seen.insert(hash) {
            let new = &words.places[at.max(counted)..at + n];
            bytes += new.iter().map(ExactSizeIterator::len).sum::<usize>();
            counted = at + n;
        }
    }
    bytes
}

fn percent(share: f64, what: &str) -> String {
    format!("{:.0} % {what}", 100.0 * share)
}
