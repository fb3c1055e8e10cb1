//! What is read from metadata, and that nothing in a file makes reading panic.

use mynah_kernels::{CacheFormat, Isa, Pool};

use super::*;
use crate::checkpoint::{Checkpoint, Value};
use crate::forward::{Batch, KvCache, LoadOptions, Model, Row, Scratch, Sequence};
use crate::reference::DensePacker;
use crate::testing::{Tiny, tiny};
use crate::weights::{Weights, WeightsError};

fn read(tiny: &Tiny) -> Result<Architecture, ArchitectureError> {
    Architecture::read(&tiny.checkpoint, None)
}

fn load(checkpoint: &Checkpoint<'_>) -> Result<(), String> {
    let architecture = Architecture::read(checkpoint, None).map_err(|e| e.to_string())?;
    let loaded = Weights::load(checkpoint, &architecture, &mut DensePacker);
    loaded.map(|_| ()).map_err(|e: WeightsError| e.to_string())
}

/// Loads a model for good and, if that goes well, continues or embeds a text.
fn run(model: &Tiny) {
    let mut pool = Pool::new(1);
    let options = LoadOptions::default();
    let loaded = Model::load(&model.checkpoint, &mut pool, Isa::detect(), options, &mut |_| {});
    let Ok(model) = loaded else { return };
    let mut scratch = Scratch::new();
    let _ = model.encode(&mut pool, &[&[1, 2, 3]], Pooling::Mean, &mut scratch);
    let mut cache = KvCache::new(model.architecture(), CacheFormat::F16, 1);
    let row = |position| Row { token: 5, position, sequence: 0, wants_logits: true };
    let sequences = [Sequence { pages: &[0], adapter: None }];
    let batch = Batch { rows: &[row(0), row(1), row(2)], sequences: &sequences };
    let _ = model.forward(&mut pool, batch, &mut cache, &mut scratch);
}

#[test]
fn every_architecture_of_the_table_loads() {
    for name in known_names() {
        assert_eq!(load(&tiny(name).checkpoint), Ok(()), "{name}");
    }
}

#[test]
fn an_unknown_architecture_is_told_from_those_there_are() {
    let mut model = tiny("llama");
    model.checkpoint.metadata.insert("general.architecture".into(), "mamba".into());
    let said = read(&model).unwrap_err().to_string();
    assert!(said.starts_with("architecture `mamba` is not one of: llama, falcon, "), "{said}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_bad_fact_is_named_with_what_was_expected() {
    let check = |architecture, key: &str, value: Value, expected: &str| {
        let mut model = tiny(architecture);
        model.set(key, value);
        assert_eq!(load(&model.checkpoint).unwrap_err(), expected);
    };
    let u32 = Value::U32;
    check(
        "llama",
        "block_count",
        u32(u32::MAX),
        "`llama.block_count` is 4294967295, expected no more than there are tensors",
    );
    check("llama", "block_count", u32(0), "`llama.block_count` is 0, expected at least 1");
    check("llama", "block_count", u32(5), "the model has no tensor `blk.4.attn_norm.weight`");
    check(
        "llama",
        "block_count",
        u32(3),
        "tensor `blk.3.attn_k.weight` has no place in architecture `llama`",
    );
    check(
        "llama",
        "embedding_length",
        u32(65),
        "tensor `token_embd.weight` has the shape [64, 90], expected [65, 90]",
    );
    check(
        "llama",
        "attention.head_count",
        u32(0),
        "`llama.attention.head_count` is [0, 0, 0, 0], expected one size of at least 1 for all layers",
    );
    check(
        "llama",
        "attention.head_count_kv",
        u32(4),
        "`llama.attention.head_count_kv` is 4, expected a divisor of the 6 query heads",
    );
    check(
        "llama",
        "attention.key_length",
        u32(u32::MAX),
        "`llama.attention.value_length` is 16, expected the width of a key, 4294967295",
    );
    check(
        "llama",
        "attention.layer_norm_rms_epsilon",
        Value::F32(f32::NAN),
        "`llama.attention.layer_norm_rms_epsilon` is NaN, which is not a finite number",
    );
    check(
        "llama",
        "rope.dimension_count",
        u32(15),
        "`llama.rope.dimension_count` is 15, expected an even number up to the head's width 16",
    );
    check(
        "llama",
        "rope.freq_base",
        Value::F32(-1.0),
        "`llama.rope.freq_base` is -1, expected a finite number above 0",
    );
    check(
        "llama",
        "rope.scaling.type",
        "dynamic".into(),
        "`llama.rope.scaling.type` is dynamic, expected none, linear, yarn or longrope",
    );
    check(
        "llama",
        "feed_forward_length",
        u32(1 << 31),
        "tensor `blk.0.ffn_up.weight` has the shape [64, 96], expected [64, 2147483648]",
    );
    check(
        "llama",
        "hidden_activation",
        "mish".into(),
        "`llama.hidden_activation` is mish, expected silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2",
    );
    check("llama", "expert_count", u32(8), "the model has no tensor `blk.0.ffn_gate_inp.weight`");
    check(
        "qwen3moe",
        "expert_count",
        u32(u32::MAX),
        "tensor `blk.0.ffn_gate_inp.weight` has the shape [64, 5], expected [64, 4294967295]",
    );
    check(
        "qwen3moe",
        "expert_used_count",
        u32(6),
        "`qwen3moe.expert_used_count` is 6, expected at most 5",
    );
    check(
        "qwen2moe",
        "expert_gating_func",
        u32(2),
        "`qwen2moe.expert_gating_func` is 2, expected 1, softmax",
    );
    check(
        "gpt2",
        "context_length",
        u32(81),
        "tensor `position_embd.weight` has the shape [64, 80], expected [64, 81]",
    );
    check(
        "bert",
        "pooling_type",
        u32(4),
        "`bert.pooling_type` is 4, expected 0 (none), 1 (mean), 2 (first) or 3 (last)",
    );
    check(
        "gemma3",
        "attention.sliding_window_pattern",
        Value::Bools(vec![true; 3]),
        "`gemma3.attention.sliding_window_pattern` has 3 entries, expected 4",
    );
}

#[test]
fn a_number_that_is_not_finite_is_refused() {
    let mut model = tiny("llama");
    model.put("output_norm.weight", &[64], &[f32::NAN; 64]);
    assert_eq!(
        load(&model.checkpoint).unwrap_err(),
        "tensor `output_norm.weight` holds a number that is not finite, at 0"
    );
    let mut model = tiny("llama");
    model.put("blk.2.attn_q.weight", &[64, 96], &vec![f32::INFINITY; 64 * 96]);
    assert_eq!(
        load(&model.checkpoint).unwrap_err(),
        "tensor `blk.2.attn_q.weight` holds a scale that is not finite"
    );
}

#[test]
fn every_tensor_is_needed() {
    for name in known_names() {
        let names: Vec<String> = tiny(name).checkpoint.tensors.into_keys().collect();
        for tensor in names {
            // These may be absent: the token embedding serves as output, the sum goes without
            // token types, a bias is left out, a block is parallel or a layer dense.
            let optional =
                ["output.", "token_types", "ffn_norm", "ffn_gate_inp", "q_norm", "k_norm"];
            let bias = tensor.ends_with("bias") && !matches!(name, "gpt2" | "phi2");
            if bias || optional.iter().any(|part| tensor.contains(part)) {
                continue;
            }
            let mut model = tiny(name);
            model.checkpoint.tensors.remove(&tensor);
            let said = load(&model.checkpoint).unwrap_err();
            // A file without the fused tensor might have had the single ones.
            let tensor = tensor.replace("attn_qkv", "attn_q");
            let expected = format!("the model has no tensor `{tensor}`");
            assert_eq!(said, expected, "{name}");
        }
    }
}

/// Replaces every fact by every kind of nonsense, drops and reshapes every tensor.
#[test]
fn nothing_in_a_file_makes_reading_panic() {
    let nonsense = [
        Value::U32(0),
        Value::U32(1),
        Value::U32(3),
        Value::U32(u32::MAX),
        Value::U64(u64::MAX),
        Value::I32(-1),
        Value::F32(f32::NAN),
        Value::F32(0.0),
        Value::F32(f32::MAX),
        Value::F32(f32::MIN_POSITIVE),
        Value::Bool(true),
        Value::from("yarn"),
        Value::U32s(vec![]),
        Value::U32s(vec![u32::MAX; 4]),
        Value::F32s(vec![f32::NAN; 4]),
        Value::Bools(vec![true; 4]),
    ];
    let more_keys = [
        "rope.dimension_count",
        "rope.freq_base",
        "rope.freq_base_swa",
        "rope.scaling.type",
        "rope.scaling.factor",
        "rope.scaling.attn_factor",
        "rope.scaling.original_context_length",
        "rope.scaling.yarn_beta_fast",
        "rope.scaling.yarn_beta_slow",
        "rope.scaling.yarn_ext_factor",
        "rope.scaling.yarn_log_multiplier",
        "attention.scale",
        "attention.causal",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "attention.rope_pattern",
        "expert_count",
        "expert_used_count",
        "pooling_type",
    ];
    for name in known_names() {
        let mut model = tiny(name);
        let expected = read(&model).unwrap();
        let facts = model.checkpoint.metadata.clone();
        let more = more_keys.iter().map(|key| format!("{name}.{key}"));
        for key in facts.keys().cloned().chain(more) {
            for value in &nonsense {
                if let Value::String(_) = value {
                    model.set("rope.scaling.factor", 4.0);
                }
                model.checkpoint.metadata.insert(key.clone(), value.clone());
                // What is read differently is also run.
                if read(&model).is_ok_and(|architecture| architecture != expected) {
                    run(&model);
                }
                model.checkpoint.metadata = facts.clone();
            }
        }
        let names: Vec<String> = model.checkpoint.tensors.keys().cloned().collect();
        for name in names {
            let Some(tensor) = model.checkpoint.tensors.remove(&name) else { continue };
            for shape in [vec![], vec![0], vec![64], vec![1, 1], vec![0, 0, 0], vec![90, 64]] {
                let numbers = vec![0.5; shape.iter().product()];
                model.put(&name, &shape, &numbers);
                run(&model);
            }
            model.checkpoint.tensors.insert(name, tensor);
        }
    }
}

#[test]
fn windows_follow_their_pattern() {
    let windows = |model: &Tiny| -> Vec<bool> {
        read(model).unwrap().layers.iter().map(|layer| layer.window.is_some()).collect()
    };
    assert_eq!(windows(&tiny("llama")), [false; 4]);
    assert_eq!(windows(tiny("llama").set("attention.sliding_window", 9u32)), [true; 4]);
    assert_eq!(windows(tiny("llama").set("attention.sliding_window", 0u32)), [false; 4]);
    assert_eq!(windows(&tiny("gemma2")), [true, false, true, false]);
    assert_eq!(windows(&tiny("olmo2")), [true, true, true, false]);
    let pattern = Value::Bools(vec![false, true, false, true]);
    assert_eq!(
        windows(tiny("gemma2").set("attention.sliding_window_pattern", pattern)),
        [false, true, false, true]
    );
    let gemma3 = tiny("gemma3");
    assert_eq!(windows(&gemma3), [true; 4], "the sixth would see everything");
    let read = read(&gemma3).unwrap();
    assert_eq!(read.layers[0].rope, Some(1), "sliding layers turn by themselves");
    assert_eq!(read.ropes.len(), 2);
}

#[test]
fn smollm3_leaves_every_fourth_layer_without_positions() {
    let turns = |model: &Tiny| -> Vec<bool> {
        read(model).unwrap().layers.iter().map(|layer| layer.rope.is_some()).collect()
    };
    assert_eq!(turns(&tiny("smollm3")), [true, true, true, false]);
    let pattern = Value::U32s(vec![0, 1, 1, 1]);
    assert_eq!(
        turns(tiny("smollm3").set("attention.rope_pattern", pattern)),
        [false, true, true, true]
    );
}
