//! What an experiment costs beside the bare generation of its samples.
//!
//!     cargo run --release -p mynah-lab --example overhead MODEL.gguf
//!
//! 10 inputs x 2 variants x 25 seeds, 60 tokens each at most, in turn: bare, where answers are
//! counted and dropped; and as an experiment, where each is kept in a store on disk and checked.
//! Beside seconds by the clock stand those that the processor spent on this process, which other
//! programs disturb less.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mynah_engine::sampling::SamplingParams;
use mynah_engine::{Engine, EngineOptions};
use mynah_kernels::{Isa, Pool};
use mynah_lab::check::{NoTools, make_short};
use mynah_lab::design::schedule;
use mynah_lab::execute::{Company, Kept, Unobserved, execute};
use mynah_lab::experiment::{Draft, Experiment, InputsDraft, Source, Spot, VariantDraft};
use mynah_lab::respond::{
    Answer, Desk, Identity, Local, Prompt, Request, RespondError, Responder as _,
};
use mynah_model::forward::{LoadOptions, Model};
use mynah_model::gguf;
use mynah_model::tokenizer::{SpecialText, Tokenizer};
use mynah_store::Store;

/// Gives out the experiment's requests and drops the answers.
struct Bare<'e> {
    experiment: &'e Experiment,
    cells: std::vec::IntoIter<mynah_lab::design::Cell>,
    prompts: std::collections::HashMap<(usize, usize), Arc<Prompt>>,
    tokens: u64,
}

impl Desk for Bare<'_> {
    fn next(&mut self) -> Option<Request> {
        let cell = self.cells.next()?;
        let prompt = self.prompts.entry((cell.arm, cell.input));
        let prompt = Arc::clone(prompt.or_insert_with(|| Arc::new(self.experiment.prompt(&cell))));
        Some(Request { id: 0, prompt, seed: self.experiment.seed_of(&cell), repeat: cell.repeat })
    }

    fn answered(&mut self, _: usize, answer: Answer) -> Result<(), RespondError> {
        self.tokens += answer.tokens.unwrap_or(0);
        Ok(())
    }

    fn failed(&mut self, _: usize, reason: &str, _: f64) -> Result<(), RespondError> {
        Err(RespondError::Responder(reason.to_owned()))
    }

    fn is_stopped(&mut self) -> bool {
        false
    }
}

fn experiment() -> Experiment {
    let mut draft = Draft::new(Source { name: "overhead".into(), text: String::new() }, "overhead");
    for (name, words) in [("plain", "Markdown"), ("capitals", "VALID MARKDOWN")] {
        let prompt = format!("Summarise as {words}: {{{{text}}}}\n\nSummary:\n");
        draft.variants.push(VariantDraft {
            name: Spot::nowhere(name.to_owned()),
            system: None,
            prompts: vec![Spot::nowhere(prompt)],
        });
    }
    let text: String = (0..10)
        .map(|n| format!("Note {n}: call Anna on Monday, then book the train and pay the bill.\n"))
        .collect();
    draft.inputs = Some(InputsDraft::read(Source { name: "n.txt".into(), text }).unwrap());
    draft.repeats = Some(25);
    draft.sampling.max_tokens = 60;
    draft.sampling.temperature = Some(0.8);
    draft.checks = vec![(make_short("markdown", ".".into()).unwrap(), None)];
    draft.build().unwrap()
}

fn main() {
    let path = std::env::args().nth(1).expect("the path of a GGUF file");
    let bytes = std::fs::read(&path).unwrap();
    let checkpoint = gguf::read(&[&bytes]).unwrap();
    let tokenizer = Arc::new(Tokenizer::from_metadata(&checkpoint.metadata).unwrap());
    let n_threads = std::thread::available_parallelism().unwrap().get();
    let (isa, options) = (Isa::detect(), LoadOptions::default());
    let model = Model::load(&checkpoint, &mut Pool::new(n_threads), isa, options, &mut |_| ());
    let model = Arc::new(model.unwrap());
    let experiment = experiment();
    let identity = Identity { name: "model".into(), fingerprint: "model".into() };
    for round in 0..4 {
        let mut seconds = [0.0; 2];
        let mut processor = [0.0; 2];
        let mut tokens = [0; 2];
        for step in 0..2 {
            // Each of the two begins in every second round, with an empty cache.
            let kind = (step + round) % 2;
            let vocabulary = Arc::clone(&tokenizer) as _;
            let pool = Pool::new(n_threads);
            let mut engine =
                Engine::new(Arc::clone(&model), vocabulary, pool, EngineOptions::default());
            let tokenize =
                |prompt: &Prompt| Ok(tokenizer.encode_prompt(&prompt.user, SpecialText::AsText));
            let params = SamplingParams::default();
            let mut local =
                Local::new(&mut engine, identity.clone(), params, 32, Box::new(tokenize));
            let folder = tempfile::tempdir().unwrap();
            let (start, spent) = (Instant::now(), processor_time());
            if kind == 0 {
                let cells = schedule(&experiment.layout(), experiment.seed).into_iter();
                let prompts = std::collections::HashMap::new();
                let mut desk = Bare { experiment: &experiment, cells, prompts, tokens: 0 };
                local.respond(&experiment.sampling, &mut desk).unwrap();
                tokens[kind] = desk.tokens;
            } else {
                let mut store =
                    Store::open(&folder.path().join("mynah.db"), SystemTime::now()).unwrap();
                let journal = &mut Kept::new(&mut store, false);
                let (tools, observer) = (&mut NoTools, &mut Unobserved);
                let company = Company { journal, tools, observer };
                let results = execute(&experiment, &mut local, company).unwrap();
                tokens[kind] = results.samples.iter().filter_map(|one| one.answer.tokens).sum();
            }
            seconds[kind] = start.elapsed().as_secs_f64();
            processor[kind] = processor_time().saturating_sub(spent).as_secs_f64();
        }
        assert_eq!(tokens[0], tokens[1], "the same samples");
        let more = |times: [f64; 2]| 100.0 * (times[1] / times[0] - 1.0);
        println!(
            "{} tokens: bare {:.2} s, as an experiment {:.2} s ({:+.1} %); \
             processor {:.2} s and {:.2} s ({:+.1} %)",
            tokens[0],
            seconds[0],
            seconds[1],
            more(seconds),
            processor[0],
            processor[1],
            more(processor),
        );
    }
}

/// What the processor has spent on this process, all threads together.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
