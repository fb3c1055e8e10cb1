//! How fast this machine trains, found out by training for a moment.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use mynah_kernels::Isa;
use mynah_train::config::Settings;
use mynah_train::data::{ShardError, TokenSource};
use mynah_train::rules::{self, Given};
use mynah_train::trainer::{Material, Trainer};

/// For how long steps are made.
const MEASURED: Duration = Duration::from_millis(1500);

/// A model of a middling size for such a machine.
const DEPTH: usize = 3;
const VOCABULARY: usize = 4096;

/// One document of any tokens: how fast a step is does not depend on them.
struct AnyText;

impl TokenSource for AnyText {
    fn n_documents(&self) -> usize {
        1
    }

    fn length(&self, _: usize) -> usize {
        1 << 16
    }

    fn read(&self, _: usize, from: usize, n: usize, out: &mut Vec<u32>) -> Result<(), ShardError> {
        out.extend((from..from + n).map(|i| (i * 2_654_435_761 % VOCABULARY) as u32));
        Ok(())
    }

    fn fingerprint(&self) -> [u8; 32] {
        [0; 32]
    }
}

/// Operations of the model itself that a second of training has.
pub(super) fn operations_a_second(n_threads: usize) -> anyhow::Result<f64> {
    let given = Given { vocabulary: VOCABULARY, steps: 1000, tokens: 1 << 16, depth: Some(DEPTH) };
    let mut settings = Settings::default();
    // Enough rows for a step to be as fast as it gets.
    settings.batch.sequences = Some(8);
    let config = settings.resolve(&given).context("the measured model makes no sense")?;
    let of_step = rules::flops_per_token(&config) * config.tokens_per_step() as f64;
    let token_bytes = vec![1; VOCABULARY];
    let material = Material { source: &AnyText, begins: 0, token_bytes: &token_bytes };
    let mut trainer = Trainer::new(config, &material, Isa::detect(), n_threads);
    // The first step touches its memory for the first time.
    trainer.step()?;
    let (begun, mut n) = (Instant::now(), 0.0);
    while n < 1.0 || begun.elapsed() < MEASURED {
        trainer.step()?;
        n += 1.0;
    }
    Ok(of_step * n / begun.elapsed().as_secs_f64())
}
