//! Which pairs become tokens.
//!
//! A queue holds pairs by frequency; each entry knows the words in which its pair was seen. The
//! most frequent is taken, merged in those words, and the pairs that arose are put into the queue.
//! A count that has become smaller is noticed when its entry comes up.
//!
//! Equally frequent pairs are taken in the order of their ids, as Hugging Face's `tokenizers` does,
//! and two of its habits are kept, so that the merges are the same: an entry merges only in the
//! words that it knows, even if another entry for the same pair knows more; and the count of a pair
//! stays what it was when it is merged. Both matter only where two different pairs make the same
//! token ("ab" + "c" and "a" + "bc"); the pair's rank is then that of its last merge.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use mynah_model::tokenizer::byte_character;
use rustc_hash::FxBuildHasher;

use super::BpeOptions;
use super::count::Words;

type Pair = (u32, u32);
type Map<K, V> = HashMap<K, V, FxBuildHasher>;

/// An entry of the queue.
struct Entry {
    count: i64,
    pair: Pair,
    words: Vec<u32>,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.count.cmp(&other.count).then_with(|| other.pair.cmp(&self.pair))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// A word: where its tokens lie in [`Text::tokens`], and how often it occurs.
struct Word {
    start: usize,
    len: u32,
    count: i64,
}

/// All words as tokens, one after the other.
struct Text {
    tokens: Vec<u32>,
    words: Vec<Word>,
}

/// The bytes in the order of the characters that stand for them.
fn alphabet() -> [u8; 256] {
    let mut bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
    bytes.sort_unstable_by_key(|&byte| byte_character(byte));
    bytes
}

/// Learns merges until the vocabulary is full. The tokens after the special ones, and the merges.
pub(super) fn learn(words: Words, options: &BpeOptions) -> (Vec<Vec<u8>>, Vec<Pair>) {
    let first = options.special.len() as u32;
    let mut tokens: Vec<Vec<u8>> = alphabet().iter().map(|&byte| vec![byte]).collect();
    let mut ids: Map<Vec<u8>, u32> =
        tokens.iter().enumerate().map(|(i, token)| (token.clone(), first + i as u32)).collect();
    let mut text = Text::new(words, first);
    let (mut counts, mut queue) = text.pairs();
    let mut merges: Vec<Pair> = Vec::new();
    let mut changed: Map<Pair, Vec<u32>> = Map::default();
    while ids.len() + options.special.len() < options.n_vocab {
        let Some(mut top) = queue.pop() else { break };
        let count = counts.get(&top.pair).copied().unwrap_or(0);
        if count != top.count {
            top.count = count;
            queue.push(top);
            continue;
        }
        if count < 1 || (count as u64) < options.min_frequency {
            break;
        }
        let bytes = |id: u32| &tokens[(id - first) as usize];
        let joined = [&bytes(top.pair.0)[..], bytes(top.pair.1)].concat();
        let id = *ids.entry(joined).or_insert_with_key(|joined| {
            tokens.push(joined.clone());
            first + tokens.len() as u32 - 1
        });
        merges.push(top.pair);
        for &word in &top.words {
            text.merge(word, top.pair, id, |pair, change, weight| {
                *counts.entry(pair).or_insert(0) += change * weight;
                if change > 0 {
                    let words = changed.entry(pair).or_default();
                    if words.last() != Some(&word) {
                        words.push(word);
                    }
                }
            });
        }
        for (pair, words) in changed.drain() {
            let count = counts[&pair];
            if count > 0 {
                queue.push(Entry { count, pair, words });
            }
        }
    }
    (tokens, with_last_rank(merges))
}

/// Leaves each pair only in its last place.
fn with_last_rank(merges: Vec<Pair>) -> Vec<Pair> {
    let last: Map<Pair, usize> = merges.iter().enumerate().map(|(i, pair)| (*pair, i)).collect();
    merges
        .into_iter()
        .enumerate()
        .filter_map(|(i, pair)| (last[&pair] == i).then_some(pair))
        .collect()
}

impl Text {
    fn new(words: Words, first: u32) -> Self {
        let mut id_of_byte = [0; 256];
        for (i, byte) in alphabet().into_iter().enumerate() {
            id_of_byte[byte as usize] = first + i as u32;
        }
        let total = words.iter().map(|(word, _)| word.len()).sum();
        let mut text =
            Self { tokens: Vec::with_capacity(total), words: Vec::with_capacity(words.len()) };
        for (word, count) in words {
            let start = text.tokens.len();
            text.tokens.extend(word.bytes().map(|byte| id_of_byte[byte as usize]));
            text.words.push(Word { start, len: word.len() as u32, count: count as i64 });
        }
        text
    }

    /// How often each pair occurs, and where.
    fn pairs(&self) -> (Map<Pair, i64>, BinaryHeap<Entry>) {
        let mut counts: Map<Pair, i64> = Map::default();
        let mut places: Map<Pair, Vec<u32>> = Map::default();
        for (i, word) in self.words.iter().enumerate() {
            let tokens = &self.tokens[word.start..word.start + word.len as usize];
            for pair in tokens.windows(2) {
                let pair = (pair[0], pair[1]);
                *counts.entry(pair).or_insert(0) += word.count;
                let words = places.entry(pair).or_default();
                if words.last() != Some(&(i as u32)) {
                    words.push(i as u32);
                }
            }
        }
        let queue = places
            .into_iter()
            .map(|(pair, words)| Entry { count: counts[&pair], pair, words })
            .collect();
        (counts, queue)
    }

    /// Writes `id` for every `pair` of a word, from its beginning on. `changed` hears of each pair
    /// of neighbours that went (-1) or came (+1), and how often the word occurs.
    fn merge(&mut self, word: u32, pair: Pair, id: u32, mut changed: impl FnMut(Pair, i64, i64)) {
        let word = &mut self.words[word as usize];
        let tokens = &mut self.tokens[word.start..word.start + word.len as usize];
        // Tokens before `written` are done; those from `read` on are as they were.
        let (mut written, mut read) = (0, 0);
        while read < tokens.len() {
            let here = tokens[read];
            if here == pair.0 && tokens.get(read + 1) == Some(&pair.1) {
                if written > 0 {
                    let before = tokens[written - 1];
                    changed((before, pair.0), -1, word.count);
                    changed((before, id), 1, word.count);
                }
                if let Some(&after) = tokens.get(read + 2) {
                    changed((pair.1, after), -1, word.count);
                    changed((id, after), 1, word.count);
                }
                tokens[written] = id;
                read += 2;
            } else {
                tokens[written] = here;
                read += 1;
            }
            written += 1;
        }
        word.len = written as u32;
    }
}
