//! LoRA: what was learned on top of a model, as pairs of narrow matrices.
//!
//! Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models". The file is a GGUF
//! as llama.cpp's converter writes it: `NAME.lora_a` of shape `[in, rank]` and `NAME.lora_b` of
//! shape `[rank, out]` for each matrix NAME that was adapted, and `adapter.lora.alpha`.

use std::collections::BTreeMap;

use mynah_kernels::Matrix;
use mynah_kernels::format::{Format, dequantize};

use crate::architecture::Architecture;
use crate::checkpoint::{Checkpoint, MetadataError, Tensor, TensorError};

/// A matrix of a block that an adapter can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Key,
    Value,
    AttentionOutput,
    Gate,
    Up,
    Down,
}

const N_PLACES: usize = 7;

/// What was learned on top of a model.
pub struct Adapter {
    /// `[layers][places]`.
    layers: Vec<[Option<Pair>; N_PLACES]>,
    output: Option<Pair>,
    shape: Shape,
}

/// The sizes of a model that an adapter depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    n_layers: usize,
    n_vocab: usize,
    dim: usize,
    query_width: usize,
    kv_width: usize,
    width: usize,
}

impl Shape {
    fn of(a: &Architecture) -> Self {
        Self {
            n_layers: a.layers.len(),
            n_vocab: a.n_vocab,
            dim: a.dim,
            query_width: a.query_width(),
            kv_width: a.kv_width(),
            width: a.feed_forward.width,
        }
    }
}

/// `W x` becomes `W x + b (a x)`.
pub(super) struct Pair {
    /// `[rank, in]`.
    pub(super) a: Matrix,
    /// `[out, rank]`, times alpha / rank.
    pub(super) b: Matrix,
}

/// Why a checkpoint is no adapter of a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdapterError {
    /// A fact is absent or of another type.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A tensor is absent or of another shape.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The adapter is for another architecture, or of another kind.
    #[error("`{key}` is {got}, expected {expected}")]
    Value {
        /// The fact's key.
        key: &'static str,
        /// What it says.
        got: String,
        /// What would fit.
        expected: String,
    },
    /// A tensor adapts something that mynah does not adapt: experts, norms, the token embedding.
    #[error("tensor `{name}` adapts nothing that can be adapted in this model")]
    Place {
        /// The tensor.
        name: String,
    },
    /// A number is infinite or not a number.
    #[error("tensor `{name}` holds a number that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = self.layers.iter().flatten().flatten().count() + usize::from(self.output.is_some());
        write!(f, "Adapter({n} pairs)")
    }
}

impl Adapter {
    /// Reads an adapter for a model of this architecture. `strength` multiplies what it adds; 1 is
    /// as it was trained.
    ///
    /// # Errors
    /// If a fact or tensor is absent or does not fit the model.
    pub fn load(
        checkpoint: &Checkpoint<'_>,
        architecture: &Architecture,
        strength: f32,
    ) -> Result<Self, AdapterError> {
        let facts = &checkpoint.metadata;
        let expect = |key, expected: &str| match facts.str(key)? {
            got if got == expected => Ok(()),
            got => Err(AdapterError::Value { key, got: got.into(), expected: expected.into() }),
        };
        expect("general.type", "adapter")?;
        expect("adapter.type", "lora")?;
        expect("general.architecture", &architecture.name)?;
        let alpha = facts.f32("adapter.lora.alpha")?;
        if !(alpha * strength).is_finite() {
            let (key, got) = ("adapter.lora.alpha", alpha.to_string());
            return Err(AdapterError::Value { key, got, expected: "a finite number".into() });
        }
        let reader = Reader { checkpoint, architecture, scale: alpha * strength };
        let places = reader.places();
        let none = || std::array::from_fn(|_| None);
        let layers = architecture.layers.iter().map(|_| none()).collect();
        let shape = Shape::of(architecture);
        let mut adapter = Self { layers, output: None, shape };
        for name in checkpoint.tensors.keys() {
            let Some(base) = name.strip_suffix(".lora_a") else {
                let twin = name.strip_suffix(".lora_b").map(|base| format!("{base}.lora_a"));
                if twin.is_some_and(|twin| checkpoint.tensors.contains_key(&twin)) {
                    continue;
                }
                return Err(AdapterError::Place { name: name.clone() });
            };
            let Some(target) = places.get(base) else {
                return Err(AdapterError::Place { name: name.clone() });
            };
            reader.read(base, target, &mut adapter)?;
        }
        Ok(adapter)
    }

    /// Whether it was made for a model of this shape.
    pub(super) fn fits(&self, a: &Architecture) -> bool {
        self.shape == Shape::of(a)
    }

    /// What was learned about a matrix of a block.
    pub(super) fn pair(&self, layer: usize, place: Place) -> Option<&Pair> {
        self.layers.get(layer)?[place as usize].as_ref()
    }

    /// What was learned about the matrix that makes logits.
    pub(super) fn output(&self) -> Option<&Pair> {
        self.output.as_ref()
    }
}

/// What a tensor's name stands for: the block (`None`: the matrix that makes logits), and the
/// matrices that lie one after the other in it with their outputs.
struct Target {
    layer: Option<usize>,
    inputs: usize,
    parts: Vec<(Place, usize)>,
}

struct Reader<'a> {
    checkpoint: &'a Checkpoint<'a>,
    architecture: &'a Architecture,
    scale: f32,
}

impl Reader<'_> {
    /// Every matrix that can be adapted, by its name.
    fn places(&self) -> BTreeMap<String, Target> {
        let a = self.architecture;
        let (query, kv, width) = (a.query_width(), a.kv_width(), a.feed_forward.width);
        let mut places = BTreeMap::new();
        for (i, layer) in a.layers.iter().enumerate() {
            let mut put = |part: &str, inputs, parts: &[(Place, usize)]| {
                let target = Target { layer: Some(i), inputs, parts: parts.to_vec() };
                places.insert(format!("blk.{i}.{part}.weight"), target);
            };
            put("attn_q", a.dim, &[(Place::Query, query)]);
            put("attn_k", a.dim, &[(Place::Key, kv)]);
            put("attn_v", a.dim, &[(Place::Value, kv)]);
            let qkv = [(Place::Query, query), (Place::Key, kv), (Place::Value, kv)];
            put("attn_qkv", a.dim, &qkv);
            put("attn_output", query, &[(Place::AttentionOutput, a.dim)]);
            if !layer.experts {
                put("ffn_down", width, &[(Place::Down, a.dim)]);
                put("ffn_gate", a.dim, &[(Place::Gate, width)]);
                // Phi-3 keeps the gate in front of the up in one tensor.
                let up = format!("blk.{i}.ffn_up.weight.lora_b");
                let rows = self.checkpoint.tensors.get(&up).and_then(|b| b.shape.get(1).copied());
                if a.feed_forward.gated && rows == Some(width.saturating_mul(2)) {
                    put("ffn_up", a.dim, &[(Place::Gate, width), (Place::Up, width)]);
                } else {
                    put("ffn_up", a.dim, &[(Place::Up, width)]);
                }
            }
        }
        let output = Target { layer: None, inputs: a.dim, parts: vec![(Place::Up, a.n_vocab)] };
        places.insert("output.weight".into(), output);
        places
    }

    /// Reads one pair of tensors.
    fn read(&self, base: &str, target: &Target, to: &mut Adapter) -> Result<(), AdapterError> {
        let (name_a, name_b) = (format!("{base}.lora_a"), format!("{base}.lora_b"));
        let tensor = self.checkpoint.tensor(&name_a)?;
        let rank = tensor.shape.get(1).copied().unwrap_or(0);
        let rank_or_one = rank.max(1);
        let a = self.checkpoint.tensor_of_shape(&name_a, &[target.inputs, rank_or_one])?;
        let outputs = target.parts.iter().map(|(_, n)| n).sum();
        let b = self.checkpoint.tensor_of_shape(&name_b, &[rank, outputs])?;
        let a = numbers(&name_a, a)?;
        let scale = self.scale / rank as f32;
        let b: Vec<f32> = numbers(&name_b, b)?.into_iter().map(|x| x * scale).collect();
        let mut first = 0;
        for &(place, n) in &target.parts {
            let part = &b[first * rank..][..n * rank];
            let pair = Pair { a: matrix(rank, target.inputs, &a), b: matrix(n, rank, part) };
            match target.layer {
                Some(layer) => to.layers[layer][place as usize] = Some(pair),
                None => to.output = Some(pair),
            }
            first += n;
        }
        Ok(())
    }
}

fn matrix(rows: usize, cols: usize, numbers: &[f32]) -> Matrix {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    Matrix::pack(Format::F32, rows, cols, &bytes)
}

fn numbers(name: &str, tensor: &Tensor<'_>) -> Result<Vec<f32>, AdapterError> {
    let bytes = tensor.bytes();
    let mut numbers = vec![0.0; tensor.n_elements()];
    if tensor.format.bytes_for(numbers.len()) != Some(bytes.len()) {
        return Err(AdapterError::Place { name: name.to_owned() });
    }
    dequantize(tensor.format, &bytes, &mut numbers);
    if numbers.iter().any(|x| !x.is_finite()) {
        return Err(AdapterError::NotFinite { name: name.to_owned() });
    }
    Ok(numbers)
}
