//! Published sums, made again.

use super::*;

fn run(shape: Shape, tokens: f64, name: &str, n: f64) -> Run {
    let device = device(name).unwrap();
    Run { shape, tokens, peak: n * device.peak, utilisation: device.utilisation }
}

fn check(what: &str, got: f64, expected: f64, within: f64) {
    let off = (got / expected - 1.0).abs();
    assert!(off <= within, "{what}: {got:.4e} and not {expected:.4e}");
}

/// Abdin et al. 2023, "Phi-2: The surprising power of small language models" (Microsoft Research):
/// 2.7 billion parameters, 1.4 trillion tokens, 96 A100s for 14 days. Its shape: the model's
/// config.json (32 layers, 2560 wide, 51,200 tokens, 2048 of context).
#[test]
fn phi_2_took_96_a100_for_14_days_and_cost_about_35_000_dollars() {
    let phi = run(Shape::classic(32, 2560, 51_200, 2048), 1.4e12, "a100", 96.0);
    check("parameters", phi.shape.parameters() as f64, 2.78e9, 0.01);
    let gpu_hours = 96.0 * 14.0 * 24.0;
    let price = device("a100").unwrap().price.unwrap();
    check("dollars", gpu_hours * price, 35_000.0, 0.02);
    // Fourteen days mean a utilisation that is high and possible; at the usual one it takes longer.
    let needed = phi.utilisation_for(14.0 * 24.0);
    assert!((0.55..0.75).contains(&needed), "{needed}");
    let at_that = Run { utilisation: needed, ..phi };
    check("days", at_that.hours() / 24.0, 14.0, 1e-9);
    check("days at the usual utilisation", phi.hours() / 24.0, 14.0, 0.55);
}

/// Karpathy 2025, nanochat's speedrun (README and discussion 1): depth 20, 1280 wide, 65,536 tokens,
/// 561 million parameters, 11.2 billion tokens, 4e19 operations, about 3 of the 4 hours on 8 H100s
/// at 24 dollars an hour.
#[test]
fn nanochats_speedrun_is_reproduced() {
    let nano = run(Shape::classic(20, 1280, 65_536, 2048), 11.2e9, "h100", 8.0);
    check("parameters", nano.shape.parameters() as f64, 561e6, 0.005);
    check("operations", nano.operations(), 4e19, 0.05);
    assert!((2.5..3.6).contains(&nano.hours()), "{}", nano.hours());
    let price = 8.0 * device("h100").unwrap().price.unwrap();
    check("dollars an hour", price, 24.0, 1e-9);
    assert!(nano.hours() * price < 100.0);
}

/// Touvron et al. 2023, "Llama 2: Open Foundation and Fine-Tuned Chat Models", table 2: 7B took
/// 184,320 GPU hours on A100-80GB; 2 trillion tokens, context 4096. Shape: 32 layers, 4096 wide,
/// feed-forward 11,008 with a gate, 32,000 tokens.
#[test]
fn llama_2_7b_took_184_320_hours() {
    let (dim, ffn) = (4096, 11_008);
    let layer = 4 * dim * dim + 3 * dim * ffn;
    let shape = Shape { n_layers: 32, dim, layer, n_vocab: 32_000, head: Head::Own, context: 4096 };
    let llama = run(shape, 2e12, "a100", 1.0);
    check("parameters", llama.shape.parameters() as f64, 6.74e9, 0.002);
    check("GPU hours", llama.hours(), 184_320.0, 0.05);
}

/// Brown et al. 2020, "Language Models are Few-Shot Learners", table D.1: 174.6 billion parameters,
/// 300 billion tokens, 3.14e23 operations, 3,640 petaFLOP/s-days. Narayanan et al. 2021, "Efficient
/// Large-Scale Language Model Training on GPU Clusters", 5.1: 34 days on 1024 A100s at 140 teraFLOP/s
/// each, of which a quarter recomputes.
#[test]
fn gpt_3_took_3640_petaflop_days() {
    let gpt = run(Shape::classic(96, 12_288, 50_257, 2048), 300e9, "a100", 1024.0);
    check("parameters", gpt.shape.multiplied() as f64, 174.6e9, 0.003);
    // Their sum leaves attention out, which is 3 % here.
    check("operations", gpt.operations(), 3.14e23, 0.04);
    check("petaFLOP/s-days", gpt.operations() / 1e15 / 86_400.0, 3640.0, 0.04);
    let utilisation = 140e12 * 0.75 / device("a100").unwrap().peak;
    check("days", Run { utilisation, ..gpt }.hours() / 24.0, 34.0, 0.05);
}

/// Hoffmann et al. 2022: Gopher's budget of 5.76e23 operations suits 70 billion parameters and 1.4
/// trillion tokens.
#[test]
fn chinchilla_is_the_optimum_for_gophers_budget() {
    let best = CHINCHILLA.optimum(5.76e23);
    check("parameters", best.parameters, 70e9, 0.15);
    check("tokens", best.tokens, 1.4e12, 0.15);
    // It is an optimum: a little more or less is worse.
    for factor in [0.9, 1.1] {
        assert!(CHINCHILLA.at(factor * best.parameters, 5.76e23).loss > best.loss);
    }
    // About twenty tokens for each parameter, over a wide range of budgets.
    for budget in [1e19, 1e21, 1e23] {
        let best = CHINCHILLA.optimum(budget);
        assert!((12.0..30.0).contains(&(best.tokens / best.parameters)), "{budget:e}");
    }
}

#[test]
fn memory_is_counted() {
    // Rajbhandari et al. 2020, 3.1: a model of 1.5 billion parameters needs at least 24 GB.
    let shape = Shape::classic(48, 1600, 50_257, 1024);
    let memory = Memory::of(&shape, 1, Precision::Mixed);
    check("state", memory.state as f64, 24e9, 0.10);
    assert_eq!(memory.activations, 34 * 1024 * 1600 * 48);
    assert_eq!(memory.total(), memory.state + memory.activations);
}

#[test]
fn a_size_becomes_a_shape() {
    for wanted in [5e4, 1e6, 3e7, 393e6, 7e9] {
        let shape = Shape::of_size(wanted, 8192, 1024);
        let got = (shape.n_layers * shape.layer) as f64;
        assert!((0.5..2.0).contains(&(got / wanted)), "{wanted:e}: {shape:?}");
        assert_eq!(shape.dim % 64, 0);
    }
    let d20 = Shape::of_size(393e6, 65_536, 2048);
    assert_eq!((d20.n_layers, d20.dim), (20, 1280));
}
