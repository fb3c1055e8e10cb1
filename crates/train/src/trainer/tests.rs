use super::*;
use crate::config::{Preset, Settings};
use crate::data::{Shard, ShardWriter};
use crate::rules::Given;

/// Documents that can be learnt: each counts on from where it begins.
fn counting(folder: &Path) -> Shard {
    let mut writer = ShardWriter::create(&folder.join("tokens"), 40).unwrap();
    for i in 0..60u32 {
        let document: Vec<u32> = (0..10 + i % 13).map(|k| 1 + (i * 7 + k) % 30).collect();
        writer.add(&document).unwrap();
    }
    writer.finish().unwrap()
}

fn config(preset: Preset, more: &str) -> Config {
    let text = format!(
        "preset = \"{}\"\n{more}\n[model]\ndepth = 2\nwidth = 32\nn_heads = 2\nn_kv_heads = 1\n\
         head_dim = 16\nfeed_forward = 64\ncontext = 24\n[batch]\nsequences = 4\nat_a_time = 2\n\
         [schedule]\nsteps = 40\n",
        preset.name()
    );
    let given = Given { vocabulary: 40, steps: 40, tokens: 1000, depth: None };
    Settings::parse("test", &text).unwrap().resolve(&given).unwrap()
}

fn with_material(check: impl FnOnce(&Material, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let shard = counting(folder.path());
    check(&Material { source: &shard, begins: 0, token_bytes: &[1; 40] }, folder.path());
}

fn losses(trainer: &mut Trainer, n: usize) -> Vec<f64> {
    (0..n).map(|_| trainer.step().unwrap().loss).collect()
}

#[test]
fn it_learns() {
    with_material(|material, _| {
        for preset in [Preset::Llama, Preset::Nano] {
            let config = config(preset, "");
            let mut trainer = Trainer::new(config, material, Isa::detect(), 2);
            let losses = losses(&mut trainer, 40);
            let first = losses[0];
            // A model that knows nothing: the logarithm of the number of tokens.
            assert!((first - 40f64.ln()).abs() < 0.2, "{preset:?} {first}");
            assert!(losses[39] < 0.5 * first, "{preset:?} {losses:?}");
        }
    });
}

#[test]
fn threads_and_instruction_sets_give_the_same_losses() {
    with_material(|material, _| {
        for preset in [Preset::Llama, Preset::Nano] {
            let run = |isa, n_threads| {
                let config = config(preset, "[optimiser]\ndropout = 0.1\naverage = 0.9");
                let mut trainer = Trainer::new(config, material, isa, n_threads);
                let losses = losses(&mut trainer, 6);
                (losses, trainer.weights().to_vec())
            };
            let expected = run(Isa::detect(), 1);
            assert_eq!(expected, run(Isa::detect(), 2));
            assert_eq!(expected, run(Isa::detect(), 3));
            for isa in Isa::available() {
                assert_eq!(expected, run(isa, 2), "{}", isa.name());
            }
        }
    });
}

#[test]
fn a_run_that_goes_on_gives_the_same_bits() {
    with_material(|material, folder| {
        for preset in [Preset::Llama, Preset::Nano] {
            let config = config(preset, "[optimiser]\naverage = 0.9\ndropout = 0.1");
            let new = || Trainer::new(config.clone(), material, Isa::detect(), 2);
            let mut whole = new();
            let expected = losses(&mut whole, 12);
            let path = folder.join("checkpoint");
            let mut first = new();
            assert_eq!(losses(&mut first, 5), expected[..5]);
            first.save(&path, "data").unwrap();
            losses(&mut first, 2);
            let mut second = new();
            second.restore(&path, "data", material).unwrap();
            assert_eq!(losses(&mut second, 7), expected[5..]);
            assert_eq!(second.weights(), whole.weights());
            assert!(new().restore(&path, "other", material).is_err());
        }
    });
}

#[test]
fn how_many_sequences_at_a_time_changes_no_more_than_rounding() {
    with_material(|material, _| {
        let mut other = config(Preset::Llama, "");
        let mut one = Trainer::new(other.clone(), material, Isa::detect(), 2);
        other.batch.at_a_time = 1;
        let mut two = Trainer::new(other, material, Isa::detect(), 2);
        for (a, b) in losses(&mut one, 5).into_iter().zip(losses(&mut two, 5)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    });
}

#[test]
fn what_is_no_number_stops_the_run_and_spoils_nothing() {
    with_material(|material, _| {
        let mut trainer = Trainer::new(config(Preset::Llama, ""), material, Isa::detect(), 2);
        losses(&mut trainer, 2);
        let at = trainer.weights.len() - 1;
        trainer.weights[at] = f32::NAN;
        let before = trainer.weights.clone();
        let error = trainer.step().unwrap_err();
        assert!(matches!(error, StepError::NotFinite { step: 3, .. }), "{error}");
        assert_eq!(before[..at], trainer.weights[..at]);
        assert_eq!(trainer.state().step, 2);
    });
}
