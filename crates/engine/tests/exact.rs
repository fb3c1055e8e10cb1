//! Whatever the engine does to be fast, a sequence's tokens are the same.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mynah_engine::constraint::Vocabulary;
use mynah_engine::sampling::SamplingParams;
use mynah_engine::{
    DraftModel, Engine, EngineOptions, Finish, PromptLookup, Request, RequestError, RequestId,
    Token,
};
use mynah_kernels::{Isa, Pool};
use mynah_model::forward::{LoadOptions, Model};
use mynah_model::huggingface::{self, Folder};
use mynah_model::safetensors;

/// Tokens that stand for one letter each; the last ends an answer.
struct Letters {
    n: usize,
    text: Vec<u8>,
}

impl Letters {
    fn new(n: usize) -> Self {
        Self { n, text: (0..n).map(|i| b'A' + (i % 58) as u8).collect() }
    }
}

impl Vocabulary for Letters {
    fn vocab_len(&self) -> usize {
        self.n
    }
    fn token_bytes(&self, id: u32) -> &[u8] {
        std::slice::from_ref(&self.text[id as usize])
    }
    fn is_control(&self, id: u32) -> bool {
        self.is_end_of_generation(id)
    }
    fn is_end_of_generation(&self, id: u32) -> bool {
        id as usize == self.n - 1
    }
}

/// A random model of the Llama family with a few thousand weights.
fn model(pool: &mut Pool, isa: Isa) -> Arc<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny/llama");
    let config = std::fs::read(folder.join("config.json")).unwrap();
    // The model was made for 64 positions; these tests want more of them.
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config["max_position_embeddings"] = 4096.into();
    let config = serde_json::to_vec(&config).unwrap();
    let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
    let tensors = safetensors::read(&[("model.safetensors", &weights)], None).unwrap();
    let checkpoint = huggingface::checkpoint(Folder {
        name: "llama",
        config: &config,
        generation_config: None,
        pooling_config: None,
        tokenizer_metadata: mynah_model::checkpoint::Metadata::default(),
        tensors,
    })
    .unwrap();
    Arc::new(Model::load(&checkpoint, pool, isa, LoadOptions::default(), &mut |_| ()).unwrap())
}

fn engine(n_threads: usize, options: EngineOptions) -> Engine {
    let mut pool = Pool::new(n_threads);
    let model = model(&mut pool, Isa::detect());
    let n = model.architecture().n_vocab;
    Engine::new(model, Arc::new(Letters::new(n)), pool, options)
}

fn small() -> EngineOptions {
    EngineOptions { cache_positions: 2048, ..EngineOptions::default() }
}

/// A prompt of `n` tokens; the first 40 are the same for all.
fn prompt(seed: u32, n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| if i < 40 { i * 7 % 50 } else { (i * 13 + seed * 5) % 50 }).collect()
}

fn request(seed: u32, n_prompt: usize, n_samples: usize) -> Request {
    let sampling = SamplingParams { seed: u64::from(seed), ..SamplingParams::untruncated() };
    Request { n_samples, sampling, ignore_end: true, ..Request::greedy(prompt(seed, n_prompt), 30) }
}

type Answers = BTreeMap<(RequestId, usize), (Vec<Token>, Vec<u8>, Option<Finish>)>;

fn run(engine: &mut Engine) -> Answers {
    let mut answers = Answers::new();
    while !engine.is_idle() {
        for event in engine.step().unwrap() {
            let answer = answers.entry((event.request, event.sample)).or_default();
            assert!(answer.2.is_none(), "nothing comes after the end");
            answer.0.extend(event.tokens);
            answer.1.extend(event.text);
            answer.2 = event.finish;
        }
    }
    assert!(answers.values().all(|answer| answer.2.is_some()), "every answer ends");
    assert_eq!(engine.available_pages(), engine.n_pages(), "every page is free again");
    answers
}

/// Each answer by itself, one after the other, with no cache to speak of.
fn one_by_one(
    requests: impl Iterator<Item = Request>,
) -> Vec<(Vec<Token>, Vec<u8>, Option<Finish>)> {
    let mut all = Vec::new();
    for request in requests {
        let mut engine = engine(1, small());
        engine.submit(request).unwrap();
        all.extend(run(&mut engine).into_values());
    }
    all
}

fn requests() -> impl Iterator<Item = Request> {
    (0..12).map(|i| {
        let mut request = request(i, 3 + 17 * i as usize % 90, 1 + i as usize % 4);
        request.sampling.logprobs = Some(3);
        if i % 3 == 0 {
            request.sampling.temperature = 0.0;
        }
        request
    })
}

#[track_caller]
fn check(mut engine: Engine, what: &str) -> mynah_engine::Counts {
    for request in requests() {
        engine.submit(request).unwrap();
    }
    let together: Vec<_> = run(&mut engine).into_values().collect();
    assert_eq!(together, one_by_one(requests()), "{what}");
    engine.counts()
}

#[test]
fn together_or_alone() {
    let counts = check(engine(1, small()), "one thread");
    assert!(counts.prompt_cached > 0);
    check(engine(2, small()), "two threads");
}

#[test]
fn in_pieces_of_any_size() {
    for (max_rows, prompt_rows) in [(1, 1), (7, 3), (16, 16), (64, 5)] {
        check(engine(2, EngineOptions { max_rows, prompt_rows, ..small() }), "pieces");
    }
}

#[test]
fn with_few_sequences_at_a_time() {
    for max_sequences in [1, 2, 5] {
        check(engine(2, EngineOptions { max_sequences, ..small() }), "few at a time");
    }
}

#[test]
fn when_sequences_make_room_for_each_other() {
    let options = EngineOptions { cache_positions: 256, ..EngineOptions::default() };
    let counts = check(engine(2, options), "a small cache");
    assert!(counts.preempted > 0, "the cache is small enough to be full");
}

#[test]
fn with_guesses_right_or_wrong() {
    let options = EngineOptions { max_speculating: 100, ..small() };
    let mut looking_up = engine(2, options.clone());
    let lookup = PromptLookup { longest: 3, shortest: 1, n_guesses: 4 };
    looking_up.speculate(Some(Box::new(lookup)));
    let counts = check(looking_up, "prompt lookup");
    assert!(counts.guessed > counts.guessed_right && counts.guessed_right > 0, "{counts:?}");

    let mut drafting = engine(2, options);
    let draft = DraftModel::new(Arc::clone(drafting.model()), 4096, 3);
    drafting.speculate(Some(Box::new(draft)));
    let counts = check(drafting, "draft model");
    assert!(counts.guessed > counts.guessed_right && counts.guessed_right > 0, "{counts:?}");
}

#[test]
fn a_draft_by_the_model_itself_is_always_right() {
    let mut engine = engine(1, small());
    let draft = DraftModel::new(Arc::clone(engine.model()), 4096, 4);
    engine.speculate(Some(Box::new(draft)));
    engine.submit(Request { ignore_end: true, ..Request::greedy(prompt(1, 20), 50) }).unwrap();
    run(&mut engine);
    let counts = engine.counts();
    assert_eq!(counts.guessed, counts.guessed_right);
    assert_eq!(counts.generated, 50);
    assert!(counts.steps <= 12, "five tokens a step: {counts:?}");
}

#[test]
fn many_samples_cost_one_prompt() {
    let mut engine = engine(2, small());
    engine.submit(request(3, 100, 32)).unwrap();
    let answers = run(&mut engine);
    assert_eq!(answers.len(), 32);
    assert_eq!(engine.counts().prompt_computed, 100);
    let different: std::collections::BTreeSet<_> = answers.values().map(|a| &a.1).collect();
    assert!(different.len() > 16, "samples differ");
}

#[test]
fn a_second_request_finds_the_first_ones_prompt() {
    let mut engine = engine(1, small());
    engine.submit(request(1, 90, 1)).unwrap();
    let first: Vec<_> = run(&mut engine).into_values().collect();
    assert_eq!(engine.counts().prompt_cached, 0);
    engine.submit(request(1, 90, 1)).unwrap();
    assert_eq!(run(&mut engine).into_values().collect::<Vec<_>>(), first);
    assert_eq!(engine.counts().prompt_cached, 80, "all full pages of the prompt");
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let mut engine = engine(1, small());
    engine.submit(request(5, 10, 1)).unwrap();
    let whole = run(&mut engine).into_values().next().unwrap();
    let stop = String::from_utf8(whole.1[10..13].to_vec()).unwrap();
    let place = whole.1.windows(3).position(|w| w == stop.as_bytes()).unwrap();
    engine.submit(Request { stop: vec!["~~".into(), stop], ..request(5, 10, 1) }).unwrap();
    let stopped = run(&mut engine).into_values().next().unwrap();
    assert_eq!(stopped.1, whole.1[..place]);
    assert_eq!(stopped.2, Some(Finish::StopString(1)));
}

#[test]
fn an_end_token_ends_an_answer_and_is_no_text() {
    let mut engine = engine(1, small());
    let n = engine.model().architecture().n_vocab as u32;
    let mut only_end = request(1, 5, 1);
    only_end.ignore_end = false;
    only_end.sampling.logit_bias = [(n - 1, 1000.0)].into();
    engine.submit(only_end).unwrap();
    let (tokens, text, finish) = run(&mut engine).into_values().next().unwrap();
    assert_eq!((tokens.len(), text.len(), finish), (1, 0, Some(Finish::Stop)));
}

#[test]
fn cancelling_frees_pages_at_once_and_is_reported() {
    let mut engine = engine(1, small());
    let one = engine.submit(request(1, 100, 4)).unwrap();
    let two = engine.submit(request(2, 50, 2)).unwrap();
    // Before the prompt is read: its first continuation goes, the others live on.
    assert!(engine.cancel(one, Some(0)));
    engine.step().unwrap();
    engine.step().unwrap();
    assert!(engine.cancel(one, None));
    assert!(!engine.cancel(one, None), "nothing left");
    let held = engine.n_pages() - engine.available_pages();
    assert!(held <= 2 * 90usize.div_ceil(16), "only the second request holds pages: {held}");
    let answers = run(&mut engine);
    for sample in 1..4 {
        assert_eq!(answers[&(one, sample)].2, Some(Finish::Cancelled));
    }
    let expected = one_by_one([request(2, 50, 2)].into_iter());
    for (sample, expected) in expected.into_iter().enumerate() {
        // The first step's tokens were taken above.
        assert!(expected.1.ends_with(&answers[&(two, sample)].1));
        assert_eq!(answers[&(two, sample)].2, expected.2);
    }
}

#[test]
fn a_cache_that_is_too_small_says_so() {
    let options = EngineOptions { cache_positions: 64, ..EngineOptions::default() };
    let mut engine = engine(1, options);
    let too_long = engine.submit(request(1, 64, 1)).unwrap_err();
    assert_eq!(too_long, RequestError::TooLong { n_tokens: 64, context: 64 });
    engine.submit(Request { max_tokens: 1000, ..request(1, 40, 1) }).unwrap();
    let (tokens, _, finish) = run(&mut engine).into_values().next().unwrap();
    assert_eq!((tokens.len(), finish), (24, Some(Finish::Context)));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut engine = engine(1, small());
    let n_vocab = engine.model().architecture().n_vocab;
    let refused = |engine: &mut Engine, request| engine.submit(request).unwrap_err();
    assert_eq!(refused(&mut engine, Request::greedy(vec![], 1)), RequestError::EmptyPrompt);
    let token = n_vocab as u32;
    let unknown = RequestError::Token { token, n_vocab };
    assert_eq!(refused(&mut engine, Request::greedy(vec![token], 1)), unknown);
    let none = Request { n_samples: 0, ..Request::greedy(vec![1], 1) };
    assert_eq!(refused(&mut engine, none), RequestError::NoSamples);
    let mut hot = Request::greedy(vec![1], 1);
    hot.sampling.temperature = -1.0;
    assert!(refused(&mut engine, hot).to_string().contains("temperature"));
    assert!(engine.is_idle());
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one_which_goes_on_all_the_same() {
    let options = EngineOptions { prompt_rows: 32, max_rows: 64, ..small() };
    let mut engine = engine(1, options);
    let long = engine.submit(request(1, 1000, 1)).unwrap();
    engine.step().unwrap();
    // One short prompt after the other: each is answered before the long one is read.
    let mut n_steps = 0;
    for seed in 2..6 {
        let short = engine.submit(request(seed, 60, 1)).unwrap();
        loop {
            let events = engine.step().unwrap();
            n_steps += 1;
            assert!(events.iter().all(|event| event.request != long), "the long one is not read");
            if events.iter().any(|event| event.request == short && !event.tokens.is_empty()) {
                break;
            }
        }
    }
    assert!(n_steps <= 12, "{n_steps} steps");
    // A quarter of each step was the long one's.
    let read = engine.counts().prompt_computed - 4 * (60 - 32);
    assert!(read as usize >= 64 + n_steps * 8, "{read} positions");
    let answers = run(&mut engine);
    let alone = one_by_one(std::iter::once(request(1, 1000, 1)));
    assert_eq!(answers[&(long, 0)].0, alone[0].0, "and its tokens are the same");
}
