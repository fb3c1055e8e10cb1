//! Names, order of rows and types of tensors.

use mynah_kernels::format::Format;
use mynah_model::checkpoint::{Data, Metadata, Value};
use mynah_model::safetensors::Dtype;
use serde_json::json;

use crate::build::{Weights, llama, numbers, read, read_with, with};

#[test]
fn rows_of_heads_become_neighbours() {
    let weights = Weights::default()
        .count("model.layers.0.self_attn.q_proj.weight", &[8, 1])
        .count("model.layers.0.self_attn.q_proj.bias", &[8])
        .count("model.layers.0.self_attn.k_proj.weight", &[4, 2])
        .count("model.layers.0.self_attn.v_proj.weight", &[4, 1]);
    let model = read(&llama(), &weights).unwrap();
    let halves_to_neighbours = [0., 2., 1., 3., 4., 6., 5., 7.];
    assert_eq!(numbers(&model, "blk.0.attn_q.weight"), halves_to_neighbours);
    assert_eq!(numbers(&model, "blk.0.attn_q.bias"), halves_to_neighbours);
    assert_eq!(numbers(&model, "blk.0.attn_k.weight"), [0., 1., 4., 5., 2., 3., 6., 7.]);
    assert_eq!(numbers(&model, "blk.0.attn_v.weight"), [0., 1., 2., 3.]);
    assert_eq!(model.tensors["blk.0.attn_k.weight"].shape, [2, 4], "the length of a row first");
    let qwen = with(llama(), json!({"architectures": ["Qwen2ForCausalLM"]}));
    let model = read(&qwen, &weights).unwrap();
    assert_eq!(numbers(&model, "blk.0.attn_q.bias"), [0., 1., 2., 3., 4., 5., 6., 7.]);
}

#[test]
fn names_come_with_any_prefix_or_none() {
    for prefix in ["", "model.", "model.language_model.", "language_model.model."] {
        let weights = Weights::default()
            .count(&format!("{prefix}embed_tokens.weight"), &[3, 8])
            .count(&format!("{prefix}layers.0.mlp.up_proj.weight"), &[12, 8]);
        let model = read(&llama(), &weights).unwrap();
        assert_eq!(
            model.tensors.keys().collect::<Vec<_>>(),
            ["blk.0.ffn_up.weight", "token_embd.weight"],
            "{prefix}"
        );
    }
}

#[test]
fn what_needs_no_change_is_not_copied() {
    let weights = Weights::default()
        .add("model.embed_tokens.weight", Dtype::BF16, &[3, 8], vec![1; 48])
        .add("lm_head.weight", Dtype::F16, &[3, 8], vec![2; 48])
        .count("model.norm.weight", &[8]);
    let tensors = weights.tensors();
    let model = read(&llama(), &weights).unwrap();
    for (ours, theirs, format) in [
        ("token_embd.weight", "model.embed_tokens.weight", Format::BF16),
        ("output.weight", "lm_head.weight", Format::F16),
        ("output_norm.weight", "model.norm.weight", Format::F32),
    ] {
        let tensor = &model.tensors[ours];
        let Data::Stored(bytes) = tensor.data else { panic!("{ours} is derived") };
        assert_eq!(bytes.as_ptr(), tensors[theirs].bytes.as_ptr());
        assert_eq!(tensor.format, format);
    }
}

#[test]
fn vectors_become_single_precision() {
    // 1.5 in each type.
    let f16 = 0x3e00_u16.to_le_bytes().repeat(8);
    let bf16 = 0x3fc0_u16.to_le_bytes().repeat(8);
    let f64s = 1.5f64.to_le_bytes().repeat(8);
    for (dtype, bytes) in [(Dtype::F16, f16), (Dtype::BF16, bf16), (Dtype::F64, f64s)] {
        let weights = Weights::default().add("model.norm.weight", dtype, &[8], bytes);
        let model = read(&llama(), &weights).unwrap();
        assert_eq!(numbers(&model, "output_norm.weight"), [1.5; 8], "{dtype}");
    }
    let router = Weights::default().add(
        "model.layers.0.block_sparse_moe.gate.weight",
        Dtype::BF16,
        &[2, 8],
        0x3fc0_u16.to_le_bytes().repeat(16),
    );
    let config =
        with(llama(), json!({"architectures": ["MixtralForCausalLM"], "num_local_experts": 2}));
    let model = read(&config, &router).unwrap();
    assert_eq!(numbers(&model, "blk.0.ffn_gate_inp.weight"), [1.5; 16]);
}

#[test]
fn the_norms_of_gemma_gain_one() {
    let config = with(llama(), json!({"architectures": ["Gemma2ForCausalLM"]}));
    let names = [
        ("model.norm.weight", "output_norm.weight"),
        ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"),
        ("model.layers.0.post_attention_layernorm.weight", "blk.0.post_attention_norm.weight"),
        ("model.layers.0.pre_feedforward_layernorm.weight", "blk.0.ffn_norm.weight"),
        ("model.layers.0.post_feedforward_layernorm.weight", "blk.0.post_ffw_norm.weight"),
    ];
    let weights = names.iter().fold(Weights::default(), |all, (name, _)| all.count(name, &[3]));
    let model = read(&config, &weights).unwrap();
    assert_eq!(model.tensors.len(), names.len());
    for (_, name) in names {
        assert_eq!(numbers(&model, name), [1., 2., 3.], "{name}");
    }
}

#[test]
fn the_layers_of_gpt2_are_turned() {
    let config = json!({"architectures": ["GPT2LMHeadModel"], "n_embd": 2, "n_layer": 1,
                        "n_head": 1, "vocab_size": 3});
    let weights = Weights::default()
        .count("transformer.h.0.mlp.c_fc.weight", &[2, 3])
        .count("transformer.h.0.mlp.c_fc.bias", &[3])
        .count("h.0.attn.bias", &[1, 1, 4, 4])
        .count("transformer.wpe.weight", &[4, 2]);
    let model = read(&config, &weights).unwrap();
    assert_eq!(model.tensors["blk.0.ffn_up.weight"].shape, [2, 3]);
    assert_eq!(numbers(&model, "blk.0.ffn_up.weight"), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(numbers(&model, "blk.0.ffn_up.bias"), [0., 1., 2.]);
    assert_eq!(model.tensors["position_embd.weight"].shape, [2, 4]);
    assert_eq!(model.tensors.len(), 3, "the mask is left out");
}

#[test]
fn the_rows_of_falcon_are_sorted() {
    // Two groups of two query heads, a key head and a value head, of two rows each.
    let config = json!({"architectures": ["FalconForCausalLM"], "hidden_size": 8,
                        "num_hidden_layers": 1, "num_attention_heads": 4, "num_kv_heads": 2,
                        "new_decoder_architecture": true});
    let weights =
        Weights::default().count("transformer.h.0.self_attention.query_key_value.weight", &[16, 1]);
    let model = read(&config, &weights).unwrap();
    assert_eq!(
        numbers(&model, "blk.0.attn_qkv.weight"),
        [0., 1., 2., 3., 8., 9., 10., 11., 4., 5., 12., 13., 6., 7., 14., 15.]
    );
    // One key head for all: nothing to sort. Every query head with its own: everything.
    for (multi_query, n_rows, expected) in
        [(true, 12, [0., 1., 2., 3.]), (false, 24, [0., 1., 6., 7.])]
    {
        let config = with(
            config.clone(),
            json!({"new_decoder_architecture": false, "multi_query": multi_query}),
        );
        let weights = Weights::default()
            .count("transformer.h.0.self_attention.query_key_value.weight", &[n_rows, 1]);
        let model = read(&config, &weights).unwrap();
        assert_eq!(numbers(&model, "blk.0.attn_qkv.weight")[..4], expected, "{multi_query}");
    }
}

#[test]
fn experts_are_stacked_by_number() {
    let config =
        with(llama(), json!({"architectures": ["MixtralForCausalLM"], "num_local_experts": 11}));
    let weights = (0..11).fold(Weights::default(), |all, expert| {
        let bytes = (expert as f32).to_le_bytes().repeat(2);
        let name = format!("model.layers.0.block_sparse_moe.experts.{expert}.w2.weight");
        all.add(&name, Dtype::F32, &[2, 1], bytes)
    });
    let model = read(&config, &weights).unwrap();
    assert_eq!(model.tensors["blk.0.ffn_down_exps.weight"].shape, [1, 2, 11]);
    let expected: Vec<f32> = (0..11).flat_map(|expert| [expert as f32; 2]).collect();
    assert_eq!(numbers(&model, "blk.0.ffn_down_exps.weight"), expected);
}

#[test]
fn experts_in_one_tensor_are_parted() {
    let config = with(llama(), json!({"architectures": ["Qwen3MoeForCausalLM"], "num_experts": 2}));
    let weights = Weights::default()
        .count("model.layers.0.mlp.experts.gate_up_proj", &[2, 4, 1])
        .count("model.layers.0.mlp.experts.down_proj", &[2, 1, 2]);
    let model = read(&config, &weights).unwrap();
    assert_eq!(numbers(&model, "blk.0.ffn_gate_exps.weight"), [0., 1., 4., 5.]);
    assert_eq!(numbers(&model, "blk.0.ffn_up_exps.weight"), [2., 3., 6., 7.]);
    assert_eq!(model.tensors["blk.0.ffn_up_exps.weight"].shape, [1, 2, 2]);
    assert_eq!(model.tensors["blk.0.ffn_down_exps.weight"].shape, [2, 1, 2]);
}

#[test]
fn a_tied_output_is_left_out() {
    let weights = Weights::default()
        .count("model.embed_tokens.weight", &[3, 8])
        .count("lm_head.weight", &[3, 8]);
    for (tied, n_tensors) in [(false, 2), (true, 1)] {
        let config = with(llama(), json!({"tie_word_embeddings": tied}));
        assert_eq!(read(&config, &weights).unwrap().tensors.len(), n_tensors);
    }
}

#[test]
fn tokens_and_rows_become_equally_many() {
    let tokens = Metadata::from([
        ("tokenizer.ggml.tokens", Value::Strings(["a", "b"].into_iter().collect())),
        ("tokenizer.ggml.token_type", Value::I32s(vec![1, 1])),
        ("tokenizer.ggml.scores", Value::F32s(vec![-1.0, -2.0])),
    ]);
    let weights = Weights::default().count("model.embed_tokens.weight", &[4, 8]);
    let model = read_with(&llama(), &weights, tokens.clone(), None).unwrap();
    let found = model.metadata.strings("tokenizer.ggml.tokens").unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), ["a", "b", "[PAD2]", "[PAD3]"]);
    assert_eq!(model.metadata.i32s("tokenizer.ggml.token_type"), Ok(vec![1, 1, 5, 5]));
    let scores = model.metadata.f32s("tokenizer.ggml.scores").unwrap();
    assert_eq!(scores, [-1.0, -2.0, -10_000.0, -10_000.0]);

    let gemma = with(llama(), json!({"architectures": ["Gemma3ForCausalLM"]}));
    let model = read_with(&gemma, &weights, tokens.clone(), None).unwrap();
    assert_eq!(model.metadata.strings("tokenizer.ggml.tokens").unwrap().len(), 2);
    assert_eq!(model.tensors["token_embd.weight"].shape, [8, 2]);
    assert_eq!(numbers(&model, "token_embd.weight").len(), 16);

    let weights = Weights::default().count("model.embed_tokens.weight", &[1, 8]);
    assert_eq!(
        read_with(&llama(), &weights, tokens, None).unwrap_err(),
        "the tokenizer has 2 tokens, but `token_embd.weight` has 1 rows"
    );
}
