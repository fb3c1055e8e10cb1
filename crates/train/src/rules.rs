//! How everything follows from one number: the depth, or the time there is.
//!
//! | what | rule | source |
//! |---|---|---|
//! | width | 64 for each layer | Karpathy 2025, nanochat |
//! | width of a head | 64, or the width if that is less | |
//! | feed-forward, `llama` | 8/3 of the width, to the next 32: three matrices of it cost what two of 4 do | Shazeer 2020 |
//! | feed-forward, `nano` | 4 times the width | So et al. 2021 |
//! | tokens for the budget | 20 for each weight in a product: of depths whose number of tokens the time allows, the one nearest to that | Hoffmann et al. 2022, "Chinchilla" |
//! | passes over the data | a depth that would need more than 4 of them counts as if the data ended there: repeated text teaches less | Muennighoff et al. 2023 |
//! | FLOPs of a token | 6 for each weight in a product, and 6 · context · width for each layer's causal attention | Kaplan et al. 2020 |
//! | AdamW | betas 0.9 and 0.95, decay 0.1 of matrices, gradients at most 1 long | Touvron et al. 2023 |
//! | learning rate of AdamW | 0.006 at width 128, falling with the root of the width | Yang et al. 2021 have the width itself; the root and the constant: `docs/train.md` |
//! | Muon | learning rate 0.02, momentum 0.95 | Jordan et al. 2024 |
//! | batch | 32 sequences; 16, 8 or 4 if there would be fewer than 1,000 steps | `docs/train.md` |
//! | schedule | 2 % warm-up; `llama`: stable, the last 30 % down to zero; `nano`: the last 50 % | Hu et al. 2024, "MiniCPM"; modded-nanogpt |
//! | z-loss | 1e-4 | Chowdhery et al. 2022, "PaLM" |
//! | first weights | normal, of variance 1 / inputs; matrices that write to the residual stream divided by the root of twice the depth (`llama`), or zero (`nano`); embeddings 0.02 | Radford et al. 2019; Zhang et al. 2019, "Fixup" |

use crate::config::{
    BatchConfig, Config, Decay, ModelConfig, OptimiserConfig, Preset, ScheduleConfig, Settings,
    WatchConfig,
};
use crate::model::Layout;

/// What is known when settings are completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// How many tokens the tokenizer has.
    pub vocabulary: usize,
    /// How many steps there is time for.
    pub steps: u64,
    /// How many tokens there are to learn from.
    pub tokens: u64,
    /// The depth that suits the time; see [`depth_for`].
    pub depth: Option<usize>,
}

/// The deepest that a budget gives; beyond, a person says what they want.
const DEEPEST: usize = 32;

/// How many sequences a batch has if there is time enough.
const LARGEST_BATCH: usize = 32;

/// With fewer steps a smaller batch learns more from the same text.
const ENOUGH_STEPS: f64 = 1000.0;

/// Fills in what was not said.
pub fn complete(settings: &Settings, given: &Given) -> Config {
    let preset = settings.preset.unwrap_or_default();
    let model = model(settings, preset, given);
    let said = &settings.batch;
    let sequences = said.sequences.unwrap_or(LARGEST_BATCH);
    let batch = BatchConfig {
        sequences,
        at_a_time: said.at_a_time.unwrap_or_else(|| at_a_time(sequences, model.context)),
    };
    let said = &settings.schedule;
    let steps = said.steps.unwrap_or(given.steps.max(1));
    let schedule = ScheduleConfig {
        steps,
        warmup: said.warmup.unwrap_or((steps / 50).max(1)),
        shape: said.shape.unwrap_or(Decay::WarmupStableDecay),
        decay_share: said.decay_share.unwrap_or(if preset == Preset::Nano { 0.5 } else { 0.3 }),
    };
    let optimiser = optimiser(settings, preset, &model);
    let said = &settings.watch;
    let tenth = (steps / 10).max(1);
    let watch = WatchConfig {
        evaluate_every: said.evaluate_every.unwrap_or(tenth),
        sample_every: said.sample_every.unwrap_or(tenth),
        checkpoint_every: said.checkpoint_every.unwrap_or(tenth),
        held_out: said.held_out.unwrap_or(0.02),
        held_out_tokens: said.held_out_tokens.unwrap_or(1 << 16),
        prompts: said.prompts.clone().unwrap_or_default(),
    };
    Config { preset, seed: settings.seed.unwrap_or(1), model, batch, schedule, optimiser, watch }
}

/// How many sequences a batch has, if there is time for so many in all: 32, or fewer if there would
/// be too few steps to learn much.
pub fn batch_for(sequences: f64) -> usize {
    [LARGEST_BATCH, 16, 8].into_iter().find(|&n| sequences / n as f64 >= ENOUGH_STEPS).unwrap_or(4)
}

/// As many sequences as make 2,048 rows, whose activations fit a cache, among those that divide the
/// batch.
fn at_a_time(sequences: usize, context: usize) -> usize {
    let most = (2048 / context.max(1)).clamp(1, sequences.max(1));
    (1..=most).rev().find(|&n| sequences.is_multiple_of(n)).unwrap_or(1)
}

fn model(settings: &Settings, preset: Preset, given: &Given) -> ModelConfig {
    let said = &settings.model;
    let depth = said.depth.or(given.depth).unwrap_or(3);
    let width = said.width.unwrap_or(64 * depth);
    let head_dim = said.head_dim.unwrap_or(if width.is_multiple_of(64) { 64 } else { 32 });
    let n_heads = said.n_heads.unwrap_or((width / head_dim.max(1)).max(1));
    let feed_forward = match preset {
        Preset::Llama => (8 * width / 3).next_multiple_of(32),
        Preset::Nano => 4 * width,
    };
    ModelConfig {
        depth,
        width,
        n_heads,
        n_kv_heads: said.n_kv_heads.unwrap_or(n_heads),
        head_dim,
        feed_forward: said.feed_forward.unwrap_or(feed_forward),
        context: said.context.unwrap_or(256),
        vocabulary: said.vocabulary.unwrap_or(given.vocabulary),
        rope_base: said.rope_base.unwrap_or(10_000.0),
        norm_eps: said.norm_eps.unwrap_or(1e-5),
    }
}

fn optimiser(settings: &Settings, preset: Preset, model: &ModelConfig) -> OptimiserConfig {
    let said = &settings.optimiser;
    let by_width = 0.006 * (128.0 / model.width.max(1) as f64).sqrt();
    OptimiserConfig {
        learning_rate: said.learning_rate.unwrap_or(by_width),
        muon_learning_rate: said.muon_learning_rate.unwrap_or(0.02),
        beta1: said.beta1.unwrap_or(0.9),
        beta2: said.beta2.unwrap_or(0.95),
        weight_decay: said.weight_decay.unwrap_or(if preset == Preset::Nano { 0.01 } else { 0.1 }),
        clip: said.clip.unwrap_or(1.0),
        z_loss: said.z_loss.unwrap_or(1e-4),
        dropout: said.dropout.unwrap_or(0.0),
        average: said.average.unwrap_or(0.0),
    }
}

/// How many floating-point operations a token costs in training.
pub fn flops_per_token(config: &Config) -> f64 {
    let model = &config.model;
    let in_products = Layout::new(config.preset, model).n_in_products() as f64;
    let attention = model.depth * model.context * model.n_heads * model.head_dim;
    6.0 * in_products + 6.0 * attention as f64
}

/// The depth that suits a time, with settings that do not say one: `flops` is what the machine does
/// in it.
pub fn depth_for(settings: &Settings, given: &Given, flops: f64) -> usize {
    if let Some(depth) = settings.model.depth {
        return depth;
    }
    let distance = |depth: usize| {
        let given = Given { depth: Some(depth), ..given.clone() };
        let config = complete(settings, &given);
        let weights = Layout::new(config.preset, &config.model).n_in_products() as f64;
        let fresh = 4.0 * given.tokens as f64;
        let tokens = (flops / flops_per_token(&config)).min(fresh.max(1.0));
        (tokens / weights / 20.0).ln().abs()
    };
    (1..=DEEPEST).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_gives_a_deeper_model() {
        let given = Given { vocabulary: 4096, steps: 1, tokens: 10_000_000_000, depth: None };
        let depths: Vec<usize> = [1e12, 1e13, 1e14, 1e16, 1e18]
            .map(|flops| depth_for(&Settings::default(), &given, flops))
            .to_vec();
        assert!(depths.is_sorted(), "{depths:?}");
        assert!(depths[0] <= 2 && depths[2] < depths[3] && depths[3] < depths[4], "{depths:?}");
        // Twenty tokens for each weight, as near as a whole depth comes.
        for (depth, flops) in [(depths[2], 1e14), (depths[3], 1e16)] {
            let given = Given { depth: Some(depth), ..given.clone() };
            let config = complete(&Settings::default(), &given);
            let weights = Layout::new(config.preset, &config.model).n_in_products() as f64;
            let ratio = flops / flops_per_token(&config) / weights;
            assert!((8.0..50.0).contains(&ratio), "{depth} {ratio}");
        }
    }

    #[test]
    fn little_text_asks_for_a_smaller_model() {
        let depth = |tokens| {
            let given = Given { vocabulary: 2048, steps: 1, tokens, depth: None };
            depth_for(&Settings::default(), &given, 1e15)
        };
        assert!(depth(500_000) < depth(1_000_000_000));
    }

    #[test]
    fn little_time_asks_for_smaller_batches() {
        let batches = [1e6, 32_000.0, 31_999.0, 9000.0, 10.0].map(batch_for);
        assert_eq!(batches, [32, 32, 16, 8, 4]);
    }

    #[test]
    fn as_many_sequences_at_a_time_as_divide_the_batch() {
        assert_eq!(at_a_time(32, 256), 8);
        assert_eq!(at_a_time(6, 256), 6);
        assert_eq!(at_a_time(9, 256), 3);
        assert_eq!(at_a_time(7, 512), 1);
        assert_eq!(at_a_time(4, 100_000), 1);
    }
}
