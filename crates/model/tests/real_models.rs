//! The forward pass on real models: against llama.cpp's and transformers' answers, and against
//! itself.

use std::path::{Path, PathBuf};

use mynah_kernels::{CacheFormat, Isa, PAGE, Pool};
use mynah_model::checkpoint::{Checkpoint, Metadata};
use mynah_model::forward::{Batch, KvCache, LoadOptions, Model, Row, Scratch, Sequence};
use mynah_model::huggingface::{self, Folder};
use mynah_model::{gguf, safetensors};
use serde_json::Value;

const MODELS: [&str; 3] = ["smollm2-135m-q4_1", "gemma3-270m-q4_k_m", "qwen2.5-coder-0.5b-q4_k_m"];

/// Above this gap between the best two logits, in llama.cpp and in float32, everybody must choose
/// the same token. See `fixtures/README.md`.
const CLEAR_GAP: f64 = 0.6;

/// The folder with the models.
fn folder() -> PathBuf {
    let folder = std::env::var_os("MYNAH_TEST_MODELS");
    folder
        .expect("MYNAH_TEST_MODELS names the folder with the models; `cargo xtask test` sets it")
        .into()
}

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn tokens(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

struct Bench {
    model: Model,
    pool: Pool,
    scratch: Scratch,
}

impl Bench {
    fn new(checkpoint: &Checkpoint<'_>, isa: Isa, threads: usize) -> Self {
        let mut pool = Pool::new(threads);
        let options = LoadOptions::default();
        let model = Model::load(checkpoint, &mut pool, isa, options, &mut |_| {}).unwrap();
        Self { model, pool, scratch: Scratch::new() }
    }

    /// Computes a text in batches that end where `cut` says how many tokens come next, and gives
    /// `see` the logits after each token that `wants` them.
    fn run(
        &mut self,
        text: &[u32],
        cut: impl Fn(usize) -> usize,
        wants: impl Fn(usize) -> bool,
        mut see: impl FnMut(&[f32]),
    ) {
        let n_pages = text.len().div_ceil(PAGE);
        let a = self.model.architecture();
        let mut cache = KvCache::new(a, CacheFormat::F16, n_pages);
        let pages: Vec<u32> = (0..n_pages as u32).rev().collect();
        let sequences = [Sequence { pages: &pages, adapter: None }];
        let mut first = 0;
        while first < text.len() {
            let n = cut(first).min(text.len() - first);
            let row = |position: usize| Row {
                token: text[position],
                position: position as u32,
                sequence: 0,
                wants_logits: wants(position),
            };
            let rows: Vec<Row> = (first..first + n).map(row).collect();
            let batch = Batch { rows: &rows, sequences: &sequences };
            let logits =
                self.model.forward(&mut self.pool, batch, &mut cache, &mut self.scratch).unwrap();
            logits.chunks_exact(a.n_vocab).for_each(&mut see);
            first += n;
        }
    }
}

fn for_each_model(test: impl Fn(&str, &Checkpoint<'_>)) {
    for name in MODELS {
        let bytes = std::fs::read(folder().join(format!("{name}.gguf"))).unwrap();
        test(name, &gguf::read(&[&bytes]).unwrap());
    }
}

#[test]
fn a_clear_choice_is_that_of_llama_cpp() {
    for_each_model(|name, checkpoint| {
        let mut bench = Bench::new(checkpoint, Isa::detect(), 2);
        let (mut all, mut same) = (0, 0);
        for case in fixture(&format!("greedy/{name}.json"))["cases"].as_array().unwrap() {
            let (prompt, expected) = (tokens(&case["prompt_ids"]), tokens(&case["tokens"]));
            let (gaps, exact) = (numbers(&case["gaps"]), numbers(&case["exact_gaps"]));
            let text = [&prompt[..], &expected[..expected.len() - 1]].concat();
            let mut step = 0;
            let wants = |position| position + 1 >= prompt.len();
            bench.run(
                &text,
                |_| 512,
                wants,
                |logits| {
                    let better =
                        |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
                    let best = (0..logits.len()).fold(0, better) as u32;
                    let clear = gaps[step] > CLEAR_GAP && exact[step] > CLEAR_GAP;
                    assert!(
                        best == expected[step] || !clear,
                        "{name}: step {step} of {}",
                        case["prompt"]
                    );
                    all += 1;
                    same += usize::from(best == expected[step]);
                    step += 1;
                },
            );
            assert_eq!(step, expected.len());
        }
        println!("{name}: {same} of {all} tokens are llama.cpp's");
        assert!(same * 100 >= all * 97, "{name}: only {same} of {all} tokens are llama.cpp's");
    });
}

#[test]
fn bits_do_not_depend_on_how_a_text_is_cut() {
    // Any tokens will do.
    let text: Vec<u32> = (0..150).map(|i| (i * 7919 + 11) % 30_000).collect();
    for_each_model(|name, checkpoint| {
        let bits = |isa, threads, cut: &dyn Fn(usize) -> usize| {
            let mut bits = Vec::new();
            Bench::new(checkpoint, isa, threads).run(
                &text,
                cut,
                |p| p % 10 == 9,
                |logits| {
                    bits.extend(logits.iter().map(|x| x.to_bits()));
                },
            );
            bits
        };
        let isa = Isa::detect();
        let at_once = bits(isa, 1, &|_| text.len());
        assert!(bits(isa, 2, &|_| text.len()) == at_once, "{name}: two threads");
        assert!(bits(isa, 1, &|_| 1) == at_once, "{name}: token by token");
        assert!(bits(isa, 2, &|p| p % 23 + 1) == at_once, "{name}: pieces, two threads");
        for isa in Isa::available().into_iter().filter(|isa| isa.name() != "scalar") {
            assert!(bits(isa, 1, &|p| p % 31 + 1) == at_once, "{name}: {}", isa.name());
        }
    });
}

#[test]
fn sentence_vectors_are_those_of_transformers() {
    let read = |name: &str| std::fs::read(folder().join("all-minilm-l6-v2").join(name)).unwrap();
    let (config, pooling) = (read("config.json"), read("1_Pooling/config.json"));
    let weights = read("model.safetensors");
    let checkpoint = huggingface::checkpoint(Folder {
        name: "all-minilm-l6-v2",
        config: &config,
        generation_config: None,
        pooling_config: Some(&pooling),
        tokenizer_metadata: Metadata::new(),
        tensors: safetensors::read(&[("model.safetensors", &weights)], None).unwrap(),
    })
    .unwrap();
    let Bench { model, mut pool, mut scratch } = Bench::new(&checkpoint, Isa::detect(), 2);
    let fixture = fixture("embeddings/all-minilm-l6-v2.json");
    let cases = fixture.get("cases").unwrap_or(&fixture).as_array().unwrap();
    let texts: Vec<Vec<u32>> = cases.iter().map(|case| tokens(&case["ids"])).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let pooling = model.architecture().pooling;
    let vectors = model.encode(&mut pool, &texts, pooling, &mut scratch).unwrap();
    for (vector, case) in vectors.chunks_exact(model.architecture().dim).zip(cases) {
        for (x, expected) in vector.iter().zip(numbers(&case["vector"])) {
            assert!((f64::from(*x) - expected).abs() < 1e-4, "{}", case["text"]);
        }
    }
}
