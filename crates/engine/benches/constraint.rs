//! How long it takes to index a vocabulary and to say which tokens are allowed.
//!
//! `MYNAH_TEST_MODELS=FOLDER cargo bench -p mynah-engine --bench constraint`, with the models
//! that `cargo xtask test` fetches.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has to stop")]

use std::path::PathBuf;
use std::sync::Arc;

use divan::Bencher;
use mynah_engine::constraint::{Constraint, Grammars, Vocabulary, schema_dsl_multi};
use mynah_model::gguf;
use mynah_model::tokenizer::{SpecialText, Tokenizer};

const MODELS: [&str; 2] = ["smollm2-135m-q4_1", "gemma3-270m-q4_k_m"];
const ANSWER: &str = "{\"items\": [{\"name\": \"Ada of the long and winding name\", \"age\": 36, \
                      \"bio\": \"She wrote the first program, \\\"for a machine\\\" that was \
                      never built.\"}, {\"name\": \"Grace\", \"age\": 85, \"bio\": \"She found \
                      a moth.\"}]}";

fn main() {
    divan::main();
}

fn tokenizer(name: &str) -> Arc<Tokenizer> {
    let folder = PathBuf::from(std::env::var_os("MYNAH_TEST_MODELS").unwrap());
    let bytes = std::fs::read(folder.join(format!("{name}.gguf"))).unwrap();
    let checkpoint = gguf::read(&[&bytes]).unwrap();
    Arc::new(Tokenizer::from_metadata(&checkpoint.metadata).unwrap())
}

#[divan::bench(args = MODELS, sample_count = 5)]
fn index_a_vocabulary(bencher: Bencher, name: &str) {
    let tokenizer = tokenizer(name);
    bencher.bench_local(|| {
        let grammars = Grammars::new(Arc::clone(&tokenizer) as Arc<dyn Vocabulary>);
        grammars.prepare().unwrap();
        grammars
    });
}

#[divan::bench(args = MODELS)]
fn compile_a_schema(bencher: Bencher, name: &str) {
    let grammars = Grammars::new(tokenizer(name));
    grammars.prepare().unwrap();
    let schema = schema_dsl_multi("name, age int, bio").unwrap();
    bencher.bench_local(|| Constraint::json_schema_value(&grammars, &schema).unwrap());
}

/// All masks and steps of an answer of about 70 tokens, each time from the beginning.
#[divan::bench(args = MODELS)]
fn follow_an_answer(bencher: Bencher, name: &str) {
    let tokenizer = tokenizer(name);
    let grammars = Grammars::new(Arc::clone(&tokenizer) as Arc<dyn Vocabulary>);
    let schema = schema_dsl_multi("name, age int, bio").unwrap();
    let start = Constraint::json_schema_value(&grammars, &schema).unwrap();
    let tokens = tokenizer.encode(ANSWER, SpecialText::AsText);
    bencher.bench_local(|| {
        let mut constraint = start.restarted();
        for &token in &tokens {
            constraint.mask().unwrap();
            constraint.advance(token).unwrap();
        }
        assert!(constraint.is_done());
    });
}
