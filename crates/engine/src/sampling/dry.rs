//! DRY, "don't repeat yourself": the penalty for continuing a repeat.
//!
//! If the text ends with a run of tokens that already occurred, the token that
//! followed it there is made less likely, the more so the longer the run. Names
//! and lists repeat on purpose, so a run never reaches across a sequence breaker.
//!
//! Source: p-e-w 2024, text-generation-webui pull request 5677; the details
//! (overlapping breakers, the limit on the exponent) are those of llama.cpp, whose
//! results `tests/sampling_reference.rs` pins.

use std::collections::BTreeMap;

use super::params::MAX_BREAKER_TOKENS;
use super::penalties::{check_history, window};
use super::{Breaker, SamplingError, SamplingParams, Workspace};
use crate::constraint::Vocabulary;

/// Sequence breakers as token ids, made once per model and list of breakers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breakers {
    /// First token and the ones that must follow it, ordered by the first.
    sequences: Vec<(u32, Vec<u32>)>,
}

impl Breakers {
    /// Takes breakers that are given as token ids.
    ///
    /// # Errors
    /// If one is given as text: that needs [`Breakers::resolve`].
    pub fn from_tokens(breakers: &[Breaker]) -> Result<Self, SamplingError> {
        let mut sequences = Vec::new();
        for breaker in breakers {
            match breaker {
                Breaker::Tokens(tokens) => push_sequence(&mut sequences, tokens),
                Breaker::Text(text) => {
                    return Err(SamplingError::BreakerNeedsVocabulary { text: text.clone() });
                }
            }
        }
        Ok(Self::sorted(sequences))
    }

    /// Finds every token in which a breaker begins, and the tokens that would complete it.
    ///
    /// A token that contains the whole text is a breaker by itself. One that ends
    /// with the beginning of the text is a breaker if the tokens of the rest follow.
    /// Looks at the whole vocabulary: keep the result where it is needed often.
    pub fn resolve(breakers: &[Breaker], vocabulary: &dyn Vocabulary) -> Self {
        let mut sequences = Vec::new();
        let mut tails = TailCache { vocabulary, by_text: None };
        for breaker in breakers {
            match breaker {
                Breaker::Tokens(tokens) => push_sequence(&mut sequences, tokens),
                Breaker::Text(text) => {
                    resolve_text(text.as_bytes(), vocabulary, &mut tails, &mut sequences);
                }
            }
        }
        Self::sorted(sequences)
    }

    fn sorted(mut sequences: Vec<(u32, Vec<u32>)>) -> Self {
        sequences.sort();
        sequences.dedup();
        Self { sequences }
    }

    /// The sequences that begin with a token: what must follow it.
    fn tails(&self, head: u32) -> impl Iterator<Item = &[u32]> {
        let start = self.sequences.partition_point(|(first, _)| *first < head);
        self.sequences[start..]
            .iter()
            .take_while(move |(first, _)| *first == head)
            .map(|(_, tail)| tail.as_slice())
    }

    fn is_single_token(&self, token: u32) -> bool {
        self.tails(token).any(<[u32]>::is_empty)
    }

    /// How many of the last tokens lie after the last complete breaker.
    ///
    /// `recent`: the window, last token first.
    fn tokens_since(&self, recent: impl Fn(usize) -> u32, length: usize) -> usize {
        for age in 0..length {
            let longest = self
                .tails(recent(age))
                .filter(|tail| tail.len() <= age)
                .filter(|tail| (0..tail.len()).all(|i| tail[i] == recent(age - i - 1)))
                .map(<[u32]>::len)
                .max();
            if let Some(longest) = longest {
                return age - longest;
            }
        }
        length
    }
}

fn push_sequence(sequences: &mut Vec<(u32, Vec<u32>)>, tokens: &[u32]) {
    if let Some((&head, tail)) = tokens.split_first() {
        sequences.push((head, tail.to_vec()));
    }
}

fn resolve_text(
    text: &[u8],
    vocabulary: &dyn Vocabulary,
    tails: &mut TailCache<'_>,
    sequences: &mut Vec<(u32, Vec<u32>)>,
) {
    let Some(&first) = text.first() else { return };
    for id in 0..vocabulary.vocab_len() as u32 {
        let token = vocabulary.token_bytes(id);
        if token.windows(text.len()).any(|part| part == text) {
            sequences.push((id, Vec::new()));
            continue;
        }
        for start in (0..token.len()).filter(|&start| token[start] == first) {
            let overlap = &token[start..];
            if overlap.len() < text.len() && text.starts_with(overlap) {
                sequences.push((id, tails.tokens(&text[overlap.len()..])));
            }
        }
    }
}

/// Tokenizes the rest of a breaker; where the vocabulary cannot, longest token first.
struct TailCache<'a> {
    vocabulary: &'a dyn Vocabulary,
    by_text: Option<BTreeMap<&'a [u8], u32>>,
}

impl TailCache<'_> {
    fn tokens(&mut self, text: &[u8]) -> Vec<u32> {
        let mut tokens = match self.vocabulary.tokenize(text) {
            Some(tokens) => tokens,
            None => self.longest_first(text),
        };
        tokens.truncate(MAX_BREAKER_TOKENS - 1);
        tokens
    }

    fn longest_first(&mut self, text: &[u8]) -> Vec<u32> {
        let vocabulary = self.vocabulary;
        let by_text = self.by_text.get_or_insert_with(|| {
            (0..vocabulary.vocab_len() as u32)
                .rev()
                .map(|id| (vocabulary.token_bytes(id), id))
                .collect()
        });
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let found = (1..=rest.len())
                .rev()
                .find_map(|length| by_text.get(&rest[..length]).map(|&id| (length, id)));
            let Some((length, id)) = found else { break };
            tokens.push(id);
            rest = &rest[length..];
        }
        tokens
    }
}

/// Makes tokens that would continue a repeat less likely.
///
/// # Errors
/// If the window holds a token outside the vocabulary.
pub(crate) fn apply_dry(
    params: &SamplingParams,
    breakers: &Breakers,
    logits: &mut [f32],
    history: &[u32],
    workspace: &mut Workspace,
) -> Result<(), SamplingError> {
    let window = window(history, params.dry_penalty_last_n);
    if window.len() <= params.dry_allowed_length {
        return Ok(());
    }
    check_history(window, logits.len())?;
    let recent = |age: usize| window[window.len() - 1 - age];
    let limit = breakers.tokens_since(recent, window.len());
    if limit < params.dry_allowed_length {
        return Ok(());
    }
    suffix_matches(recent, window.len(), limit, &mut workspace.repeats);
    workspace.reserve_counts(logits.len());
    workspace.touched.clear();
    // `counts` holds one more than the longest repeat that a token would continue.
    for age in 1..window.len() {
        let repeat = workspace.repeats[age];
        if (repeat as usize) < params.dry_allowed_length {
            continue;
        }
        let next = recent(age - 1);
        let longest = &mut workspace.counts[next as usize];
        if *longest == 0 {
            workspace.touched.push(next);
        }
        *longest = (*longest).max(repeat + 1);
    }
    let max_exponent = max_exponent(params.dry_base);
    for &token in &workspace.touched {
        let repeat = std::mem::take(&mut workspace.counts[token as usize]) - 1;
        if breakers.is_single_token(token) {
            continue;
        }
        let exponent = (repeat as usize - params.dry_allowed_length).min(max_exponent);
        let growth = libm::pow(f64::from(params.dry_base), exponent as f64);
        logits[token as usize] -= (f64::from(params.dry_multiplier) * growth) as f32;
    }
    Ok(())
}

/// The largest exponent for which the power still is a finite `f32`.
fn max_exponent(base: f32) -> usize {
    const LN_F32_MAX: f64 = 88.722_839_1;
    if base > 1.000_001 { (LN_F32_MAX / libm::log(f64::from(base))) as usize } else { usize::MAX }
}

/// Writes for each age how many tokens up to there equal the last tokens, at most `limit`.
///
/// `recent(age)` is the token `age` places before the last. Takes time linear in
/// `length`. Source: the Z-algorithm, Gusfield 1997, "Algorithms on Strings, Trees
/// and Sequences", section 1.3, on the reversed window.
fn suffix_matches(
    recent: impl Fn(usize) -> u32,
    length: usize,
    limit: usize,
    matches: &mut Vec<u32>,
) {
    matches.clear();
    matches.resize(length, 0);
    // The match found so far that reaches furthest covers `start..end`.
    let (mut start, mut end) = (0, 0);
    for age in 1..length {
        let mut matched =
            if age < end { (matches[age - start] as usize).min(end - age) } else { 0 };
        while matched < limit && age + matched < length && recent(matched) == recent(age + matched)
        {
            matched += 1;
        }
        if age + matched > end {
            (start, end) = (age, age + matched);
        }
        matches[age] = matched as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive_matches(window: &[u32], limit: usize) -> Vec<u32> {
        let recent: Vec<u32> = window.iter().rev().copied().collect();
        (0..recent.len())
            .map(|age| {
                if age == 0 {
                    return 0;
                }
                recent[age..].iter().zip(&recent).take(limit).take_while(|(a, b)| a == b).count()
                    as u32
            })
            .collect()
    }

    proptest! {
        #[test]
        fn matches_equal_the_naive_search(
            window in prop::collection::vec(0_u32..3, 1..60),
            limit in 0_usize..70,
        ) {
            let mut matches = Vec::new();
            let recent = |age: usize| window[window.len() - 1 - age];
            suffix_matches(recent, window.len(), limit, &mut matches);
            prop_assert_eq!(matches, naive_matches(&window, limit));
        }
    }

    struct Words(Vec<&'static [u8]>);

    impl Vocabulary for Words {
        fn vocab_len(&self) -> usize {
            self.0.len()
        }
        fn token_bytes(&self, id: u32) -> &[u8] {
            self.0[id as usize]
        }
        fn is_control(&self, _: u32) -> bool {
            false
        }
        fn is_end_of_generation(&self, _: u32) -> bool {
            false
        }
    }

    fn params() -> SamplingParams {
        SamplingParams { dry_multiplier: 1.0, dry_base: 2.0, ..SamplingParams::untruncated() }
    }

    fn penalties(history: &[u32], breakers: &Breakers) -> Vec<f32> {
        let mut logits = vec![0.0; 8];
        let mut workspace = Workspace::new();
        apply_dry(&params(), breakers, &mut logits, history, &mut workspace).unwrap();
        assert!(workspace.counts.iter().all(|&count| count == 0));
        logits
    }

    #[test]
    fn the_token_that_continues_a_repeat_is_penalised() {
        // 1 2 3 | 4 | 1 2 3: token 4 continues a repeat of three, one above the free two.
        let none = Breakers::default();
        assert_eq!(
            penalties(&[1, 2, 3, 4, 1, 2, 3], &none),
            [0.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0]
        );
        // A repeat of one is free.
        assert_eq!(penalties(&[1, 2, 3, 4, 3], &none), [0.0; 8]);
    }

    #[test]
    fn a_breaker_shortens_the_repeat() {
        let history = [1, 2, 3, 4, 1, 2, 3];
        let breaker =
            |tokens: &[u32]| Breakers::from_tokens(&[Breaker::Tokens(tokens.to_vec())]).unwrap();
        // After the breaker 1 the repeat has two tokens, after 2 only one.
        assert_eq!(penalties(&history, &breaker(&[1]))[4], -1.0);
        assert_eq!(penalties(&history, &breaker(&[2]))[4], 0.0);
        assert_eq!(penalties(&history, &breaker(&[1, 2]))[4], 0.0);
        assert_eq!(penalties(&history, &breaker(&[4, 1]))[4], -1.0);
        // A breaker itself may be repeated.
        assert_eq!(penalties(&history, &breaker(&[4]))[4], 0.0);
    }

    #[test]
    fn breakers_are_found_inside_tokens() {
        let words = Words(vec![b"a", b"b", b"ab", b"xab", b"xa", b"abx", b"c", b"bc"]);
        let breakers = Breakers::resolve(&[Breaker::Text("abc".into())], &words);
        // `a` needs `bc`; `ab`, `xab` need `c`; `xa` needs `bc`; `abx` is no beginning.
        let want = vec![(0, vec![7]), (2, vec![6]), (3, vec![6]), (4, vec![7])];
        assert_eq!(breakers.sequences, want);
        let breakers = Breakers::resolve(&[Breaker::Text("a".into())], &words);
        assert_eq!(breakers.sequences, [0, 2, 3, 4, 5].map(|id| (id, Vec::new())).to_vec());
    }

    #[test]
    fn text_breakers_need_a_vocabulary() {
        let fault = Breakers::from_tokens(&[Breaker::Text("\n".into())]).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the sequence breaker \"\\n\" is text, which needs the vocabulary"
        );
    }

    #[test]
    fn long_repeats_stay_finite() {
        let history = vec![5_u32; 4000];
        let logits = penalties(&history, &Breakers::default());
        assert!(logits[5].is_finite() && logits[5] < -1e38, "{}", logits[5]);
    }
}
