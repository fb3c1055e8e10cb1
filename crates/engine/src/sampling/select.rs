//! Finding the best few of many without sorting them all.
//!
//! Two questions come up: which `k` tokens have the largest logits, and which
//! tokens make up a given share of the probability. The first is answered with
//! the block maxima: the k-th largest of them is a bound below which no answer
//! lies, so few blocks are looked at. The second cuts the keys into equal ranges,
//! adds up the weight of each, and goes on inside the range where the share is
//! reached. Orders are total (equal keys are ordered by token id), so the answers
//! do not depend on how a library sorts.

use std::cmp::Ordering;

use super::math::{BLOCK, max_of};
use super::workspace::Candidate;

/// Sets of at most this size are sorted; larger ones are cut into ranges first.
const SORTED_AT_ONCE: usize = 256;
/// How many ranges the keys are cut into.
const RANGES: usize = 256;

/// Most likely first, then lower id first.
fn by_logit(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// Smallest key first, then lower id first.
fn by_key(a: &Candidate, b: &Candidate) -> Ordering {
    a.key.total_cmp(&b.key).then(a.id.cmp(&b.id))
}

/// Collects every token whose logit is at least `floor` and not negative infinity, by id.
///
/// `maxima`: the maximum of each block of [`BLOCK`] logits.
pub(crate) fn gather(logits: &[f32], maxima: &[f32], floor: f32, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    let floor = if floor > f32::MIN { floor } else { f32::MIN };
    for (index, block) in logits.chunks(BLOCK).enumerate() {
        if maxima[index] < floor {
            continue;
        }
        let first_id = (index * BLOCK) as u32;
        // A compiler can test eight at once; most groups hold nothing.
        for (group_index, group) in block.chunks(8).enumerate() {
            if max_of(group) < floor {
                continue;
            }
            for (offset, &logit) in group.iter().enumerate() {
                if logit >= floor {
                    let id = first_id + (group_index * 8 + offset) as u32;
                    candidates.push(Candidate { id, logit, weight: 0.0, key: 0.0 });
                }
            }
        }
    }
}

/// Collects the `k` most likely tokens, most likely first.
///
/// `scratch`: a buffer that is overwritten. Negative infinities are left out.
pub(crate) fn top_k(
    logits: &[f32],
    maxima: &[f32],
    k: usize,
    scratch: &mut Vec<f32>,
    candidates: &mut Vec<Candidate>,
) {
    if k == 0 {
        candidates.clear();
        return;
    }
    // At least k blocks, so at least k tokens, reach the k-th largest maximum.
    let floor = if k < maxima.len() {
        scratch.clear();
        scratch.extend_from_slice(maxima);
        *scratch.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
    } else {
        f32::NEG_INFINITY
    };
    gather(logits, maxima, floor, candidates);
    truncate_to_top(candidates, k);
}

/// Keeps the `k` most likely candidates, most likely first.
pub(crate) fn truncate_to_top(candidates: &mut Vec<Candidate>, k: usize) {
    if k < candidates.len() {
        candidates.select_nth_unstable_by(k, by_logit);
        candidates.truncate(k);
    }
    candidates.sort_unstable_by(by_logit);
}

/// Whether a share counts as reached when it is met, or only when it is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Up to and with the candidate that brings the weight to the target.
    Met,
    /// Up to and with the candidate that brings the weight above the target.
    Exceeded,
}

impl Share {
    fn is_reached(self, weight: f64, target: f64) -> bool {
        match self {
            Self::Met => weight >= target,
            Self::Exceeded => weight > target,
        }
    }
}

/// Keeps the candidates with the smallest keys until their weights reach `target`.
///
/// At least one is kept. What is kept is ordered by key where it is at most
/// [`SORTED_AT_ONCE`], else as it came. `open`: a buffer that is overwritten.
pub(crate) fn keep_share(
    candidates: &mut Vec<Candidate>,
    open: &mut Vec<Candidate>,
    target: f64,
    share: Share,
) {
    if candidates.len() > SORTED_AT_ONCE {
        if let Some(last) = last_of_share(candidates, open, target, share) {
            candidates.retain(|c| by_key(c, &last) != Ordering::Greater);
        }
        if candidates.len() <= SORTED_AT_ONCE {
            candidates.sort_unstable_by(by_key);
        }
    } else {
        candidates.sort_unstable_by(by_key);
        let kept = count_share(candidates, 0.0, target, share);
        candidates.truncate(kept);
    }
}

/// How many of the ordered candidates are needed, when `weight` is there already.
fn count_share(ordered: &[Candidate], mut weight: f64, target: f64, share: Share) -> usize {
    for (index, candidate) in ordered.iter().enumerate() {
        weight += f64::from(candidate.weight);
        if share.is_reached(weight, target) {
            return index + 1;
        }
    }
    ordered.len()
}

/// Finds the last candidate in the order of keys that the share needs.
fn last_of_share(
    candidates: &[Candidate],
    open: &mut Vec<Candidate>,
    target: f64,
    share: Share,
) -> Option<Candidate> {
    open.clear();
    open.extend_from_slice(candidates);
    // The weight of the candidates whose keys lie below every open one.
    let mut below = 0.0;
    while open.len() > SORTED_AT_ONCE {
        let ranges = KeyRanges::of(open);
        let weights = ranges.weights(open);
        let mut cut = RANGES - 1;
        for (range, weight) in weights.iter().enumerate() {
            // An empty range cannot hold the last one.
            if weight.1 > 0 && share.is_reached(below + weight.0, target) {
                cut = range;
                break;
            }
            if range < RANGES - 1 {
                below += weight.0;
            }
        }
        let before = open.len();
        open.retain(|c| ranges.index(c.key) == cut);
        if open.len() == before {
            break;
        }
    }
    open.sort_unstable_by(by_key);
    let needed = count_share(open, below, target, share);
    open.get(needed.checked_sub(1)?).copied()
}

/// Equal ranges of the keys from the smallest to the largest.
struct KeyRanges {
    smallest: f32,
    per_key: f32,
}

impl KeyRanges {
    fn of(candidates: &[Candidate]) -> Self {
        let (mut smallest, mut largest) = (f32::INFINITY, f32::NEG_INFINITY);
        for candidate in candidates {
            // Plain comparisons: `min` and `max` also look for NaN.
            smallest = if candidate.key < smallest { candidate.key } else { smallest };
            largest = if candidate.key > largest { candidate.key } else { largest };
        }
        let width = largest - smallest;
        // Equal keys, or ones too far apart to subtract, all fall into the first range.
        let per_key = if width > 0.0 { RANGES as f32 / width } else { 0.0 };
        Self { smallest, per_key }
    }

    fn index(&self, key: f32) -> usize {
        (((key - self.smallest) * self.per_key) as usize).min(RANGES - 1)
    }

    /// Weight and number of the candidates of each range.
    fn weights(&self, candidates: &[Candidate]) -> [(f64, u32); RANGES] {
        let mut weights = [(0.0, 0); RANGES];
        for candidate in candidates {
            let range = &mut weights[self.index(candidate.key)];
            range.0 += f64::from(candidate.weight);
            range.1 += 1;
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::super::math::block_maxima;
    use super::*;
    use proptest::prelude::*;

    fn all(logits: &[f32]) -> Vec<Candidate> {
        let mut maxima = Vec::new();
        block_maxima(logits, &mut maxima).unwrap();
        let mut candidates = Vec::new();
        gather(logits, &maxima, f32::NEG_INFINITY, &mut candidates);
        candidates
    }

    /// Few distinct values, so that ties are common, and some tokens that are forbidden.
    fn logits() -> impl Strategy<Value = Vec<f32>> {
        let value = prop_oneof![
            6 => (-40_i32..40).prop_map(|v| v as f32 / 4.0),
            1 => Just(f32::NEG_INFINITY),
            2 => -10.0_f32..10.0,
        ];
        prop::collection::vec(value, 1..1500)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn gather_finds_all_above_the_floor(logits in logits(), floor in -12.0_f32..12.0) {
            let mut maxima = Vec::new();
            block_maxima(&logits, &mut maxima).unwrap();
            let mut got = Vec::new();
            gather(&logits, &maxima, floor, &mut got);
            let want: Vec<u32> =
                (0..logits.len()).filter(|&i| logits[i] >= floor).map(|i| i as u32).collect();
            prop_assert_eq!(got.iter().map(|c| c.id).collect::<Vec<_>>(), want);
        }

        #[test]
        fn top_k_equals_a_sort(logits in logits(), k in 0_usize..1600) {
            let mut maxima = Vec::new();
            block_maxima(&logits, &mut maxima).unwrap();
            let (mut scratch, mut got) = (Vec::new(), Vec::new());
            top_k(&logits, &maxima, k, &mut scratch, &mut got);
            let mut want = all(&logits);
            want.sort_by(by_logit);
            want.truncate(k);
            prop_assert_eq!(got, want);
        }

        #[test]
        fn keep_share_equals_a_sort(logits in logits(), part in 0.01_f64..1.1, exceeded: bool) {
            let mut got = all(&logits);
            // Weights of few binary digits add up exactly in any order.
            for candidate in &mut got {
                candidate.weight = (candidate.logit.abs() * 16.0).floor() / 16.0;
                candidate.key = -candidate.logit;
            }
            let total: f64 = got.iter().map(|c| f64::from(c.weight)).sum();
            let share = if exceeded { Share::Exceeded } else { Share::Met };
            let target = (part * total * 16.0).round() / 16.0;
            let mut want = got.clone();
            want.sort_by(by_key);
            let kept = count_share(&want, 0.0, target, share);
            want.truncate(kept);
            let mut open = Vec::new();
            keep_share(&mut got, &mut open, target, share);
            got.sort_by(by_key);
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn keep_share_of_equal_keys_takes_the_lowest_ids() {
        let mut candidates: Vec<Candidate> =
            (0..5000).map(|id| Candidate { id, logit: 0.0, weight: 1.0, key: 3.0 }).collect();
        keep_share(&mut candidates, &mut Vec::new(), 1000.0, Share::Met);
        assert_eq!(candidates.len(), 1000);
        assert!(candidates.iter().enumerate().all(|(i, c)| c.id == i as u32));
    }

    #[test]
    fn keep_share_survives_keys_of_every_size() {
        for scale in [1e-40_f32, 1e-10, 1.0, 1e30, 1e38] {
            let mut candidates: Vec<Candidate> = (0..3000)
                .map(|id| Candidate {
                    id,
                    logit: 0.0,
                    weight: 1.0,
                    key: (id as f32 - 1500.0) / 1500.0 * scale * 3.0,
                })
                .collect();
            keep_share(&mut candidates, &mut Vec::new(), 700.5, Share::Exceeded);
            assert_eq!(candidates.len(), 701, "scale {scale}");
        }
    }
}
