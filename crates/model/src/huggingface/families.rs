//! Which architectures there are and how their tensors are called, as data.
//!
//! Source of the names: llama.cpp's `gguf-py/gguf/tensor_mapping.py` and `conversion/`; of the
//! defaults: the configuration classes of transformers.

use serde_json::{Value as Json, json};

use super::HuggingFaceError;
use super::config::Config;
use super::facts::{self, Facts};

/// A family of models that differ in size only.
pub(super) struct Family {
    /// What `architectures` in config.json says.
    pub(super) architectures: &'static [&'static str],
    /// The architecture's name in GGUF.
    pub(super) arch: &'static str,
    /// Fields of config.json that may be left out, and what they are then.
    pub(super) defaults: fn() -> Json,
    /// How tensors are called; the first rule that fits counts.
    pub(super) rules: &'static [&'static [Rule]],
    /// Makes facts of the configuration.
    pub(super) facts: fn(&Config, &mut Facts) -> Result<(), HuggingFaceError>,
}

/// A tensor's name in safetensors, its name in GGUF, and what changes on the way.
///
/// Names come without prefix (`model.`) and suffix (`.weight`, `.bias`); `{n}` is a layer's number,
/// `{e}` that of an expert or head.
pub(super) struct Rule(pub(super) &'static str, pub(super) &'static str, pub(super) Change);

/// What happens to a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// Nothing.
    Keep,
    /// It is not needed.
    Drop,
    /// Nothing under this name is needed.
    DropAll,
    /// It is dropped if the configuration ties it to the embeddings.
    Output,
    /// Rows of each query head are put in the order for rotating neighbours.
    Query,
    /// The same for key heads.
    Key,
    /// One is added to each number.
    AddOne,
    /// Rows and columns change places.
    Transpose,
    /// Rows that alternate between queries, keys and values are sorted.
    FalconQkv,
    /// The first half of the rows of each expert; the other half has this name.
    Halves(&'static str),
    /// One of several tensors, numbered by `{e}`, that are stacked; the field says how many.
    Stack(&'static str),
}

use Change::{
    AddOne, Drop, DropAll, FalconQkv, Halves, Keep, Key, Output, Query, Stack, Transpose,
};

/// What most decoders have.
const DECODER: &[Rule] = &[
    Rule("embed_tokens", "token_embd", Keep),
    Rule("norm", "output_norm", Keep),
    Rule("lm_head", "output", Output),
    Rule("layers.{n}.input_layernorm", "blk.{n}.attn_norm", Keep),
    Rule("layers.{n}.self_attn.q_proj", "blk.{n}.attn_q", Keep),
    Rule("layers.{n}.self_attn.k_proj", "blk.{n}.attn_k", Keep),
    Rule("layers.{n}.self_attn.v_proj", "blk.{n}.attn_v", Keep),
    Rule("layers.{n}.self_attn.o_proj", "blk.{n}.attn_output", Keep),
    Rule("layers.{n}.post_attention_layernorm", "blk.{n}.ffn_norm", Keep),
    Rule("layers.{n}.mlp.gate_proj", "blk.{n}.ffn_gate", Keep),
    Rule("layers.{n}.mlp.up_proj", "blk.{n}.ffn_up", Keep),
    Rule("layers.{n}.mlp.down_proj", "blk.{n}.ffn_down", Keep),
    Rule("layers.{n}.self_attn.rotary_emb.inv_freq", "", Drop),
];

/// Query and key rows in the order of the original Llama.
const INTERLEAVED: &[Rule] = &[
    Rule("layers.{n}.self_attn.q_proj", "blk.{n}.attn_q", Query),
    Rule("layers.{n}.self_attn.k_proj", "blk.{n}.attn_k", Key),
];

const QK_NORM: &[Rule] = &[
    Rule("layers.{n}.self_attn.q_norm", "blk.{n}.attn_q_norm", Keep),
    Rule("layers.{n}.self_attn.k_norm", "blk.{n}.attn_k_norm", Keep),
];

const RESIDUAL_MIX: &[Rule] = &[Rule("layers.{n}.residual_mix", "blk.{n}.residual_mix", Keep)];

/// Experts that are one tensor each way already.
const FUSED_EXPERTS: &[Rule] = &[
    Rule("layers.{n}.mlp.gate", "blk.{n}.ffn_gate_inp", Keep),
    Rule(
        "layers.{n}.mlp.experts.gate_up_proj",
        "blk.{n}.ffn_gate_exps",
        Halves("blk.{n}.ffn_up_exps"),
    ),
    Rule("layers.{n}.mlp.experts.down_proj", "blk.{n}.ffn_down_exps", Keep),
];

const MIXTRAL: &[Rule] = &[
    Rule("layers.{n}.block_sparse_moe.gate", "blk.{n}.ffn_gate_inp", Keep),
    Rule(
        "layers.{n}.block_sparse_moe.experts.{e}.w1",
        "blk.{n}.ffn_gate_exps",
        Stack("expert_count"),
    ),
    Rule(
        "layers.{n}.block_sparse_moe.experts.{e}.w2",
        "blk.{n}.ffn_down_exps",
        Stack("expert_count"),
    ),
    Rule(
        "layers.{n}.block_sparse_moe.experts.{e}.w3",
        "blk.{n}.ffn_up_exps",
        Stack("expert_count"),
    ),
];

const QWEN_EXPERTS: &[Rule] = &[
    Rule("layers.{n}.mlp.experts.{e}.gate_proj", "blk.{n}.ffn_gate_exps", Stack("expert_count")),
    Rule("layers.{n}.mlp.experts.{e}.up_proj", "blk.{n}.ffn_up_exps", Stack("expert_count")),
    Rule("layers.{n}.mlp.experts.{e}.down_proj", "blk.{n}.ffn_down_exps", Stack("expert_count")),
    Rule("layers.{n}.mlp.shared_expert.gate_proj", "blk.{n}.ffn_gate_shexp", Keep),
    Rule("layers.{n}.mlp.shared_expert.up_proj", "blk.{n}.ffn_up_shexp", Keep),
    Rule("layers.{n}.mlp.shared_expert.down_proj", "blk.{n}.ffn_down_shexp", Keep),
    Rule("layers.{n}.mlp.shared_expert_gate", "blk.{n}.ffn_gate_inp_shexp", Keep),
];

/// Gemma's norms multiply by one more than their weight.
const GEMMA_NORMS: &[Rule] = &[
    Rule("norm", "output_norm", AddOne),
    Rule("lm_head", "", Drop),
    Rule("layers.{n}.input_layernorm", "blk.{n}.attn_norm", AddOne),
];

const GEMMA: &[Rule] = &[Rule("layers.{n}.post_attention_layernorm", "blk.{n}.ffn_norm", AddOne)];

/// What Gemma 2 and 3 have.
const GEMMA_AROUND: &[Rule] = &[
    Rule("layers.{n}.post_attention_layernorm", "blk.{n}.post_attention_norm", AddOne),
    Rule("layers.{n}.pre_feedforward_layernorm", "blk.{n}.ffn_norm", AddOne),
    Rule("layers.{n}.post_feedforward_layernorm", "blk.{n}.post_ffw_norm", AddOne),
    Rule("layers.{n}.self_attn.q_norm", "blk.{n}.attn_q_norm", AddOne),
    Rule("layers.{n}.self_attn.k_norm", "blk.{n}.attn_k_norm", AddOne),
    // What Gemma 3 sees with; mynah reads text.
    Rule("vision_tower", "", DropAll),
    Rule("multi_modal_projector", "", DropAll),
];

const OLMO2: &[Rule] = &[
    Rule("layers.{n}.post_attention_layernorm", "blk.{n}.post_attention_norm", Keep),
    Rule("layers.{n}.post_feedforward_layernorm", "blk.{n}.post_ffw_norm", Keep),
];

const PHI2: &[Rule] = &[
    Rule("final_layernorm", "output_norm", Keep),
    Rule("layers.{n}.self_attn.dense", "blk.{n}.attn_output", Keep),
    Rule("layers.{n}.mlp.fc1", "blk.{n}.ffn_up", Keep),
    Rule("layers.{n}.mlp.fc2", "blk.{n}.ffn_down", Keep),
];

const PHI3: &[Rule] = &[
    Rule("layers.{n}.self_attn.qkv_proj", "blk.{n}.attn_qkv", Keep),
    // The gates' rows, then the others'.
    Rule("layers.{n}.mlp.gate_up_proj", "blk.{n}.ffn_up", Keep),
];

const STABLELM: &[Rule] = &[
    Rule(
        "layers.{n}.self_attn.q_layernorm.norms.{e}",
        "blk.{n}.attn_q_norm",
        Stack("attention.head_count"),
    ),
    Rule(
        "layers.{n}.self_attn.k_layernorm.norms.{e}",
        "blk.{n}.attn_k_norm",
        Stack("attention.head_count_kv"),
    ),
];

const FALCON: &[Rule] = &[
    Rule("word_embeddings", "token_embd", Keep),
    Rule("ln_f", "output_norm", Keep),
    Rule("lm_head", "output", Output),
    Rule("h.{n}.input_layernorm", "blk.{n}.attn_norm", Keep),
    Rule("h.{n}.ln_mlp", "blk.{n}.attn_norm", Keep),
    Rule("h.{n}.ln_attn", "blk.{n}.attn_norm_2", Keep),
    Rule("h.{n}.self_attention.query_key_value", "blk.{n}.attn_qkv", FalconQkv),
    Rule("h.{n}.self_attention.dense", "blk.{n}.attn_output", Keep),
    Rule("h.{n}.mlp.dense_h_to_4h", "blk.{n}.ffn_up", Keep),
    Rule("h.{n}.mlp.dense_4h_to_h", "blk.{n}.ffn_down", Keep),
];

const GPT2: &[Rule] = &[
    Rule("wte", "token_embd", Keep),
    Rule("wpe", "position_embd", Keep),
    Rule("ln_f", "output_norm", Keep),
    Rule("lm_head", "output", Output),
    Rule("h.{n}.ln_1", "blk.{n}.attn_norm", Keep),
    // The mask, which old files have.
    Rule("h.{n}.attn", "", Drop),
    Rule("h.{n}.attn.masked_bias", "", Drop),
    Rule("h.{n}.attn.c_attn", "blk.{n}.attn_qkv", Transpose),
    Rule("h.{n}.attn.c_proj", "blk.{n}.attn_output", Transpose),
    Rule("h.{n}.ln_2", "blk.{n}.ffn_norm", Keep),
    Rule("h.{n}.mlp.c_fc", "blk.{n}.ffn_up", Transpose),
    Rule("h.{n}.mlp.c_proj", "blk.{n}.ffn_down", Transpose),
];

/// What encoders begin with, and what they were trained with and do not need.
const ENCODER: &[Rule] = &[
    Rule("embeddings.word_embeddings", "token_embd", Keep),
    Rule("embeddings.position_embeddings", "position_embd", Keep),
    Rule("embeddings.token_type_embeddings", "token_types", Keep),
    Rule("embeddings.LayerNorm", "token_embd_norm", Keep),
    Rule("emb_ln", "token_embd_norm", Keep),
    Rule("embeddings.position_ids", "", Drop),
    Rule("pooler", "", DropAll),
    Rule("cls", "", DropAll),
];

const BERT: &[Rule] = &[
    Rule("encoder.layer.{n}.attention.self.query", "blk.{n}.attn_q", Keep),
    Rule("encoder.layer.{n}.attention.self.key", "blk.{n}.attn_k", Keep),
    Rule("encoder.layer.{n}.attention.self.value", "blk.{n}.attn_v", Keep),
    Rule("encoder.layer.{n}.attention.output.dense", "blk.{n}.attn_output", Keep),
    Rule("encoder.layer.{n}.attention.output.LayerNorm", "blk.{n}.attn_output_norm", Keep),
    Rule("encoder.layer.{n}.intermediate.dense", "blk.{n}.ffn_up", Keep),
    Rule("encoder.layer.{n}.output.dense", "blk.{n}.ffn_down", Keep),
    Rule("encoder.layer.{n}.output.LayerNorm", "blk.{n}.layer_output_norm", Keep),
];

const NOMIC_BERT: &[Rule] = &[
    Rule("encoder.layers.{n}.attn.Wqkv", "blk.{n}.attn_qkv", Keep),
    Rule("encoder.layers.{n}.attn.out_proj", "blk.{n}.attn_output", Keep),
    Rule("encoder.layers.{n}.norm1", "blk.{n}.attn_output_norm", Keep),
    Rule("encoder.layers.{n}.mlp.fc11", "blk.{n}.ffn_up", Keep),
    Rule("encoder.layers.{n}.mlp.fc12", "blk.{n}.ffn_gate", Keep),
    Rule("encoder.layers.{n}.mlp.fc2", "blk.{n}.ffn_down", Keep),
    Rule("encoder.layers.{n}.norm2", "blk.{n}.layer_output_norm", Keep),
];

const FAMILIES: &[Family] = &[
    Family {
        architectures: &["LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"],
        arch: "llama",
        defaults: || json!({"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 1e4}),
        rules: &[INTERLEAVED, DECODER],
        facts: facts::llama,
    },
    Family {
        architectures: &["MynahForCausalLM"],
        arch: "mynah",
        defaults: || json!({"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 1e4}),
        rules: &[RESIDUAL_MIX, QK_NORM, DECODER],
        facts: facts::mynah,
    },
    Family {
        architectures: &["MistralForCausalLM", "MistralModel"],
        arch: "llama",
        defaults: || {
            json!({"max_position_embeddings": 131_072, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "num_key_value_heads": 8})
        },
        rules: &[INTERLEAVED, DECODER],
        facts: facts::llama,
    },
    Family {
        architectures: &["MixtralForCausalLM"],
        arch: "llama",
        defaults: || {
            json!({"max_position_embeddings": 131_072, "rms_norm_eps": 1e-5, "rope_theta": 1e6,
                   "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2})
        },
        rules: &[INTERLEAVED, MIXTRAL, FUSED_EXPERTS, DECODER],
        facts: facts::llama,
    },
    Family {
        architectures: &["SmolLM3ForCausalLM"],
        arch: "smollm3",
        defaults: || {
            json!({"max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 2e6,
                   "num_key_value_heads": 4, "tie_word_embeddings": true,
                   "use_sliding_window": false, "no_rope_layer_interval": 4})
        },
        rules: &[INTERLEAVED, DECODER],
        facts: facts::smollm3,
    },
    Family {
        architectures: &["FalconForCausalLM"],
        arch: "falcon",
        defaults: || {
            json!({"max_position_embeddings": 2048, "layer_norm_epsilon": 1e-5, "rope_theta": 1e4,
                   "multi_query": true, "parallel_attn": true, "tie_word_embeddings": true})
        },
        rules: &[FALCON],
        facts: facts::falcon,
    },
    Family {
        architectures: &["PhiForCausalLM"],
        arch: "phi2",
        defaults: || {
            json!({"max_position_embeddings": 2048, "layer_norm_eps": 1e-5, "rope_theta": 1e4,
                   "partial_rotary_factor": 0.5})
        },
        rules: &[PHI2, DECODER],
        facts: facts::phi2,
    },
    Family {
        architectures: &["Phi3ForCausalLM"],
        arch: "phi3",
        defaults: || {
            json!({"max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
                   "original_max_position_embeddings": 4096})
        },
        rules: &[PHI3, DECODER],
        facts: facts::phi3,
    },
    Family {
        architectures: &["Qwen2ForCausalLM", "Qwen2Model"],
        arch: "qwen2",
        defaults: || {
            json!({"max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28})
        },
        rules: &[DECODER],
        facts: facts::qwen,
    },
    Family {
        architectures: &["Qwen2MoeForCausalLM"],
        arch: "qwen2moe",
        defaults: || {
            json!({"max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
                   "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
                   "num_experts": 60, "num_experts_per_tok": 4, "norm_topk_prob": false})
        },
        rules: &[QWEN_EXPERTS, FUSED_EXPERTS, DECODER],
        facts: facts::qwen_experts,
    },
    Family {
        architectures: &["Qwen3ForCausalLM", "Qwen3Model"],
        arch: "qwen3",
        defaults: || {
            json!({"max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "head_dim": 128, "use_sliding_window": false, "sliding_window": 4096,
                   "max_window_layers": 28})
        },
        rules: &[QK_NORM, DECODER],
        facts: facts::qwen,
    },
    Family {
        architectures: &["Qwen3MoeForCausalLM"],
        arch: "qwen3moe",
        defaults: || {
            json!({"max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "use_sliding_window": false, "sliding_window": 4096,
                   "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
                   "norm_topk_prob": false, "num_key_value_heads": 4})
        },
        rules: &[QK_NORM, QWEN_EXPERTS, FUSED_EXPERTS, DECODER],
        facts: facts::qwen_experts,
    },
    Family {
        architectures: &["GemmaForCausalLM"],
        arch: "gemma",
        defaults: || {
            json!({"max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "head_dim": 256, "tie_word_embeddings": true})
        },
        rules: &[GEMMA_NORMS, GEMMA, DECODER],
        facts: facts::gemma,
    },
    Family {
        architectures: &["Gemma2ForCausalLM"],
        arch: "gemma2",
        defaults: || {
            json!({"max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
                   "head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096,
                   "sliding_window_pattern": 2, "query_pre_attn_scalar": 256,
                   "tie_word_embeddings": true})
        },
        rules: &[GEMMA_NORMS, GEMMA_AROUND, DECODER],
        facts: facts::gemma2,
    },
    Family {
        architectures: &["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
        arch: "gemma3",
        defaults: || {
            json!({"max_position_embeddings": 131_072, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
                   "rope_local_base_freq": 1e4, "head_dim": 256, "num_attention_heads": 8,
                   "num_key_value_heads": 4, "sliding_window": 4096, "sliding_window_pattern": 6,
                   "query_pre_attn_scalar": 256, "tie_word_embeddings": true})
        },
        rules: &[GEMMA_NORMS, GEMMA_AROUND, DECODER],
        facts: facts::gemma3,
    },
    Family {
        architectures: &["GPT2LMHeadModel", "GPT2Model"],
        arch: "gpt2",
        defaults: || json!({"n_positions": 1024, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true}),
        rules: &[GPT2],
        facts: facts::gpt2,
    },
    Family {
        architectures: &["StableLmForCausalLM", "StableLMEpochForCausalLM"],
        arch: "stablelm",
        defaults: || {
            json!({"max_position_embeddings": 4096, "layer_norm_eps": 1e-5, "rope_theta": 1e4,
                   "partial_rotary_factor": 0.25, "use_parallel_residual": false})
        },
        rules: &[STABLELM, DECODER],
        facts: facts::stablelm,
    },
    Family {
        architectures: &["Olmo2ForCausalLM"],
        arch: "olmo2",
        defaults: || json!({"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 1e4}),
        rules: &[OLMO2, QK_NORM, DECODER],
        facts: facts::olmo2,
    },
    Family {
        architectures: &["Olmo3ForCausalLM"],
        arch: "olmo2",
        defaults: || {
            json!({"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 5e5,
                   "sliding_window": 4096, "sliding_window_pattern": 4})
        },
        rules: &[OLMO2, QK_NORM, DECODER],
        facts: facts::olmo2,
    },
    Family {
        architectures: &["BertModel", "BertForMaskedLM"],
        arch: "bert",
        defaults: || json!({"max_position_embeddings": 512, "layer_norm_eps": 1e-12, "type_vocab_size": 2}),
        rules: &[ENCODER, BERT],
        facts: facts::bert,
    },
    Family {
        architectures: &["NomicBertModel"],
        arch: "nomic-bert",
        defaults: || json!({"layer_norm_epsilon": 1e-12, "type_vocab_size": 2}),
        rules: &[ENCODER, NOMIC_BERT],
        facts: facts::nomic_bert,
    },
];

/// The family that the configuration names.
pub(super) fn find(config: &Config) -> Result<&'static Family, HuggingFaceError> {
    let names = config.optional_strs("architectures")?.unwrap_or_default();
    let Some(&name) = names.first() else { return Err(config.missing(&["architectures"])) };
    FAMILIES.iter().find(|family| family.architectures.contains(&name)).ok_or_else(|| {
        let known: Vec<_> =
            FAMILIES.iter().flat_map(|family| family.architectures).copied().collect();
        config.unsupported("architectures", name, format!("these are: {}", known.join(", ")))
    })
}
