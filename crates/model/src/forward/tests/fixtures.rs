//! Tiny random models of every architecture with the numbers that transformers gives them.

use std::fs;
use std::path::{Path, PathBuf};

use mynah_kernels::CacheFormat;
use serde_json::Value;

use super::Bench;
use crate::architecture::Pooling;
use crate::checkpoint::{Checkpoint, Metadata};
use crate::huggingface::{self, Folder};
use crate::reference::Reference;
use crate::safetensors;

/// How far a number may be from that of transformers, which computes in single precision.
const TOLERANCE: f64 = 1e-3;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.json").is_file())
        .collect();
    folders.sort();
    assert!(folders.len() >= 30, "only {} fixtures", folders.len());
    folders
}

/// Calls `test(name, checkpoint, expected)` for every fixture.
fn for_each(test: impl Fn(&str, &Checkpoint<'_>, &Value)) {
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let config = fs::read(folder.join("config.json")).unwrap();
        let weights = fs::read(folder.join("model.safetensors")).unwrap();
        let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
        let checkpoint = huggingface::checkpoint(Folder {
            name,
            config: &config,
            generation_config: None,
            pooling_config: None,
            tokenizer_metadata: Metadata::new(),
            tensors: safetensors::read(&[("model.safetensors", &weights)], None).unwrap(),
        })
        .unwrap();
        test(name, &checkpoint, &serde_json::from_str(&expected).unwrap());
    }
}

fn tokens(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// The largest distance of `got` from as many expected numbers as there are.
fn distance<'a>(got: impl IntoIterator<Item = &'a f64>, expected: &Value) -> f64 {
    let expected = expected.as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
    got.into_iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// The largest distance of some rows from the expected beginnings of them.
fn distance_of_rows(rows: &[Vec<f64>], expected: &Value) -> f64 {
    let expected = expected.as_array().unwrap();
    assert_eq!(rows.len(), expected.len());
    rows.iter().zip(expected).map(|(row, expected)| distance(row, expected)).fold(0.0, f64::max)
}

fn wide(rows: &[Vec<f32>]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

/// How far the logits of a decoder are from the expected.
fn distance_of_logits(logits: &[Vec<f64>], expected: &Value) -> f64 {
    let last = logits.last().unwrap();
    assert_eq!(last.len(), expected["logits_last"].as_array().unwrap().len());
    distance(last, &expected["logits_last"])
        .max(distance_of_rows(logits, &expected["logits_first8"]))
}

#[test]
fn the_reference_agrees_with_transformers() {
    for_each(|name, checkpoint, expected| {
        let distance = if let Some(sequences) = expected.get("sequences") {
            let model = Reference::load(checkpoint, None);
            let of_one = |expected: &Value| {
                let hidden = model.hidden(&tokens(&expected["input_ids"]));
                distance_of_rows(&hidden, &expected["hidden_first8"])
                    .max(distance(&hidden[0], &expected["first"]))
            };
            sequences.as_array().unwrap().iter().map(of_one).fold(0.0, f64::max)
        } else {
            let tokens = tokens(&expected["input_ids"]);
            let model = Reference::load(checkpoint, Some(tokens.len()));
            distance_of_logits(&model.logits(&tokens), expected)
        };
        assert!(distance < TOLERANCE / 10.0, "{name}: {distance}");
    });
}

#[test]
fn the_pass_agrees_with_transformers() {
    for_each(|name, checkpoint, expected| {
        if expected.get("sequences").is_some() {
            return;
        }
        let tokens = tokens(&expected["input_ids"]);
        let mut bench = Bench::with_context(checkpoint, 2, CacheFormat::F32, Some(tokens.len()));
        let distance = distance_of_logits(&wide(&bench.at_once(&tokens)), expected);
        assert!(distance < TOLERANCE, "{name}: {distance}");
    });
}

#[test]
fn embeddings_agree_with_transformers() {
    for_each(|name, checkpoint, expected| {
        let Some(sequences) = expected.get("sequences") else { return };
        let sequences = sequences.as_array().unwrap();
        let texts: Vec<Vec<u32>> = sequences.iter().map(|s| tokens(&s["input_ids"])).collect();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let mut bench = Bench::new(checkpoint, 2, CacheFormat::F16);
        let dim = bench.model.architecture().dim;
        let mut encode = |pooling| {
            let encoded = bench.model.encode(&mut bench.pool, &texts, pooling, &mut bench.scratch);
            wide(&encoded.unwrap().chunks_exact(dim).map(<[f32]>::to_vec).collect::<Vec<_>>())
        };
        let (hidden, means, firsts) =
            (encode(Pooling::None), encode(Pooling::Mean), encode(Pooling::First));
        let mut rest = &hidden[..];
        for (i, expected) in sequences.iter().enumerate() {
            let (of_text, after) = rest.split_at(texts[i].len());
            rest = after;
            let mut worst = distance_of_rows(of_text, &expected["hidden_first8"]);
            for (pooled, expected) in [(&means[i], "mean"), (&firsts[i], "first")]
                .map(|(pooled, key)| (pooled, &expected[key]))
            {
                // transformers' are not of length 1.
                let length = length_of(expected);
                let scaled: Vec<f64> = pooled.iter().map(|x| x * length).collect();
                worst = worst.max(distance(&scaled, expected));
            }
            assert!(worst < TOLERANCE / 10.0, "{name}, text {i}: {worst}");
        }
    });
}

/// The length of a vector.
fn length_of(vector: &Value) -> f64 {
    let squares = vector.as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2));
    squares.sum::<f64>().sqrt()
}
