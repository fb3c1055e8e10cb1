//! Which format each tensor gets.
//!
//! Source of the choices: llama.cpp's `src/llama-quant.cpp`, for a model without measured
//! importances. Tensors on which the output depends most get more bits: the output itself, values,
//! and the second halves of feed-forward layers near both ends of the model.

use std::fmt;
use std::str::FromStr;

use mynah_kernels::format::Format;

use crate::checkpoint::{Checkpoint, Tensor};
use crate::gguf::{self, ARCHITECTURE};
use crate::metadata::MetadataError;

/// How a model is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the field's own")]
#[allow(non_camel_case_types, reason = "the names are the field's own")]
pub enum Recipe {
    F32,
    F16,
    BF16,
    Q8_0,
    Q6_K,
    Q5_K_M,
    Q5_K_S,
    Q5_1,
    Q5_0,
    Q4_K_M,
    Q4_K_S,
    Q4_1,
    Q4_0,
    IQ4_NL,
    IQ4_XS,
    Q3_K_L,
    Q3_K_M,
    Q3_K_S,
    Q2_K,
    /// Every matrix but the embeddings and the output in MXFP4.
    MXFP4,
    /// Experts in MXFP4, everything else in `Q8_0`.
    MXFP4_MOE,
}

impl Recipe {
    /// Every recipe, from the largest files to the smallest.
    pub const ALL: [Self; 21] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q6_K,
        Self::Q5_K_M,
        Self::Q5_K_S,
        Self::Q5_1,
        Self::Q5_0,
        Self::Q4_K_M,
        Self::Q4_K_S,
        Self::Q4_1,
        Self::Q4_0,
        Self::IQ4_NL,
        Self::IQ4_XS,
        Self::Q3_K_L,
        Self::Q3_K_M,
        Self::Q3_K_S,
        Self::Q2_K,
        Self::MXFP4,
        Self::MXFP4_MOE,
    ];

    /// The format that most tensors get, and the number by which GGUF calls the mixture.
    ///
    /// Source: llama.cpp's `enum llama_ftype`, which has one number for MXFP4.
    const fn facts(self) -> (Format, u32) {
        match self {
            Self::F32 => (Format::F32, 0),
            Self::F16 => (Format::F16, 1),
            Self::BF16 => (Format::BF16, 32),
            Self::Q8_0 => (Format::Q8_0, 7),
            Self::Q6_K => (Format::Q6_K, 18),
            Self::Q5_K_M => (Format::Q5_K, 17),
            Self::Q5_K_S => (Format::Q5_K, 16),
            Self::Q5_1 => (Format::Q5_1, 9),
            Self::Q5_0 => (Format::Q5_0, 8),
            Self::Q4_K_M => (Format::Q4_K, 15),
            Self::Q4_K_S => (Format::Q4_K, 14),
            Self::Q4_1 => (Format::Q4_1, 3),
            Self::Q4_0 => (Format::Q4_0, 2),
            Self::IQ4_NL => (Format::IQ4_NL, 25),
            Self::IQ4_XS => (Format::IQ4_XS, 30),
            Self::Q3_K_L => (Format::Q3_K, 13),
            Self::Q3_K_M => (Format::Q3_K, 12),
            Self::Q3_K_S => (Format::Q3_K, 11),
            Self::Q2_K => (Format::Q2_K, 10),
            Self::MXFP4 | Self::MXFP4_MOE => (Format::MXFP4, 38),
        }
    }

    /// The format that most tensors get.
    pub const fn format(self) -> Format {
        self.facts().0
    }

    /// The number by which GGUF calls the mixture (`general.file_type`).
    pub const fn file_type(self) -> u32 {
        self.facts().1
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// A recipe's name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no recipe `{name}`; these are: {}", Recipe::ALL.map(|r| r.to_string()).join(", "))]
pub struct UnknownRecipe {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Recipe {
    type Err = UnknownRecipe;

    /// The recipe of this name, in any case; `q4_k` is `q4_k_m` and so on, as in llama.cpp.
    fn from_str(name: &str) -> Result<Self, UnknownRecipe> {
        let plain = name.to_lowercase();
        let full = match plain.as_str() {
            "q3_k" | "q4_k" | "q5_k" => format!("{plain}_m"),
            _ => plain,
        };
        let found = Self::ALL.into_iter().find(|recipe| recipe.to_string() == full);
        found.ok_or_else(|| UnknownRecipe { name: name.to_owned() })
    }
}

/// What a tensor is for, as far as its format depends on it.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Embedding,
    Output,
    Value,
    /// Query, key and value in one.
    Fused,
    Key,
    AttentionOutput,
    Down,
    Other,
}

impl Role {
    fn of(name: &str) -> Self {
        const PARTS: [(&str, Role); 5] = [
            ("attn_qkv.weight", Role::Fused),
            ("attn_v.weight", Role::Value),
            ("attn_k.weight", Role::Key),
            ("attn_output.weight", Role::AttentionOutput),
            ("ffn_down", Role::Down),
        ];
        match name {
            "output.weight" => Self::Output,
            "token_embd.weight" => Self::Embedding,
            _ => PARTS.iter().find(|(part, _)| name.contains(part)).map_or(Self::Other, |p| p.1),
        }
    }
}

/// What formats depend on beside the tensor itself.
struct Model {
    falcon: bool,
    /// So large that values are cheap beside the rest.
    shared_values: bool,
    n_layers: usize,
    n_experts: usize,
    /// Query heads for each key head.
    group: usize,
    tied: bool,
    n_values: usize,
}

impl Model {
    fn of(checkpoint: &Checkpoint) -> Result<Self, MetadataError> {
        let facts = &checkpoint.metadata;
        let arch = facts.str(ARCHITECTURE)?;
        let n_layers = facts.size(&format!("{arch}.block_count"))?;
        let heads = |key: &str| {
            let key = format!("{arch}.attention.{key}");
            let heads = if facts.contains_key(&key) {
                facts.size_per_layer(&key, n_layers)?
            } else {
                vec![]
            };
            Ok(heads.first().copied())
        };
        let n_heads = heads("head_count")?.unwrap_or(1);
        let n_heads_kv = heads("head_count_kv")?.unwrap_or(n_heads).max(1);
        let values = checkpoint.tensors.keys().map(|name| Role::of(name));
        Ok(Self {
            falcon: arch == "falcon",
            shared_values: n_layers == 80
                && (arch == "qwen2" || arch == "llama" && n_heads != n_heads_kv),
            n_layers,
            n_experts: facts.optional_size(&format!("{arch}.expert_count"))?.unwrap_or(0),
            group: n_heads / n_heads_kv,
            tied: !checkpoint.tensors.contains_key("output.weight"),
            n_values: values.filter(|role| matches!(role, Role::Value | Role::Fused)).count(),
        })
    }
}

/// The format of each tensor under a recipe, in the order of writing.
///
/// # Errors
/// If the model does not say its architecture or number of layers, or says it wrongly.
pub(super) fn formats(
    checkpoint: &Checkpoint,
    recipe: Recipe,
) -> Result<Vec<(String, Format)>, MetadataError> {
    let model = Model::of(checkpoint)?;
    let (mut n_values, mut n_downs) = (0, 0);
    let names = gguf::order(checkpoint.tensors.keys().map(String::as_str));
    let formats = names.into_iter().map(|name| {
        let tensor = &checkpoint.tensors[name];
        let format = if !is_quantizable(name, tensor) {
            tensor.format
        } else if recipe.format().block_len() == 1 {
            recipe.format()
        } else {
            let role = Role::of(name);
            let wanted = mixture(&model, recipe, role, name, tensor, n_values, n_downs);
            n_values += usize::from(matches!(role, Role::Value | Role::Fused));
            n_downs += usize::from(role == Role::Down);
            fitting(wanted, tensor.row_len())
        };
        (name.to_owned(), format)
    });
    Ok(formats.collect())
}

/// Whether a tensor is a matrix of weights, rather than something small that keeps its precision.
fn is_quantizable(name: &str, tensor: &Tensor) -> bool {
    let n_dims = tensor.shape.iter().rposition(|&dim| dim > 1).map_or(1, |last| last + 1);
    n_dims > 1
        && name.ends_with("weight")
        && !name.contains("_norm.weight")
        && !name.contains("ffn_gate_inp.weight")
        && name != "position_embd.weight"
        && name != "token_types.weight"
}

/// The format that a mixture has for a tensor, whatever the length of its rows.
///
/// `n_values` and `n_downs` say how many tensors of those roles came before it.
fn mixture(
    model: &Model,
    recipe: Recipe,
    role: Role,
    name: &str,
    tensor: &Tensor,
    n_values: usize,
    n_downs: usize,
) -> Format {
    let usual = recipe.format();
    let is_output = role == Role::Output || role == Role::Embedding && model.tied;
    match recipe {
        Recipe::MXFP4_MOE => {
            let is_expert = tensor.shape.get(2).is_some_and(|&n| n > 1);
            return if is_expert && !is_output { Format::MXFP4 } else { Format::Q8_0 };
        }
        Recipe::MXFP4 if is_output || role == Role::Embedding => return Format::Q8_0,
        Recipe::MXFP4 => return Format::MXFP4,
        _ => {}
    }
    match role {
        _ if is_output => output(model, usual, tensor.row_len()),
        Role::Value | Role::Fused => values(model, recipe, n_values),
        Role::Key if model.n_experts == 8 => Format::Q8_0,
        Role::AttentionOutput => attention_output(model, recipe),
        Role::Down => {
            // The layer counts; experts may come in any order.
            let layer = gguf::layer(name).filter(|_| model.n_experts > 1).unwrap_or(n_downs);
            down(model, recipe, layer)
        }
        _ => usual,
    }
}

/// Whether a layer is near an end of the model, or every third between.
fn more_bits(layer: usize, n_layers: usize) -> bool {
    let eighth = n_layers / 8;
    layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2
}

fn output(model: &Model, usual: Format, row: usize) -> Format {
    match usual {
        _ if model.falcon || !row.is_multiple_of(usual.block_len()) => Format::Q8_0,
        Format::Q8_0 => Format::Q8_0,
        _ => Format::Q6_K,
    }
}

fn values(model: &Model, recipe: Recipe, n_before: usize) -> Format {
    let wide = model.group >= 4;
    let format = match recipe {
        Recipe::Q2_K if wide => Format::Q4_K,
        Recipe::Q2_K => Format::Q3_K,
        Recipe::Q3_K_M if n_before < 2 => Format::Q5_K,
        Recipe::Q3_K_M => Format::Q4_K,
        Recipe::Q3_K_L => Format::Q5_K,
        Recipe::IQ4_NL | Recipe::IQ4_XS if wide => Format::Q5_K,
        Recipe::Q4_K_M | Recipe::Q5_K_M if more_bits(n_before, model.n_values) => Format::Q6_K,
        Recipe::Q4_K_S if n_before < 4 => Format::Q5_K,
        _ => recipe.format(),
    };
    match format {
        _ if model.n_experts == 8 => Format::Q8_0,
        Format::Q3_K | Format::Q4_K if model.shared_values => Format::Q5_K,
        _ => format,
    }
}

fn attention_output(model: &Model, recipe: Recipe) -> Format {
    let usual = recipe.format();
    match (recipe, model.n_experts == 8) {
        (Recipe::Q3_K_L, _) if model.falcon => Format::Q4_K,
        _ if model.falcon => usual,
        (
            Recipe::Q2_K
            | Recipe::Q3_K_S
            | Recipe::Q3_K_M
            | Recipe::IQ4_NL
            | Recipe::IQ4_XS
            | Recipe::Q4_K_S
            | Recipe::Q4_K_M,
            true,
        ) => Format::Q5_K,
        (_, true) => usual,
        (Recipe::Q2_K, _) => Format::Q3_K,
        (Recipe::Q3_K_M, _) => Format::Q4_K,
        (Recipe::Q3_K_L, _) => Format::Q5_K,
        _ => usual,
    }
}

fn down(model: &Model, recipe: Recipe, layer: usize) -> Format {
    let n_layers = model.n_layers;
    let more = more_bits(layer, n_layers);
    let first = layer < n_layers / 8;
    match recipe {
        Recipe::Q2_K => Format::Q3_K,
        Recipe::Q3_K_M if layer < n_layers / 16 => Format::Q5_K,
        Recipe::Q3_K_M if !model.falcon || more => Format::Q4_K,
        Recipe::Q3_K_L if model.falcon => Format::Q4_K,
        Recipe::Q3_K_L => Format::Q5_K,
        Recipe::Q4_K_M if model.falcon && layer < n_layers / 16 => Format::Q6_K,
        Recipe::Q4_K_M if model.falcon && more => Format::Q5_K,
        Recipe::Q4_K_M if !model.falcon && more => Format::Q6_K,
        Recipe::IQ4_NL | Recipe::IQ4_XS if first => Format::Q5_K,
        Recipe::Q5_K_M if more => Format::Q6_K,
        Recipe::Q4_K_S if !model.falcon && first => Format::Q5_K,
        _ => recipe.format(),
    }
}

/// The format itself if it can store rows of this length, otherwise one of smaller blocks.
fn fitting(wanted: Format, row: usize) -> Format {
    if row.is_multiple_of(wanted.block_len()) {
        return wanted;
    }
    let smaller = match wanted {
        Format::Q2_K | Format::Q3_K => Format::Q4_0,
        Format::Q4_K => Format::Q5_0,
        Format::Q5_K => Format::Q5_1,
        Format::Q6_K => Format::Q8_0,
        Format::IQ4_XS => Format::IQ4_NL,
        _ => Format::F16,
    };
    if row.is_multiple_of(smaller.block_len()) { smaller } else { Format::F16 }
}
