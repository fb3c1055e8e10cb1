//! What adapters add, against the reference with the adapter merged into the weights.

use mynah_kernels::format::Format;
use mynah_kernels::{CacheFormat, PAGE};

use super::{Bench, Row, Sequence, rows_of};
use crate::architecture::Architecture;
use crate::checkpoint::{Checkpoint, Metadata, Value};
use crate::forward::{Adapter, AdapterError, BatchError};
use crate::reference::Reference;
use crate::testing::{N_VOCAB, Random, Tiny, tensor, tiny};
use crate::vector::decode;

const RANK: usize = 3;
const ALPHA: f32 = 6.0;

fn text() -> Vec<u32> {
    (0..20).map(|i| (i * 37 + 5) % N_VOCAB as u32).collect()
}

fn facts(architecture: &'static str) -> Metadata {
    Metadata::from([
        ("general.type", Value::from("adapter")),
        ("general.architecture", Value::from(architecture)),
        ("adapter.type", Value::from("lora")),
        ("adapter.lora.alpha", Value::F32(ALPHA)),
    ])
}

/// A random adapter of every matrix that can be adapted, and the model with it merged.
fn adapter(name: &'static str, seed: u64) -> (Checkpoint<'static>, Tiny) {
    let mut random = Random(seed);
    let mut merged = tiny(name);
    let mut adapter = Checkpoint { metadata: facts(name), ..Checkpoint::default() };
    let names: Vec<String> = merged.checkpoint.tensors.keys().cloned().collect();
    for name in names {
        let of = &merged.checkpoint.tensors[&name];
        let &[inputs, outputs] = of.shape.as_slice() else { continue };
        let parts =
            ["attn_q.", "attn_k.", "attn_v.", "attn_qkv.", "attn_output.", "ffn", "output."];
        if !parts.iter().any(|part| name.contains(part)) {
            continue;
        }
        let mut numbers =
            |n: usize| -> Vec<f32> { (0..n).map(|_| 0.2 * random.number()).collect() };
        let (a, b) = (numbers(RANK * inputs), numbers(outputs * RANK));
        let mut weights = decode(of.format, &of.bytes());
        for (row, b) in weights.chunks_exact_mut(inputs).zip(b.chunks_exact(RANK)) {
            for (b, a) in b.iter().zip(a.chunks_exact(inputs)) {
                row.iter_mut().zip(a).for_each(|(w, a)| *w += ALPHA / RANK as f32 * b * a);
            }
        }
        merged.put(&name, &[inputs, outputs], &weights);
        adapter.tensors.insert(format!("{name}.lora_a"), tensor(&[inputs, RANK], &a));
        adapter.tensors.insert(format!("{name}.lora_b"), tensor(&[RANK, outputs], &b));
    }
    (adapter, merged)
}

fn load(file: &Checkpoint<'_>, model: &Tiny) -> Result<Adapter, AdapterError> {
    Adapter::load(file, &Architecture::read(&model.checkpoint, None).unwrap(), 1.0)
}

#[test]
fn an_adapter_is_as_good_as_merged() {
    for name in ["llama", "phi3", "phi2", "gemma2", "olmo2", "gpt2"] {
        let (file, merged) = adapter(name, 3);
        let model = tiny(name);
        let adapter = load(&file, &model).unwrap();
        let expected = Reference::load(&merged.checkpoint, None).logits(&text());
        let without = Reference::load(&model.checkpoint, None).logits(&text());
        let mut bench = Bench::new(&model.checkpoint, 2, CacheFormat::F32);
        let sequence = Sequence { pages: &[0, 1], adapter: Some(&adapter) };
        let got = bench.forward(&rows_of(&text(), 0, 0, |_| true), &[sequence]);
        let distance = |expected: &[Vec<f64>]| {
            let pairs = got.iter().flatten().zip(expected.iter().flatten());
            pairs.map(|(x, y)| (f64::from(*x) - y).abs()).fold(0.0, f64::max)
        };
        assert!(distance(&expected) < 1e-4, "{name}: {}", distance(&expected));
        assert!(distance(&without) > 0.1, "{name}: the adapter does nothing");
    }
}

#[test]
fn each_row_has_its_own_adapter() {
    let mut model = tiny("qwen2");
    model.quantize(Format::Q8_0);
    let adapters = [1, 2].map(|seed| load(&adapter("qwen2", seed).0, &model).unwrap());
    let choice = [None, Some(&adapters[0]), Some(&adapters[1]), Some(&adapters[0])];
    let mut bench = Bench::new(&model.checkpoint, 2, CacheFormat::F16);
    let n_pages = text().len().div_ceil(PAGE) as u32;
    let pages: Vec<Vec<u32>> = (0..4).map(|i| (i * n_pages..(i + 1) * n_pages).collect()).collect();
    let sequences: Vec<Sequence<'_>> =
        pages.iter().zip(choice).map(|(pages, adapter)| Sequence { pages, adapter }).collect();
    let wants = |position: usize| position % 3 == 1;
    let rows: Vec<Row> = (0..4).flat_map(|i| rows_of(&text(), 0, i, wants)).collect();
    let together = bench.forward(&rows, &sequences);
    let each: Vec<Vec<f32>> =
        (0..4).flat_map(|i| bench.forward(&rows_of(&text(), 0, i, wants), &sequences)).collect();
    assert!(together == each);
    let n = together.len() / 4;
    assert!(together[n..2 * n] == together[3 * n..], "the same adapter");
    assert!(together[..n] != together[n..2 * n] && together[n..2 * n] != together[2 * n..3 * n]);
}

#[test]
fn a_bad_adapter_is_refused() {
    let model = tiny("llama");
    let refused = |change: &dyn Fn(&mut Checkpoint<'static>)| {
        let (mut file, _) = adapter("llama", 1);
        change(&mut file);
        load(&file, &model).unwrap_err().to_string()
    };
    let query = "blk.0.attn_q.weight.lora_a";
    assert_eq!(
        refused(&|file| file.metadata = facts("gemma")),
        "`general.architecture` is gemma, expected llama"
    );
    assert_eq!(
        refused(&|file| drop(file.metadata.remove("adapter.lora.alpha"))),
        "the model does not say `adapter.lora.alpha`"
    );
    assert_eq!(
        refused(&|file| drop(file.tensors.remove("blk.0.attn_q.weight.lora_b"))),
        "the model has no tensor `blk.0.attn_q.weight.lora_b`"
    );
    assert_eq!(
        refused(&|file| drop(file.tensors.remove(query))),
        "tensor `blk.0.attn_q.weight.lora_b` adapts nothing that can be adapted in this model"
    );
    assert_eq!(
        refused(&|file| drop(file.tensors.insert(query.into(), tensor(&[65, 3], &[0.0; 195])))),
        "tensor `blk.0.attn_q.weight.lora_a` has the shape [65, 3], expected [64, 3]"
    );
    assert_eq!(
        refused(&|file| drop(file.tensors.insert(query.into(), tensor(&[], &[0.0])))),
        "tensor `blk.0.attn_q.weight.lora_a` has the shape [], expected [64, 1]"
    );
    assert_eq!(
        refused(&|file| drop(
            file.tensors.insert(query.into(), tensor(&[64, 3], &[f32::NAN; 192]))
        )),
        "tensor `blk.0.attn_q.weight.lora_a` holds a number that is not finite"
    );
    let norm = "blk.0.attn_norm.weight.lora_a";
    assert_eq!(
        refused(&|file| drop(file.tensors.insert(norm.into(), tensor(&[64, 3], &[0.0; 192])))),
        "tensor `blk.0.attn_norm.weight.lora_a` adapts nothing that can be adapted in this model"
    );
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let other = tiny("qwen2");
    let foreign = load(&adapter("qwen2", 1).0, &other).unwrap();
    let mut model = tiny("llama");
    model.set("block_count", 3u32);
    model.checkpoint.tensors.retain(|name, _| !name.starts_with("blk.3."));
    let mut bench = Bench::new(&model.checkpoint, 1, CacheFormat::F16);
    let sequences = [Sequence { pages: &[0], adapter: Some(&foreign) }];
    let rows = rows_of(&[1], 0, 0, |_| true);
    let batch = crate::forward::Batch { rows: &rows, sequences: &sequences };
    let said = bench.model.forward(&mut bench.pool, batch, &mut bench.cache, &mut bench.scratch);
    assert_eq!(said.unwrap_err(), BatchError::Adapter { sequence: 0 });
}
