//! Vocabularies of small texts, and those of another implementation.

use mynah_model::tokenizer::{HuggingFaceFiles, SpecialText, Tokenizer};
use serde::Deserialize;

use super::*;

fn options(n_vocab: usize) -> BpeOptions {
    let special = vec!["<|endoftext|>".to_owned()];
    BpeOptions { n_vocab, special, n_threads: 2, min_frequency: 1, ..BpeOptions::default() }
}

fn merges(bpe: &Bpe) -> Vec<(String, String)> {
    bpe.merge_names().collect()
}

#[test]
fn the_most_frequent_pair_becomes_a_token() {
    // The example of Sennrich et al. 2016, without their end of word.
    let text = "low low low low low lower lower newest newest newest newest newest newest widest \
         widest widest";
    let bpe = train_on([text], &options(257 + 5)).unwrap();
    let names: Vec<String> = merges(&bpe).into_iter().map(|(a, b)| a + &b).collect();
    assert_eq!(names, ["es", "est", "lo", "low", "ew"]);
    assert_eq!(bpe.n_vocab(), 262);
    assert_eq!((bpe.counted.words, bpe.counted.distinct), (16, 5));
}

#[test]
fn a_vocabulary_ends_where_there_are_no_more_pairs() {
    let bpe = train_on(["ab ab"], &options(1000)).unwrap();
    assert_eq!(merges(&bpe).len(), 2);
    let rare = BpeOptions { min_frequency: 2, ..options(1000) };
    assert_eq!(merges(&train_on(["ab cd ab"], &rare).unwrap()).len(), 1);
    assert_eq!(train_on([""; 0], &options(300)).unwrap().n_vocab(), 257);
}

#[test]
fn order_and_threads_change_nothing() {
    let texts: Vec<String> = (0..200)
        .map(|i| format!("text {i} 说话 {} the cat sat on the mat {}", i * 37 % 11, i % 3))
        .collect();
    let one = train_on(&texts, &BpeOptions { n_threads: 1, ..options(400) }).unwrap();
    let many = train_on(texts.iter().rev(), &BpeOptions { n_threads: 5, ..options(400) }).unwrap();
    assert_eq!(one, many);
}

#[test]
fn what_does_not_fit_into_memory_changes_nothing_while_it_fits_at_the_end() {
    let texts: Vec<String> = (0..3000).map(|i| format!("w{} v{} common", i % 700, i)).collect();
    // Numbers are whole words in this pattern.
    let options = |n_vocab| BpeOptions { pattern: Pattern::Gpt2, ..options(n_vocab) };
    let all = train_on(&texts, &options(500)).unwrap();
    // 1 MiB batches: every text on its own, so that tables are looked at often.
    let batches: Vec<String> = texts.chunks(100).map(|part| part.join(" ")).collect();
    let whole = train_on(&batches, &options(500)).unwrap();
    let little = BpeOptions { memory_bytes: 250_000, ..options(500) };
    let spilled = train_on(&batches, &little).unwrap();
    assert!(spilled.counted.spills > 0);
    assert_eq!(spilled.counted.least_frequency, 1);
    assert_eq!((&spilled.tokens, &spilled.merges), (&whole.tokens, &whole.merges));
    assert_eq!(all.n_vocab(), 500);
    // With still less room the rare words are left out, and it says so.
    let least = BpeOptions { memory_bytes: 50_000, ..little };
    let pruned = train_on(&batches, &least).unwrap();
    assert!(pruned.counted.least_frequency > 1);
    assert!(pruned.counted.distinct < whole.counted.distinct);
    assert_eq!(pruned.counted.words, whole.counted.words);
}

#[test]
fn faulty_options_are_refused() {
    let check = |options: BpeOptions, complaint: &str| {
        let error = train_on(["a"], &options).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    };
    check(options(256), "at least 257");
    check(BpeOptions { special: vec!["x".into()], ..options(300) }, "too short");
    check(BpeOptions { special: vec!["<a>".into(); 2], ..options(300) }, "twice");
    check(options(usize::MAX), "too large");
    let failing = [Err::<&str, Error>(Error::Stopped)];
    assert!(matches!(train(failing, &options(300)), Err(Error::Stopped)));
}

#[test]
fn the_file_is_read_back_and_text_survives() {
    let texts = ["Hello, world! It's 1941.\n\n  \"你好，世界。\"<|endoftext|>\u{0}\r\n"];
    let bpe = train_on(texts, &options(290)).unwrap();
    let json = bpe.to_tokenizer_json();
    let files = HuggingFaceFiles { tokenizer: json.as_bytes(), ..HuggingFaceFiles::default() };
    let tokenizer = Tokenizer::from_tokenizer_json(&files).unwrap();
    let ids = tokenizer.encode(texts[0], SpecialText::AsText);
    assert_eq!(tokenizer.decode(&ids), texts[0].as_bytes());
    assert!(!ids.contains(&0), "a special token's name in a text is text");
    assert_eq!(tokenizer.encode("<|endoftext|>", SpecialText::Parse), [0]);
    assert_eq!(bpe.n_vocab(), 290);
}

/// What `dev/reference/bpe_cases.py` wrote: merges of Hugging Face's `tokenizers`.
#[derive(Deserialize)]
struct Case {
    name: String,
    pattern: String,
    n_vocab: usize,
    min_frequency: u64,
    texts: Vec<String>,
    merges: Vec<(String, String)>,
    vocab: Vec<String>,
}

#[test]
fn the_merges_are_those_of_hugging_face() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tokenizer/bpe_training.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let pattern = match case.pattern.as_str() {
            "gpt2" => Pattern::Gpt2,
            "llama3" => Pattern::Llama3,
            _ => Pattern::Qwen2,
        };
        let options = BpeOptions {
            n_vocab: case.n_vocab,
            min_frequency: case.min_frequency,
            pattern,
            ..options(0)
        };
        let bpe = train_on(&case.texts, &options).unwrap();
        for (i, (ours, theirs)) in merges(&bpe).iter().zip(&case.merges).enumerate() {
            assert_eq!(ours, theirs, "{}: merge {i}", case.name);
        }
        assert_eq!(merges(&bpe).len(), case.merges.len(), "{}", case.name);
        let vocab: Vec<String> = (0..bpe.n_vocab() as u32).map(|id| bpe.name(id)).collect();
        assert_eq!(vocab, case.vocab, "{}", case.name);
    }
}
