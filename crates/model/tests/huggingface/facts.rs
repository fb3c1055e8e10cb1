//! What becomes of `config.json` and `generation_config.json`.

use mynah_model::checkpoint::{Metadata, Value};
use mynah_model::huggingface::{self, Folder};
use serde_json::{Value as Json, json};

use crate::build::{Weights, llama, numbers, read, read_with, with};

/// Enough tensors for a few layers.
fn weights() -> Weights {
    (0..8).fold(Weights::default(), |all, layer| {
        all.count(&format!("model.layers.{layer}.mlp.up_proj.weight"), &[12, 8])
    })
}

fn facts(config: &Json) -> Metadata {
    read(config, &weights()).expect("a valid folder").metadata
}

fn llama_with(more: Json) -> Json {
    with(llama(), more)
}

#[test]
fn defaults_are_those_of_the_architecture() {
    let facts = facts(&llama());
    let expected = [
        ("general.architecture", Value::from("llama")),
        ("general.file_type", Value::U32(0)),
        ("general.name", Value::from("test")),
        ("general.quantization_version", Value::U32(2)),
        ("general.type", Value::from("model")),
        ("llama.attention.head_count", Value::U32(2)),
        ("llama.attention.head_count_kv", Value::U32(1)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ("llama.block_count", Value::U32(1)),
        ("llama.context_length", Value::U32(2048)),
        ("llama.embedding_length", Value::U32(8)),
        ("llama.feed_forward_length", Value::U32(12)),
        ("llama.rope.dimension_count", Value::U32(4)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("llama.vocab_size", Value::U32(3)),
    ];
    assert_eq!(facts, expected.into());
}

#[test]
fn null_is_absence() {
    let config = llama_with(json!({"head_dim": null, "num_key_value_heads": null,
                                   "rope_scaling": null, "quantization_config": null}));
    assert_eq!(facts(&config).u32("llama.attention.head_count_kv"), Ok(2));
}

#[test]
fn rotation_is_stretched_as_the_configuration_says() {
    let scaled = |rope: Json| facts(&llama_with(json!({"rope_scaling": rope})));
    let linear = scaled(json!({"type": "linear", "factor": 2.5}));
    assert_eq!(linear.str("llama.rope.scaling.type"), Ok("linear"));
    assert_eq!(linear.f32("llama.rope.scaling.factor"), Ok(2.5));

    let yarn = json!({"rope_type": "yarn", "factor": 4.0, "beta_fast": 8, "attention_factor": 1.25,
                      "original_max_position_embeddings": 512});
    let yarn = scaled(yarn);
    assert_eq!(yarn.u32("llama.rope.scaling.original_context_length"), Ok(512));
    assert_eq!(yarn.f32("llama.rope.scaling.yarn_beta_fast"), Ok(8.0));
    assert_eq!(yarn.f32("llama.rope.scaling.yarn_attn_factor"), Ok(1.25));

    // Two weights of the logarithm, as DeepSeek has them.
    let expected = (0.1 * 4f64.ln() + 1.0) / (0.05 * 4f64.ln() + 1.0);
    let mscale = scaled(json!({"rope_type": "yarn", "factor": 4.0, "mscale": 1.0,
                               "mscale_all_dim": 0.5}));
    assert_eq!(mscale.f32("llama.rope.scaling.yarn_attn_factor"), Ok(expected as f32));

    // The newer name of the object, which holds the base too.
    let newer = json!({"rope_parameters": {"rope_type": "default", "rope_theta": 777.0}});
    assert_eq!(facts(&llama_with(newer)).f32("llama.rope.freq_base"), Ok(777.0));
}

#[test]
fn llama_3_stretches_long_waves() {
    let config = llama_with(json!({"head_dim": 8, "rope_theta": 500_000.0, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192}}));
    let weights = weights();
    let model = read(&config, &weights).unwrap();
    let factors = numbers(&model, "rope_freqs.weight");
    // Waves of 6.3, 167, 4443 and 118139 positions; the third lies between 8192 / 4 and 8192.
    assert_eq!(factors.len(), 4);
    assert_eq!([factors[0], factors[1], factors[3]], [1.0, 1.0, 8.0]);
    let wave = std::f64::consts::TAU * 500_000f64.sqrt();
    let smooth = (8192.0 / wave - 1.0) / 3.0;
    assert!((f64::from(factors[2]) - 1.0 / ((1.0 - smooth) / 8.0 + smooth)).abs() < 1e-6);
}

#[test]
fn phi_3_has_a_factor_for_each_pair() {
    let config = llama_with(json!({"architectures": ["Phi3ForCausalLM"],
        "max_position_embeddings": 4096, "original_max_position_embeddings": 1024,
        "rope_scaling": {"type": "su", "short_factor": [1.0, 1.5], "long_factor": [2, 3.5]}}));
    let weights = weights();
    let model = read(&config, &weights).unwrap();
    assert_eq!(numbers(&model, "rope_factors_short.weight"), [1.0, 1.5]);
    assert_eq!(numbers(&model, "rope_factors_long.weight"), [2.0, 3.5]);
    assert_eq!(model.metadata.u32("phi3.rope.scaling.original_context_length"), Ok(1024));
    // The root of 1 + ln 4 / ln 1024.
    assert_eq!(model.metadata.f32("phi3.rope.scaling.attn_factor"), Ok(1.095_445_1));
    assert_eq!(model.metadata.u32("phi3.attention.sliding_window"), Ok(0));
}

#[test]
fn windows_hold_where_the_configuration_says() {
    let window = |config: &Json, arch: &str| {
        let facts = facts(config);
        let layers = facts.get(&format!("{arch}.attention.sliding_window_pattern")).cloned();
        (facts.u32(&format!("{arch}.attention.sliding_window")).ok(), layers)
    };
    let mistral = json!({"architectures": ["MistralForCausalLM"], "sliding_window": 7});
    assert_eq!(window(&llama_with(mistral), "llama"), (Some(7), None));
    let qwen = |used: bool| {
        llama_with(json!({"architectures": ["Qwen2ForCausalLM"], "sliding_window": 5,
            "use_sliding_window": used, "max_window_layers": 2, "num_hidden_layers": 4}))
    };
    assert_eq!(window(&qwen(false), "qwen2"), (None, None));
    let last_two = Value::Bools(vec![false, false, true, true]);
    assert_eq!(window(&qwen(true), "qwen2"), (Some(5), Some(last_two)));
    let gemma = |every: u32| {
        llama_with(json!({"architectures": ["Gemma3ForCausalLM"], "sliding_window": 9,
            "num_hidden_layers": 7, "sliding_window_pattern": every}))
    };
    assert_eq!(window(&gemma(6), "gemma3"), (Some(9), None), "as the architecture has it");
    let odd = Value::Bools([true, false].into_iter().cycle().take(7).collect());
    assert_eq!(window(&gemma(2), "gemma3"), (Some(9), Some(odd)));
}

#[test]
fn smollm_3_leaves_out_positions() {
    let config = |more| {
        let base = json!({"architectures": ["SmolLM3ForCausalLM"], "num_hidden_layers": 4});
        facts(&with(llama_with(base), more))
    };
    let key = "smollm3.attention.rope_pattern";
    assert_eq!(config(json!({})).get(key), None, "every fourth, as llama.cpp has it");
    assert_eq!(config(json!({"no_rope_layers": [1, 1, 1, 0]})).get(key), None);
    let bools = |bools: [bool; 4]| Value::Bools(bools.to_vec());
    assert_eq!(
        config(json!({"no_rope_layers": [1, 0, 1, 1]})).get(key),
        Some(&bools([true, false, true, true]))
    );
    assert_eq!(
        config(json!({"no_rope_layer_interval": 2})).get(key),
        Some(&bools([true, false, true, false]))
    );
}

#[test]
fn only_unusual_functions_are_named() {
    let named = |more| {
        let facts = facts(&llama_with(more));
        facts.get("llama.hidden_activation").and_then(|v| v.as_str().map(str::to_owned))
    };
    assert_eq!(named(json!({"hidden_act": "silu"})), None);
    assert_eq!(named(json!({"hidden_act": "swish"})), None);
    assert_eq!(named(json!({"hidden_act": "gelu_new"})).as_deref(), Some("gelu_pytorch_tanh"));
    assert_eq!(named(json!({"hidden_act": "gelu"})).as_deref(), Some("gelu"));
}

#[test]
fn gemma_2_says_its_scale_and_caps() {
    let gemma = json!({"architectures": ["Gemma2ForCausalLM"], "head_dim": 16,
        "query_pre_attn_scalar": 64, "attn_logit_softcapping": 50.0, "final_logit_softcapping": null});
    let facts = facts(&llama_with(gemma));
    assert_eq!(facts.f32("gemma2.attention.scale"), Ok(0.125));
    assert_eq!(facts.f32("gemma2.attn_logit_softcapping"), Ok(50.0));
    assert_eq!(facts.get("gemma2.final_logit_softcapping"), None);
    assert_eq!(facts.u32("gemma2.attention.key_length"), Ok(16));
}

#[test]
fn a_configuration_of_several_media_is_read_for_its_text() {
    let text = json!({"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1});
    let config = json!({"architectures": ["Gemma3ForConditionalGeneration"],
                        "vision_config": {"hidden_size": 99}, "text_config": text});
    let weights = Weights::default()
        .count("language_model.model.norm.weight", &[8])
        .count("vision_tower.vision_model.post_layernorm.weight", &[9])
        .count("multi_modal_projector.mm_soft_emb_norm.weight", &[9]);
    let model = read(&config, &weights).unwrap();
    assert_eq!(model.metadata.u32("gemma3.embedding_length"), Ok(8));
    assert_eq!(model.metadata.u32("gemma3.attention.head_count"), Ok(8));
    assert_eq!(model.tensors.keys().collect::<Vec<_>>(), ["output_norm.weight"]);
}

#[test]
fn tokens_come_from_the_tokenizer_first() {
    let config =
        llama_with(json!({"bos_token_id": 1, "eos_token_id": [5, 6], "pad_token_id": null}));
    let tokenizer = Metadata::from([("tokenizer.ggml.bos_token_id", Value::U32(42))]);
    let read = |generation| {
        read_with(&config, &weights(), tokenizer.clone(), generation).unwrap().metadata
    };
    let facts = read(None);
    assert_eq!(facts.u32("tokenizer.ggml.bos_token_id"), Ok(42));
    assert_eq!(facts.u32("tokenizer.ggml.eos_token_id"), Ok(5));
    assert_eq!(facts.get("tokenizer.ggml.padding_token_id"), None);
    assert_eq!(facts["tokenizer.ggml.eos_token_ids"], Value::U32s(vec![5, 6]));
    let facts = read(Some(json!({"eos_token_id": [7, 8, 9], "temperature": 0.6, "top_k": 20,
                                 "top_p": 0.95, "repetition_penalty": 1})));
    assert_eq!(facts["tokenizer.ggml.eos_token_ids"], Value::U32s(vec![7, 8, 9]));
    assert_eq!(facts["general.sampling.temp"], Value::F32(0.6));
    assert_eq!(facts["general.sampling.top_k"], Value::I32(20));
    assert_eq!(facts["general.sampling.penalty_repeat"], Value::F32(1.0));
}

#[test]
fn encoders_say_how_they_pool() {
    let config = json!({"architectures": ["BertModel"], "hidden_size": 8, "intermediate_size": 12,
        "num_hidden_layers": 1, "num_attention_heads": 2, "position_embedding_type": "absolute"});
    let weights = Weights::default().count("bert.embeddings.LayerNorm.gamma", &[8]);
    let read = |pooling: &Json| {
        huggingface::checkpoint(Folder {
            name: "test",
            config: config.to_string().as_bytes(),
            generation_config: None,
            pooling_config: Some(pooling.to_string().as_bytes()),
            tokenizer_metadata: Metadata::new(),
            tensors: weights.tensors(),
        })
    };
    for (pooling, kind) in [
        (json!({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}), 1),
        (json!({"pooling_mode_cls_token": true}), 2),
        (json!({"pooling_mode": "lasttoken"}), 3),
    ] {
        let model = read(&pooling).unwrap();
        assert_eq!(model.metadata.u32("bert.pooling_type"), Ok(kind));
        assert_eq!(model.metadata.bool("bert.attention.causal"), Ok(false));
        assert_eq!(model.metadata.u32("tokenizer.ggml.token_type_count"), Ok(2));
        assert_eq!(model.tensors.keys().collect::<Vec<_>>(), ["token_embd_norm.weight"]);
    }
    assert_eq!(
        read(&json!({"pooling_mode_max_tokens": true})).unwrap_err().to_string(),
        "`pooling_mode` in 1_Pooling/config.json is none of mean, cls, lasttoken, which is not \
         supported; these are: mean, cls, lasttoken"
    );
}
