//! Merging neighbours until no pair can be merged: the inner loop of byte-pair encoding.
//!
//! Both kinds of byte-pair encoding do this. They differ in which pairs may merge and which goes
//! first: by a list of merges, or by the score of the token that comes out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A stretch of a word that is one token so far, or a character that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Where it starts in the word, in bytes.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// The token, or [`super::vocab::NO_ID`].
    pub id: u32,
}

/// The urgency of a pair that cannot merge. Lower goes first.
pub(crate) const NEVER: u32 = u32::MAX;

/// What two neighbours become: how urgent that is, and the token.
pub(crate) type Merge = (u32, u32);

/// In place of a merge where there is none.
pub(crate) const NO_MERGE: Merge = (NEVER, super::vocab::NO_ID);

/// Words up to this many symbols are searched from end to end for each merge.
const SHORT: usize = 48;

/// Buffers that are kept from word to word.
#[derive(Default)]
pub(crate) struct MergeBuffers {
    merges: Vec<Merge>,
    /// Urgency above position, least first.
    queue: BinaryHeap<Reverse<u64>>,
    previous: Vec<u32>,
    next: Vec<u32>,
}

/// Merges neighbours, most urgent first and from the left among equals, until none is left.
///
/// `pair` says what two neighbours become. Time is O(n log n) for n symbols.
pub(crate) fn merge_all(
    symbols: &mut Vec<Symbol>,
    buffers: &mut MergeBuffers,
    pair: impl Fn(Symbol, Symbol) -> Merge,
) {
    if symbols.len() <= SHORT {
        merge_short(symbols, buffers, pair);
    } else {
        merge_long(symbols, buffers, pair);
    }
}

fn merge_short(
    symbols: &mut Vec<Symbol>,
    buffers: &mut MergeBuffers,
    pair: impl Fn(Symbol, Symbol) -> Merge,
) {
    let merges = &mut buffers.merges;
    merges.clear();
    merges.extend(symbols.windows(2).map(|two| pair(two[0], two[1])));
    loop {
        let mut at = 0;
        let mut best = NO_MERGE;
        for (i, &merge) in merges.iter().enumerate() {
            if merge.0 < best.0 {
                (at, best) = (i, merge);
            }
        }
        if best.0 == NEVER {
            return;
        }
        symbols[at] = Symbol { start: symbols[at].start, end: symbols[at + 1].end, id: best.1 };
        symbols.remove(at + 1);
        merges.remove(at);
        if at < merges.len() {
            merges[at] = pair(symbols[at], symbols[at + 1]);
        }
        if at > 0 {
            merges[at - 1] = pair(symbols[at - 1], symbols[at]);
        }
    }
}

/// Marks the ends of the list, and a symbol that has been merged into the one before it.
const NONE: u32 = u32::MAX;

fn merge_long(
    symbols: &mut Vec<Symbol>,
    buffers: &mut MergeBuffers,
    pair: impl Fn(Symbol, Symbol) -> Merge,
) {
    let MergeBuffers { merges, queue, previous, next } = buffers;
    let n = symbols.len() as u32;
    previous.clear();
    previous.extend((0..n).map(|i| i.wrapping_sub(1)));
    next.clear();
    next.extend((1..=n).map(|i| if i == n { NONE } else { i }));
    merges.clear();
    merges.extend(symbols.windows(2).map(|two| pair(two[0], two[1])));
    merges.push(NO_MERGE);
    let entry = |merge: Merge, at: u32| Reverse(u64::from(merge.0) << 32 | u64::from(at));
    let possible = (0..).zip(merges.iter()).filter(|(_, merge)| merge.0 != NEVER);
    *queue = possible.map(|(at, &merge)| entry(merge, at)).collect();
    while let Some(Reverse(top)) = queue.pop() {
        let left = top as u32;
        let merge = merges[left as usize];
        if u64::from(merge.0) != top >> 32 {
            continue; // One of the two has become part of something else.
        }
        let right = next[left as usize];
        symbols[left as usize].end = symbols[right as usize].end;
        symbols[left as usize].id = merge.1;
        merges[right as usize] = NO_MERGE;
        let after = next[right as usize];
        next[left as usize] = after;
        if after != NONE {
            previous[after as usize] = left;
        }
        let before = previous[left as usize];
        for (first, second) in [(before, left), (left, after)] {
            if first == NONE {
                continue;
            }
            let merge = match second {
                NONE => NO_MERGE,
                _ => pair(symbols[first as usize], symbols[second as usize]),
            };
            merges[first as usize] = merge;
            if merge.0 != NEVER {
                queue.push(entry(merge, first));
            }
        }
    }
    let mut kept = 0;
    let mut at = 0;
    while at != NONE {
        symbols[kept] = symbols[at as usize];
        kept += 1;
        at = next[at as usize];
    }
    symbols.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ids are lengths; a pair merges if the sum is allowed, with an urgency made from both.
    fn pair_of(rule: u32) -> impl Fn(Symbol, Symbol) -> Merge {
        move |left, right| {
            let sum = left.id.wrapping_mul(31).wrapping_add(right.id).wrapping_mul(rule | 1);
            if sum % 3 == 0 { NO_MERGE } else { (sum % 7, left.id + right.id) }
        }
    }

    /// The definition, in one line per step.
    fn merge_by_definition(symbols: &mut Vec<Symbol>, pair: impl Fn(Symbol, Symbol) -> Merge) {
        loop {
            let merges = symbols.windows(2).map(|two| pair(two[0], two[1])).enumerate();
            let Some((at, merge)) =
                merges.filter(|(_, m)| m.0 != NEVER).min_by_key(|(at, m)| (m.0, *at))
            else {
                return;
            };
            symbols[at].end = symbols[at + 1].end;
            symbols[at].id = merge.1;
            symbols.remove(at + 1);
        }
    }

    proptest! {
        #[test]
        fn both_ways_follow_the_definition(ids in prop::collection::vec(0u32..5, 0..90), rule: u32) {
            let symbols: Vec<Symbol> = (0..).zip(&ids)
                .map(|(i, &id)| Symbol { start: i, end: i + 1, id }).collect();
            let mut expected = symbols.clone();
            merge_by_definition(&mut expected, pair_of(rule));
            let mut buffers = MergeBuffers::default();
            let mut short = symbols.clone();
            merge_short(&mut short, &mut buffers, pair_of(rule));
            prop_assert_eq!(&short, &expected);
            if !symbols.is_empty() {
                let mut long = symbols.clone();
                merge_long(&mut long, &mut buffers, pair_of(rule));
                prop_assert_eq!(&long, &expected);
            }
        }
    }
}
