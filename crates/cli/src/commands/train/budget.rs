//! What there is time for: a short measurement of this machine.

use std::time::{Duration, Instant};

use mynah_kernels::Isa;
use mynah_train::config::{Config, Settings};
use mynah_train::rules::{self, Given};
use mynah_train::trainer::{Material, Trainer};

/// For how long steps are measured, and how much of the budget at most.
const MEASURED: Duration = Duration::from_secs(3);
const MOST_OF_BUDGET: f64 = 0.03;

/// How many steps there are at least.
pub(super) const FEWEST_STEPS: u64 = 10;

/// Which share of the time is for steps: the rest is for held-out text, samples and export.
const FOR_STEPS: f64 = 0.9;

/// The depth, the batch and the number of steps for a time, measured with real steps.
pub(super) fn fit(
    mut settings: Settings,
    given: &Given,
    material: &Material,
    seconds: f64,
    n_threads: usize,
) -> anyhow::Result<Config> {
    let measured = MEASURED.as_secs_f64().min(seconds * MOST_OF_BUDGET);
    // A depth near what will be chosen, for small models run at another share of the peak.
    let first = Given { depth: Some(3), ..given.clone() };
    let (config, time) = step_time(&settings, &first, material, measured, n_threads)?;
    let of_step = rules::flops_per_token(&config) * config.tokens_per_step() as f64;
    let flops = of_step / time * seconds * FOR_STEPS;
    let depth = rules::depth_for(&settings, given, flops);
    let chosen = Given { depth: Some(depth), ..given.clone() };
    let (config, time) = step_time(&settings, &chosen, material, measured, n_threads)?;
    let sequences = seconds * FOR_STEPS / time * config.batch.sequences as f64;
    let batch = settings.batch.sequences.unwrap_or_else(|| rules::batch_for(sequences));
    settings.batch.sequences = Some(batch);
    let steps = ((sequences / batch as f64) as u64).max(FEWEST_STEPS);
    Ok(settings.resolve(&Given { steps, ..chosen })?)
}

/// How long a step takes: the shortest of those that fit the time, as whatever disturbs one makes
/// it longer.
fn step_time(
    settings: &Settings,
    given: &Given,
    material: &Material,
    seconds: f64,
    n_threads: usize,
) -> anyhow::Result<(Config, f64)> {
    let config = settings.resolve(given)?;
    let mut trainer = Trainer::new(config.clone(), material, Isa::detect(), n_threads);
    let begun = Instant::now();
    let mut shortest = f64::INFINITY;
    let mut n = 0;
    // The first step touches its memory for the first time.
    while n < 2 || begun.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        trainer.step()?;
        if n > 0 {
            shortest = shortest.min(start.elapsed().as_secs_f64());
        }
        n += 1;
    }
    Ok((config, shortest.max(1e-9)))
}
