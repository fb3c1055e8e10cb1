//! What a configuration says, in GGUF's words.
//!
//! Keys and types are those of llama.cpp's `conversion/`. Beyond them these are written when they
//! differ from what the architecture does of itself, `A` being its name:
//!
//! - `A.attention.sliding_window` and `A.attention.sliding_window_pattern` (a bool per layer, true
//!   where the window holds; every layer if absent) for architectures whose window llama.cpp
//!   ignores: llama (Mistral), qwen2, qwen2moe, qwen3, qwen3moe, smollm3;
//! - `A.attention.rope_pattern` (a bool per layer, true where positions are rotated) for smollm3;
//! - `A.attention.scale` for gemma2 and gemma3 if it is not the root of the head's size;
//! - `A.hidden_activation` if it is not the architecture's own function;
//! - `A.expert_weights_norm` for qwen2moe and qwen3moe;
//! - `A.rope.freq_base` for every architecture that rotates.

use mynah_kernels::format::Format;

use super::HuggingFaceError;
use super::config::Config;
use super::families::Family;
use super::rope;
use crate::checkpoint::{Checkpoint, Data, Tensor};
use crate::metadata::{Metadata, Value};

/// The facts of a model while they are collected.
pub(super) struct Facts {
    arch: &'static str,
    metadata: Metadata,
    /// Tensors that follow from the configuration alone: a name and its numbers.
    tensors: Vec<(&'static str, Vec<f32>)>,
}

/// Facts and tensors that follow from the configuration.
pub(super) fn of<'a>(family: &Family, config: &Config) -> Result<Checkpoint<'a>, HuggingFaceError> {
    let mut facts = Facts { arch: family.arch, metadata: Metadata::new(), tensors: Vec::new() };
    (family.facts)(config, &mut facts)?;
    let tensors = facts.tensors.into_iter().map(|(name, numbers)| {
        let shape = vec![numbers.len()];
        let make = move || numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        (
            name.to_owned(),
            Tensor { shape, format: Format::F32, data: Data::Derived(Box::new(make)) },
        )
    });
    Ok(Checkpoint { metadata: facts.metadata, tensors: tensors.collect() })
}

impl Facts {
    /// Sets a fact of the architecture.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.metadata.insert(format!("{}.{key}", self.arch), value.into());
    }

    /// Sets a number with a point.
    pub(super) fn set_number(&mut self, key: &str, value: f64) {
        self.set(key, value as f32);
    }

    /// Adds a tensor of one dimension.
    pub(super) fn tensor(&mut self, name: &'static str, numbers: Vec<f32>) {
        self.tensors.push((name, numbers));
    }
}

const LAYERS: &[&str] = &["num_hidden_layers", "n_layer", "n_layers"];
const WIDTH: &[&str] = &["hidden_size", "n_embd"];
const HEADS: &[&str] = &["num_attention_heads", "n_head"];
const HEADS_KV: &[&str] = &["num_key_value_heads"];
const CONTEXT: &[&str] = &["n_positions", "max_position_embeddings", "n_ctx"];
const FEED_FORWARD: &[&str] = &["intermediate_size", "n_inner", "ffn_hidden_size"];
const RMS_EPSILON: &[&str] = &["rms_norm_eps", "norm_eps"];
const EPSILON: &[&str] = &["layer_norm_eps", "layer_norm_epsilon", "norm_eps"];

/// Checks that the weights can have as many layers as the configuration says, so that a list with
/// an entry for each is no longer than the folder can back.
pub(super) fn check_layers(config: &Config, n_tensors: usize) -> Result<(), HuggingFaceError> {
    let n_layers = config.size(LAYERS)?;
    if n_layers as usize > n_tensors {
        let remedy = format!("the weights are {n_tensors} tensors");
        return Err(config.unsupported(LAYERS[0], n_layers, remedy));
    }
    Ok(())
}

/// How many numbers a head has.
pub(super) fn head_size(config: &Config) -> Result<u32, HuggingFaceError> {
    if let Some(size) = config.optional_size(&["head_dim"])? {
        return Ok(size);
    }
    let (width, heads) = (config.size(WIDTH)?, config.size(HEADS)?);
    if heads == 0 || !width.is_multiple_of(heads) {
        let remedy = format!("it must divide `{}`, {width}", WIDTH[0]);
        return Err(config.unsupported(HEADS[0], heads, remedy));
    }
    Ok(width / heads)
}

/// Sizes that every transformer has, with the number of key and value heads.
fn sizes(config: &Config, facts: &mut Facts, heads_kv: u32) -> Result<(), HuggingFaceError> {
    facts.set("block_count", config.size(LAYERS)?);
    facts.set("context_length", config.size(CONTEXT)?);
    facts.set("embedding_length", config.size(WIDTH)?);
    facts.set("attention.head_count", config.size(HEADS)?);
    facts.set("attention.head_count_kv", heads_kv);
    Ok(())
}

fn feed_forward(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    let size = match config.optional_size(FEED_FORWARD)? {
        Some(size) => size,
        None => config.size(WIDTH)?.saturating_mul(4),
    };
    facts.set("feed_forward_length", size);
    Ok(())
}

fn heads_kv(config: &Config) -> Result<u32, HuggingFaceError> {
    config.optional_size(HEADS_KV)?.map_or_else(|| config.size(HEADS), Ok)
}

/// What the decoders with root-mean-square norms have in common.
fn decoder(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    sizes(config, facts, heads_kv(config)?)?;
    facts.set("feed_forward_length", config.size(FEED_FORWARD)?);
    facts.set_number("attention.layer_norm_rms_epsilon", config.number(RMS_EPSILON)?);
    if let Some(size) = config.optional_size(&["head_dim"])? {
        facts.set("attention.key_length", size);
        facts.set("attention.value_length", size);
    }
    if let Some(n) = config.optional_size(&["num_local_experts", "num_experts"])? {
        facts.set("expert_count", n);
        facts.set("expert_used_count", config.size(&["num_experts_per_tok"])?);
    }
    rope::facts(config, facts)
}

/// Says which function is between the two halves of a feed-forward layer, unless it is `own`.
fn activation(config: &Config, facts: &mut Facts, own: &str) -> Result<(), HuggingFaceError> {
    const FIELDS: &[&str] =
        &["hidden_activation", "hidden_act", "activation_function", "activation"];
    // Names of the same function.
    let plain = |name: &str| match name {
        "swish" => "silu",
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => "gelu_pytorch_tanh",
        "gelu_python" => "gelu",
        _ => "",
    };
    let Some(name) = config.optional_str(FIELDS)? else { return Ok(()) };
    let known = ["silu", "gelu", "gelu_pytorch_tanh", "relu", "relu2"];
    let function = known.into_iter().find(|&k| k == name).unwrap_or_else(|| plain(name));
    if function.is_empty() {
        let remedy = format!("these are: {}", known.join(", "));
        let field = FIELDS.iter().find(|field| config.has(field)).copied().unwrap_or_default();
        return Err(config.unsupported(field, name, remedy));
    }
    if function != own {
        facts.set("hidden_activation", function);
    }
    Ok(())
}

/// Refuses a flag that asks for something else than `expected`.
fn require(config: &Config, flag: &str, expected: bool) -> Result<(), HuggingFaceError> {
    if config.has(flag) && config.flag(flag)? != expected {
        return Err(config.unsupported(flag, !expected, format!("it must be {expected}")));
    }
    Ok(())
}

/// Says how far back a token sees, and in which layers.
///
/// `slides` says it for a layer if the configuration does not list them. Nothing is said if no
/// layer slides, and no list is written if the layers are as `own` has them: those where the
/// architecture's window holds of itself.
fn window(
    config: &Config,
    facts: &mut Facts,
    slides: impl Fn(u32) -> bool,
    own: impl Fn(u32) -> bool,
) -> Result<(), HuggingFaceError> {
    let used = !config.has("use_sliding_window") || config.flag("use_sliding_window")?;
    let size = config.optional_size(&["sliding_window"])?.filter(|&size| size > 0 && used);
    let Some(size) = size else { return Ok(()) };
    let n_layers = config.size(LAYERS)?;
    let layers: Vec<bool> = match config.optional_strs("layer_types")? {
        None => (0..n_layers).map(slides).collect(),
        Some(kinds) if kinds.len() != n_layers as usize => {
            let remedy = format!("there are {n_layers} layers");
            return Err(config.unsupported("layer_types", format!("{} long", kinds.len()), remedy));
        }
        Some(kinds) => kinds
            .into_iter()
            .map(|kind| match kind {
                "sliding_attention" => Ok(true),
                "full_attention" => Ok(false),
                other => Err(config.unsupported(
                    "layer_types",
                    other,
                    "these are: sliding_attention, full_attention",
                )),
            })
            .collect::<Result<_, _>>()?,
    };
    if layers.contains(&true) {
        facts.set("attention.sliding_window", size);
        if (0..).zip(&layers).any(|(layer, &slides)| slides != own(layer)) {
            facts.set("attention.sliding_window_pattern", Value::Bools(layers));
        }
    }
    Ok(())
}

/// Llama, Mistral and Mixtral.
pub(super) fn llama(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    if let Some(n) = config.optional_size(&["vocab_size"])? {
        facts.set("vocab_size", n);
    }
    activation(config, facts, "silu")?;
    facts.set("rope.dimension_count", rope::dimensions(config)?);
    window(config, facts, |_| true, |_| true)
}

/// What mynah trains with the preset `nano`.
pub(super) fn mynah(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    activation(config, facts, "relu2")
}

pub(super) fn smollm3(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    llama(config, facts)?;
    let n_layers = config.size(LAYERS)?;
    let interval = config.size(&["no_rope_layer_interval"])?.max(1);
    let rotates: Vec<bool> = match config.optional_numbers("no_rope_layers")? {
        Some(list) => list.into_iter().map(|one| one != 0.0).collect(),
        None => (1..=n_layers).map(|n| !n.is_multiple_of(interval)).collect(),
    };
    if rotates.len() < n_layers as usize {
        let remedy = format!("there are {n_layers} layers");
        return Err(config.unsupported(
            "no_rope_layers",
            format!("{} long", rotates.len()),
            remedy,
        ));
    }
    // llama.cpp leaves out every fourth layer, whatever the file says.
    if (1u32..).zip(&rotates).take(n_layers as usize).any(|(n, &one)| one == n.is_multiple_of(4)) {
        let rotates = rotates.into_iter().take(n_layers as usize).collect();
        facts.set("attention.rope_pattern", Value::Bools(rotates));
    }
    Ok(())
}

pub(super) fn qwen(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    activation(config, facts, "silu")?;
    let first = config.size(&["max_window_layers"])?;
    window(config, facts, |layer| layer >= first, |_| true)
}

/// Qwen 2 and 3 with experts.
pub(super) fn qwen_experts(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    activation(config, facts, "silu")?;
    facts.set("expert_feed_forward_length", config.size(&["moe_intermediate_size"])?);
    if let Some(size) = config.optional_size(&["shared_expert_intermediate_size"])? {
        facts.set("expert_shared_feed_forward_length", size);
    }
    facts.set("expert_weights_norm", config.flag("norm_topk_prob")?);
    // Only Qwen 2 has the field: there every other layer slides, up to this one.
    let last = config.optional_size(&["max_window_layers"])?;
    let slides = |layer: u32| last.is_none_or(|last| layer < last && layer.is_multiple_of(2));
    window(config, facts, slides, |_| true)
}

/// What all Gemmas have; their function is the approximate GELU, whatever `hidden_act` of the
/// first one says.
fn any_gemma(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    require(config, "use_bidirectional_attention", false)?;
    require(config, "attention_bias", false)
}

pub(super) fn gemma(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    any_gemma(config, facts)?;
    if config.has("hidden_activation") {
        activation(config, facts, "gelu_pytorch_tanh")?;
    }
    Ok(())
}

/// What Gemma 2 and 3 have in common.
fn later_gemma(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    any_gemma(config, facts)?;
    activation(config, facts, "gelu_pytorch_tanh")?;
    for (field, key) in [
        ("attn_logit_softcapping", "attn_logit_softcapping"),
        ("final_logit_softcapping", "final_logit_softcapping"),
    ] {
        if let Some(cap) = config.optional_number(&[field])? {
            facts.set_number(key, cap);
        }
    }
    let scalar = config.number(&["query_pre_attn_scalar"])?;
    if scalar != f64::from(head_size(config)?) {
        facts.set_number("attention.scale", scalar.sqrt().recip());
    }
    // Every so many layers one sees everything.
    let every = config.size(&["sliding_window_pattern"])?.max(1);
    let own = if facts.arch == "gemma2" { 2 } else { 6 };
    let layers = |every: u32| move |layer: u32| !(layer + 1).is_multiple_of(every);
    window(config, facts, layers(every), layers(own))
}

pub(super) fn gemma2(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    later_gemma(config, facts)
}

pub(super) fn gemma3(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    if let Some(cap) = config.optional_number(&["attn_logit_softcapping"])? {
        let remedy = "Gemma 3 has none";
        return Err(config.unsupported("attn_logit_softcapping", cap, remedy));
    }
    later_gemma(config, facts)
}

/// `OLMo` 2 and 3.
pub(super) fn olmo2(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    activation(config, facts, "silu")?;
    let every = config.optional_size(&["sliding_window_pattern"])?.unwrap_or(4).max(1);
    let slides = |layer: u32| !(layer + 1).is_multiple_of(every);
    window(config, facts, slides, |layer| !(layer + 1).is_multiple_of(4))
}

pub(super) fn phi3(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    decoder(config, facts)?;
    activation(config, facts, "silu")?;
    facts.set("rope.dimension_count", rope::dimensions(config)?);
    let original = rope::original_context(config)?;
    facts.set("rope.scaling.original_context_length", original);
    // Said even if there is none: llama.cpp tells Phi 4 by it.
    facts.set("attention.sliding_window", 0);
    window(config, facts, |_| true, |_| true)
}

/// What the decoders with plain norms have in common.
fn plain_norm(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    sizes(config, facts, heads_kv(config)?)?;
    feed_forward(config, facts)?;
    facts.set_number("attention.layer_norm_epsilon", config.number(EPSILON)?);
    Ok(())
}

pub(super) fn phi2(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    plain_norm(config, facts)?;
    require(config, "qk_layernorm", false)?;
    activation(config, facts, "gelu_pytorch_tanh")?;
    rope::facts(config, facts)?;
    facts.set("rope.dimension_count", rope::dimensions(config)?);
    facts.metadata.insert("tokenizer.ggml.add_bos_token".into(), false.into());
    Ok(())
}

pub(super) fn stablelm(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    plain_norm(config, facts)?;
    activation(config, facts, "silu")?;
    rope::facts(config, facts)?;
    facts.set("rope.dimension_count", rope::dimensions(config)?);
    facts.set("use_parallel_residual", config.flag("use_parallel_residual")?);
    Ok(())
}

pub(super) fn gpt2(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    plain_norm(config, facts)?;
    require(config, "scale_attn_by_inverse_layer_idx", false)?;
    require(config, "scale_attn_weights", true)?;
    require(config, "add_cross_attention", false)?;
    activation(config, facts, "gelu_pytorch_tanh")
}

pub(super) fn falcon(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    require(config, "alibi", false)?;
    require(config, "parallel_attn", true)?;
    // Only the later architecture groups heads; the earlier one has one or all.
    let n = match (config.flag("new_decoder_architecture")?, config.flag("multi_query")?) {
        (true, _) => config.optional_size(&["num_kv_heads", "n_head_kv"])?,
        (false, true) => Some(1),
        (false, false) => None,
    };
    sizes(config, facts, n.map_or_else(|| config.size(HEADS), Ok)?)?;
    feed_forward(config, facts)?;
    facts.set("tensor_data_layout", "jploski");
    facts.set_number("attention.layer_norm_epsilon", config.number(EPSILON)?);
    activation(config, facts, "gelu")?;
    rope::facts(config, facts)
}

/// What encoders have in common.
fn encoder(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    plain_norm(config, facts)?;
    facts.set("attention.causal", false);
    let n = config.size(&["type_vocab_size"])?;
    facts.metadata.insert("tokenizer.ggml.token_type_count".into(), n.into());
    Ok(())
}

pub(super) fn bert(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    encoder(config, facts)?;
    require(config, "is_decoder", false)?;
    if let Some(kind) = config.optional_str(&["position_embedding_type"])?
        && kind != "absolute"
    {
        return Err(config.unsupported("position_embedding_type", kind, "it must be absolute"));
    }
    activation(config, facts, "gelu")
}

pub(super) fn nomic_bert(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    encoder(config, facts)?;
    for flag in [
        "causal",
        "prenorm",
        "parallel_block",
        "qkv_proj_bias",
        "mlp_fc1_bias",
        "mlp_fc2_bias",
        "rotary_emb_interleaved",
        "use_rms_norm",
    ] {
        require(config, flag, false)?;
    }
    if let Some(n) = config.optional_size(&["moe_every_n_layers"])?.filter(|&n| n > 0) {
        return Err(config.unsupported("moe_every_n_layers", n, "take a model without experts"));
    }
    let function = config.optional_str(&["activation_function"])?.unwrap_or("swiglu");
    if function != "swiglu" {
        return Err(config.unsupported("activation_function", function, "it must be swiglu"));
    }
    // The published configurations claim four times what the models were trained on.
    let trained = config.optional_size(&["max_trained_positions"])?.unwrap_or(2048);
    let context = config.size(CONTEXT)?;
    facts.set("context_length", if context == 8192 { trained.min(context) } else { context });
    rope::facts(config, facts)
}

/// How an encoder's output becomes one vector.
///
/// Source: sentence-transformers' `1_Pooling/config.json`.
pub(super) fn pooling(
    arch: &str,
    config: &Config,
    metadata: &mut Metadata,
) -> Result<(), HuggingFaceError> {
    let flags = [
        ("pooling_mode_mean_tokens", 1),
        ("pooling_mode_cls_token", 2),
        ("pooling_mode_lasttoken", 3),
    ];
    let mut kind = None;
    for (flag, number) in flags {
        if kind.is_none() && config.flag(flag)? {
            kind = Some(number);
        }
    }
    if kind.is_none() {
        let name =
            config.optional_str(&["pooling_mode"])?.unwrap_or("none of mean, cls, lasttoken");
        kind = ["mean", "cls", "lasttoken"].iter().position(|&k| k == name).map(|i| i as u32 + 1);
        if kind.is_none() {
            let remedy = "these are: mean, cls, lasttoken";
            return Err(config.unsupported("pooling_mode", name, remedy));
        }
    }
    metadata.insert(format!("{arch}.pooling_type"), Value::U32(kind.unwrap_or(1)));
    Ok(())
}

/// How the model's makers would sample from it.
pub(super) fn sampling(
    generation: &Config,
    metadata: &mut Metadata,
) -> Result<(), HuggingFaceError> {
    for (field, key) in [
        ("temperature", "temp"),
        ("top_p", "top_p"),
        ("min_p", "min_p"),
        ("repetition_penalty", "penalty_repeat"),
    ] {
        if let Some(number) = generation.optional_number(&[field])? {
            metadata.insert(format!("general.sampling.{key}"), Value::F32(number as f32));
        }
    }
    if let Some(n) = generation.optional_size(&["top_k"])? {
        metadata.insert("general.sampling.top_k".into(), Value::I32(n.min(i32::MAX as u32) as i32));
    }
    Ok(())
}
