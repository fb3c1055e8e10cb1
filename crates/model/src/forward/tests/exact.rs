//! A row's numbers are the same bits whatever is computed beside it.

use mynah_kernels::format::Format;
use mynah_kernels::{CacheFormat, PAGE};

use super::{Batch, Bench, KvCache, Row, Sequence, rows_of};
use crate::architecture::{Pooling, known_names};
use crate::forward::BatchError;
use crate::testing::{N_VOCAB, Random, Tiny, tiny, wide};

/// Longer than a page, than a window and than any tile of a kernel.
const LENGTH: usize = 43;

fn decoders() -> impl Iterator<Item = &'static str> {
    known_names().filter(|name| !name.ends_with("bert"))
}

pub(super) fn text(seed: u64) -> Vec<u32> {
    let mut random = Random(seed);
    (0..LENGTH).map(|_| random.below(N_VOCAB) as u32).collect()
}

pub(super) fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
}

/// A text that is being computed bit by bit.
struct Running {
    tokens: Vec<u32>,
    /// What follows each token.
    expected: Vec<Vec<u32>>,
    pages: Vec<u32>,
    next: usize,
}

/// Computes some texts in batches cut at random, with pages in no order and logits asked of random
/// rows, and compares with those of each text by itself.
fn check(model: &Tiny, format: CacheFormat, seed: u64) {
    let mut random = Random(seed);
    let mut alone = Bench::new(&model.checkpoint, 1, format);
    let mut bench = Bench::new(&model.checkpoint, 2, format);
    // Pages in no order and with gaps.
    let mut free = (1..32u32).rev().map(|page| page * 2 - 1);
    let start = |seed| {
        let tokens = text(seed);
        let expected = bits(&alone.at_once(&tokens));
        let pages = free.by_ref().take(LENGTH.div_ceil(PAGE)).collect();
        Running { tokens, expected, pages, next: 0 }
    };
    let mut texts: Vec<Running> = (1..=4).map(start).collect();
    while texts.iter().any(|text| text.next < LENGTH) {
        let mut rows: Vec<Row> = Vec::new();
        let mut expected = Vec::new();
        let most = [1, 3, 30][random.below(3)];
        for (i, text) in (0u32..).zip(&mut texts) {
            let n = random.below(most + 1).min(LENGTH - text.next);
            let wants = random.bits();
            let tokens = &text.tokens[text.next..][..n];
            let new = rows_of(tokens, text.next, i, |position| wants >> (position % 64) & 1 == 1);
            text.next += n;
            for row in new {
                // Rows of one sequence need not be neighbours.
                let at =
                    if random.below(4) == 0 { random.below(rows.len() + 1) } else { rows.len() };
                rows.insert(at, row);
            }
        }
        for row in rows.iter().filter(|row| row.wants_logits) {
            expected.push(&texts[row.sequence as usize].expected[row.position as usize]);
        }
        let sequences: Vec<Sequence<'_>> =
            texts.iter().map(|text| Sequence { pages: &text.pages, adapter: None }).collect();
        let got = bits(&bench.forward(&rows, &sequences));
        assert!(got.iter().eq(expected), "other bits in a batch of {} rows", rows.len());
    }
}

#[test]
fn every_architecture_gives_the_same_bits_in_any_batch() {
    for (seed, name) in (10..).zip(decoders()) {
        println!("{name}");
        check(&tiny(name), CacheFormat::F16, seed);
    }
}

#[test]
fn every_format_gives_the_same_bits_in_any_batch() {
    for (seed, format) in (50..).zip(Format::ALL) {
        println!("{format}");
        let make = if format.block_len() == 256 { wide } else { tiny };
        check(make("qwen3").quantize(format), CacheFormat::F16, seed);
    }
}

#[test]
fn every_cache_gives_the_same_bits_in_any_batch() {
    for (seed, cache) in (80..).zip([CacheFormat::F32, CacheFormat::Q8_0]) {
        println!("{cache:?}");
        check(tiny("gemma3").quantize(Format::Q8_0), cache, seed);
    }
}

#[test]
fn experts_give_the_same_bits_in_any_batch() {
    for (seed, name) in (90..).zip(["qwen2moe", "qwen3moe"]) {
        check(tiny(name).quantize(Format::Q4_0), CacheFormat::F16, seed);
    }
}

/// The bits do not depend on the order in which tensors were computed by threads either.
#[test]
fn threads_do_not_change_bits() {
    let tokens = text(5);
    for format in [Format::F32, Format::Q4_1] {
        let mut model = tiny("llama");
        model.quantize(format);
        let of = |threads| {
            bits(&Bench::new(&model.checkpoint, threads, CacheFormat::F16).at_once(&tokens))
        };
        assert!(of(1) == of(2) && of(2) == of(5));
    }
}

/// A sequence that begins like another may share its pages, and go its own way in the middle of
/// one.
#[test]
fn a_shared_beginning_gives_the_same_bits() {
    let model = tiny("gemma2");
    let mut bench = Bench::new(&model.checkpoint, 2, CacheFormat::F16);
    let (first, mut second) = (text(1), text(2));
    let shared = PAGE + 5;
    second[..shared].copy_from_slice(&first[..shared]);
    let expected = bits(&bench.at_once(&second)[shared..]);
    let (pages, own) = ([10, 11, 12], [10, 21, 22]);
    let begin = Sequence { pages: &pages, adapter: None };
    bench.forward(&rows_of(&first, 0, 0, |_| false), &[begin]);
    bench.cache.copy_page(11, 21);
    let go_on = Sequence { pages: &own, adapter: None };
    let got = bench.forward(&rows_of(&second[shared..], shared, 0, |_| true), &[go_on]);
    assert!(bits(&got) == expected);
}

#[test]
fn a_batch_that_cannot_be_computed_is_refused() {
    let mut bench = Bench::new(&tiny("gpt2").checkpoint, 1, CacheFormat::F16);
    let row = Row { token: 1, position: 0, sequence: 0, wants_logits: true };
    let mut refused = |row: Row, pages: &[u32]| {
        let (rows, sequences) = ([row], [Sequence { pages, adapter: None }]);
        let batch = Batch { rows: &rows, sequences: &sequences };
        let Bench { model, pool, cache, scratch } = &mut bench;
        model.forward(pool, batch, cache, scratch).unwrap_err().to_string()
    };
    assert_eq!(refused(Row { token: 90, ..row }, &[0]), "token 90 is not one of the model's 90");
    assert_eq!(refused(Row { sequence: 1, ..row }, &[0]), "row 0 belongs to sequence 1 of 1");
    assert_eq!(
        refused(Row { position: 16, ..row }, &[0]),
        "position 16 is beyond the 1 pages of its sequence"
    );
    assert_eq!(refused(row, &[64]), "page 64 is not one of the cache's 64");
    assert_eq!(
        refused(Row { position: 80, ..row }, &[0, 1, 2, 3, 4, 5]),
        "position 80 is beyond the 80 that the model was made for"
    );
    let mut other = Bench::new(&tiny("bert").checkpoint, 1, CacheFormat::F16);
    let batch = Batch { rows: &[], sequences: &[] };
    let Bench { model, pool, cache, scratch } = &mut other;
    assert_eq!(model.forward(pool, batch, cache, scratch), Err(BatchError::NotADecoder));
    assert_eq!(
        model.encode(pool, &[&[1], &[]], Pooling::Mean, scratch),
        Err(BatchError::Empty { text: 1 })
    );
    let Bench { model, pool, cache, scratch } = &mut bench;
    let nothing = model.forward(pool, batch, cache, scratch);
    assert!(nothing.is_ok_and(|logits| logits.is_empty()), "nothing is a batch");
    let mut shallower = model.architecture().clone();
    shallower.layers.pop();
    *cache = KvCache::new(&shallower, CacheFormat::F16, 64);
    assert_eq!(model.forward(pool, batch, cache, scratch), Err(BatchError::Cache));
}
