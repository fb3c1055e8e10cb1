//! How fast a tokenizer is made and how fast it is: `tokenizer_speed MODEL.gguf TEXT`.
//!
//! Prints the best of several runs as JSON; `dev/bench/tokenizer_speed.py` compares with Hugging
//! Face's `tokenizers` on the same vocabulary and text.

use std::error::Error;
use std::time::Instant;

use mynah_model::gguf;
use mynah_model::tokenizer::{SpecialText, Tokenizer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = std::fs::read(arguments.next().ok_or("which model?")?)?;
    let text = std::fs::read_to_string(arguments.next().ok_or("which text?")?)?;
    let metadata = gguf::read(&[&model])?.metadata;
    let (make_ms, tokenizer) = best(7, || Tokenizer::from_metadata(&metadata));
    let tokenizer = tokenizer?;
    let (encode_ms, ids) = best(7, || tokenizer.encode(&text, SpecialText::AsText));
    let start = &text[..text.floor_char_boundary(2000)];
    let (prompt_ms, _) = best(7, || tokenizer.encode(start, SpecialText::AsText));
    let (decode_ms, _) = best(7, || tokenizer.decode(&ids));
    let long_word = "a".repeat(100_000);
    let (word_ms, _) = best(3, || tokenizer.encode(&long_word, SpecialText::AsText));
    let chinese = "語文字混合测试".repeat(100_000 / 21);
    let (chinese_ms, _) = best(3, || tokenizer.encode(&chinese, SpecialText::AsText));
    let megabytes = text.len() as f64 / 1e6;
    let report = serde_json::json!({
        "make_ms": make_ms,
        "encode_mb_per_s": megabytes / encode_ms * 1e3,
        "prompt_of_2000_bytes_ms": prompt_ms,
        "decode_mb_per_s": megabytes / decode_ms * 1e3,
        "word_of_100_kb_ms": word_ms,
        "chinese_of_100_kb_ms": chinese_ms,
        "tokens": ids.len(),
    });
    #[expect(clippy::print_stdout, reason = "this is what the program is for")]
    {
        println!("{report}");
    }
    Ok(())
}

/// The least time that a function takes, in milliseconds, and what it returns.
fn best<T>(times: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let mut timed = || {
        let start = Instant::now();
        let result = std::hint::black_box(work());
        (start.elapsed().as_secs_f64() * 1e3, result)
    };
    let (mut least, result) = timed();
    for _ in 1..times {
        least = least.min(timed().0);
    }
    (least, result)
}
