//! The rules by name, and where each comes from.

use serde::Serialize;

/// What a rule does with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It leaves the document out.
    LeavesOut,
    /// It takes lines out of it.
    TakesLinesOut,
    /// It writes something else for a stretch of it.
    Masks,
}

/// A rule of the cleaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name, which begins with that of its family.
    pub name: &'static str,
    /// What it does.
    pub effect: Effect,
    /// Which documents or stretches it means.
    pub what: &'static str,
    /// Whether it counts in a new corpus.
    pub is_on_at_first: bool,
    /// Where rule and numbers come from.
    pub source: &'static str,
    /// What is written for a stretch that it masks.
    #[serde(skip)]
    pub(super) replacement: &'static str,
}

const GOPHER: &str = "Rae et al. 2021, \"Scaling Language Models: Gopher\", A.1.1";
const C4: &str = "Raffel et al. 2020, \"Exploring the Limits of Transfer Learning\" (T5), 2.2";
const FINEWEB: &str = "Penedo et al. 2024, \"The FineWeb Datasets\", 3.6";
const NEAR: &str = "Broder 1997, \"On the Resemblance and Containment of Documents\"; numbers: \
     Penedo et al. 2024, \"The FineWeb Datasets\", 3.4";
const CONTAMINATION: &str = "Brown et al. 2020, \"Language Models are Few-Shot Learners\", C";

const fn leaves_out(
    name: &'static str,
    is_on_at_first: bool,
    what: &'static str,
    source: &'static str,
) -> Rule {
    Rule { name, effect: Effect::LeavesOut, what, is_on_at_first, source, replacement: "" }
}

const fn lines(name: &'static str, what: &'static str) -> Rule {
    let effect = Effect::TakesLinesOut;
    Rule { name, effect, what, is_on_at_first: false, source: C4, replacement: "" }
}

const fn masks(
    name: &'static str,
    what: &'static str,
    source: &'static str,
    replacement: &'static str,
) -> Rule {
    Rule { name, effect: Effect::Masks, what, is_on_at_first: true, source, replacement }
}

/// Every rule, in the order in which they are shown.
///
/// The rules for web pages (C4, FineWeb, and Gopher's for lengths and stop words) are looked at and
/// do not count at first: they were made for pages, and take poems, lists and summaries away.
pub const RULES: &[Rule] = &[
    leaves_out(
        "exact-duplicate",
        true,
        "the same text as an earlier one, but for space and case",
        "the normalised text's SHA-256",
    ),
    leaves_out(
        "near-duplicate",
        true,
        "nearly the same text as an earlier one (about 75 % of 5-grams)",
        NEAR,
    ),
    leaves_out("language", true, "in a language that was not asked for", "whatlang (trigrams)"),
    leaves_out("gopher-length", false, "fewer than 50 or more than 100,000 words", GOPHER),
    leaves_out(
        "gopher-word-length",
        true,
        "words of fewer than 3 or more than 10 characters on average",
        GOPHER,
    ),
    leaves_out("gopher-symbols", true, "more than one # or … for 10 words", GOPHER),
    leaves_out("gopher-bullets", true, "more than 90 % of lines begin with a bullet", GOPHER),
    leaves_out("gopher-ellipsis", true, "more than 30 % of lines end with an ellipsis", GOPHER),
    leaves_out("gopher-alphabetic", true, "fewer than 80 % of words have a letter", GOPHER),
    leaves_out(
        "gopher-stop-words",
        false,
        "fewer than two of: the be to of and that have with (Chinese: of nine particles)",
        GOPHER,
    ),
    leaves_out(
        "gopher-duplicate-lines",
        true,
        "more than 30 % of lines, or 20 % of characters in lines, said before",
        GOPHER,
    ),
    leaves_out(
        "gopher-duplicate-paragraphs",
        true,
        "more than 30 % of paragraphs, or 20 % of characters in them, said before",
        GOPHER,
    ),
    leaves_out(
        "gopher-top-ngrams",
        true,
        "one 2-gram is more than 20 % of the text, a 3-gram 18 %, a 4-gram 16 %",
        GOPHER,
    ),
    leaves_out(
        "gopher-duplicate-ngrams",
        true,
        "n-grams said before are more than 15 % of the text (5) to 10 % (10)",
        GOPHER,
    ),
    leaves_out("c4-sentences", false, "fewer than 3 sentences", C4),
    leaves_out("c4-lorem-ipsum", false, "has \"lorem ipsum\"", C4),
    leaves_out("c4-curly", false, "has a curly bracket", C4),
    lines("c4-lines", "lines of fewer than 5 words, or without a sentence's end"),
    lines("c4-javascript", "lines with the word JavaScript"),
    lines("c4-policy", "lines about terms of use, privacy and cookies"),
    leaves_out("fineweb-punctuation", false, "at most 12 % of lines end with punctuation", FINEWEB),
    leaves_out(
        "fineweb-duplicates",
        false,
        "at least 10 % of characters are in lines said before",
        FINEWEB,
    ),
    leaves_out(
        "fineweb-short-lines",
        false,
        "at least 67 % of lines have fewer than 30 characters",
        FINEWEB,
    ),
    masks("personal-email", "addresses of electronic mail", "RFC 5321's form", "[email]"),
    masks(
        "personal-phone",
        "numbers of telephones",
        "E.164 with +, and the usual forms of North America and China",
        "[phone]",
    ),
    masks(
        "personal-card",
        "numbers of payment cards, by their check digit",
        "ISO/IEC 7812-1 (Luhn)",
        "[card]",
    ),
    leaves_out("contamination", true, "shares 13 words in a row with a benchmark", CONTAMINATION),
];

/// The rule of this name.
pub(crate) fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// What is written for a stretch that a rule masks; nothing for lines that it takes out.
pub(crate) fn replacement(name: &str) -> &'static str {
    rule(name).map_or("", |rule| rule.replacement)
}
