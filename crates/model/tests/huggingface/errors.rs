//! Folders that cannot be read: the error names the field or the tensor.

use mynah_model::checkpoint::Metadata;
use mynah_model::huggingface::{self, Folder};
use mynah_model::safetensors::Dtype;
use serde_json::{Value as Json, json};

use crate::build::{Weights, llama, read, with};

fn one_layer() -> Weights {
    Weights::default().count("model.layers.0.mlp.up_proj.weight", &[12, 8])
}

#[track_caller]
fn check(more: Json, message: &str) {
    let mut config = with(llama(), more);
    if let Json::Object(fields) = &mut config {
        fields.retain(|_, value| value != "absent");
    }
    assert_eq!(read(&config, &one_layer()).expect_err("this was read"), message);
}

#[test]
fn fields_must_be_there_and_make_sense() {
    check(json!({"hidden_size": "absent"}), "config.json has no `hidden_size`");
    check(json!({"architectures": "absent"}), "config.json has no `architectures`");
    check(json!({"architectures": []}), "config.json has no `architectures`");
    for (value, said) in [
        (json!(-1), "-1"),
        (json!("8"), "\"8\""),
        (json!(1.5), "1.5"),
        (json!(4_294_967_296u64), "4294967296"),
        (json!([[1, 2, 3], "x".repeat(200)]), &format!("[[1,2,3],\"{}…", "x".repeat(50))),
    ] {
        check(
            json!({"hidden_size": value}),
            &format!(
                "`hidden_size` in config.json is {said}, expected a whole number that fits 32 bits"
            ),
        );
    }
    check(
        json!({"rope_scaling": {"type": "linear", "factor": "2"}}),
        "`rope_scaling.factor` in config.json is \"2\", expected a number",
    );
    check(json!({"rope_scaling": {"type": "linear"}}), "config.json has no `rope_scaling.factor`");
    check(
        json!({"tie_word_embeddings": 1}),
        "`tie_word_embeddings` in config.json is 1, expected true or false",
    );
    check(json!({"rope_scaling": []}), "`rope_scaling` in config.json is [], expected an object");
    check(
        json!({"eos_token_id": [1, -1]}),
        "`eos_token_id` in config.json is [1,-1], expected a token or a list of tokens",
    );
}

#[test]
fn what_is_not_supported_is_said() {
    let config = with(llama(), json!({"architectures": ["RwkvForCausalLM"]}));
    let error = read(&config, &one_layer()).unwrap_err();
    assert!(
        error.starts_with(
            "`architectures` in config.json is RwkvForCausalLM, which is not supported; these \
             are: LlamaForCausalLM, "
        ),
        "{error}"
    );
    check(
        json!({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
        "`rope_scaling.rope_type` in config.json is dynamic, which is not supported; these are: \
         default, linear, yarn, longrope, llama3",
    );
    check(
        json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}),
        "`quantization_config` in config.json is gptq, which is not supported; take the folder \
         with the original weights and quantize it with `mynah quantize`",
    );
    check(
        json!({"hidden_act": "xielu"}),
        "`hidden_act` in config.json is xielu, which is not supported; these are: silu, gelu, \
         gelu_pytorch_tanh, relu, relu2",
    );
    check(
        json!({"architectures": ["FalconForCausalLM"], "alibi": true}),
        "`alibi` in config.json is true, which is not supported; it must be false",
    );
    check(
        json!({"architectures": ["Gemma3ForCausalLM"], "layer_types": ["linear_attention"]}),
        "`layer_types` in config.json is linear_attention, which is not supported; these are: \
         sliding_attention, full_attention",
    );
    check(
        json!({"architectures": ["Phi3ForCausalLM"], "rope_scaling":
            {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}),
        "`rope_scaling.long_factor` in config.json is 1 long, which is not supported; 2 pairs of \
         numbers are rotated",
    );
}

#[test]
fn sizes_are_bounded_by_the_weights() {
    check(
        json!({"num_hidden_layers": 4_000_000_000u32}),
        "`num_hidden_layers` in config.json is 4000000000, which is not supported; the weights \
         are 1 tensors",
    );
    check(
        json!({"head_dim": 4_000_000_000u32, "rope_scaling": {"type": "llama3", "factor": 8,
               "low_freq_factor": 1, "high_freq_factor": 4}}),
        "`head_dim` in config.json is 4000000000, which is not supported; it is at most 65536",
    );
    check(
        json!({"num_attention_heads": 0}),
        "`num_attention_heads` in config.json is 0, which is not supported; it must divide \
         `hidden_size`, 8",
    );
}

#[test]
fn tensors_must_fit_the_architecture() {
    let error = |weights: Weights, more: Json| read(&with(llama(), more), &weights).unwrap_err();
    let plain =
        |name: &str, shape: &[usize]| error(Weights::default().count(name, shape), json!({}));
    assert_eq!(
        plain("model.layers.0.extra.weight", &[1]),
        "tensor `model.layers.0.extra.weight` is not one of architecture llama"
    );
    assert_eq!(
        plain("model.layers.0.self_attn.q_proj.weight", &[6, 8]),
        "tensor `model.layers.0.self_attn.q_proj.weight` has the shape [6, 8]: expected 2 heads \
         of an even number of rows"
    );
    assert_eq!(
        plain("model.norm.weight", &[0]),
        "tensor `model.norm.weight` has the shape [0]: a size is 0"
    );
    assert_eq!(
        plain("model.norm.weight", &[1, 1, 1, 1, 1]),
        "tensor `model.norm.weight` has the shape [1, 1, 1, 1, 1]: a tensor has 1 to 4 dimensions"
    );
    let same = one_layer().count("layers.0.mlp.up_proj.weight", &[12, 8]);
    assert_eq!(
        error(same, json!({})),
        "tensor `model.layers.0.mlp.up_proj.weight` takes the place of another one, \
         `blk.0.ffn_up.weight`"
    );
    for (dtype, n) in [(Dtype::F8_E4M3, 8), (Dtype::I64, 64), (Dtype::U8, 8)] {
        let weights = Weights::default().add("model.norm.weight", dtype, &[8], vec![0; n]);
        assert_eq!(
            error(weights, json!({})),
            format!(
                "tensor `model.norm.weight` is stored as {dtype}; F32, F16, BF16 and F64 are read"
            )
        );
    }
    let unused = Weights::default().add(
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        Dtype::I8,
        &[1],
        vec![0],
    );
    assert!(read(&llama(), &unused).is_ok(), "what is left out may be of any type");
}

#[test]
fn experts_must_be_complete_and_alike() {
    let config =
        with(llama(), json!({"architectures": ["MixtralForCausalLM"], "num_local_experts": 3}));
    let name =
        |expert: usize| format!("model.layers.0.block_sparse_moe.experts.{expert}.w1.weight");
    let experts = |list: &[(usize, [usize; 2])]| {
        let add =
            |all: Weights, (expert, shape): &(usize, [usize; 2])| all.count(&name(*expert), shape);
        list.iter().fold(Weights::default(), add)
    };
    let error = |weights: Weights| read(&config, &weights).unwrap_err();
    assert_eq!(
        error(experts(&[(0, [2, 8]), (2, [2, 8])])),
        "tensor `blk.0.ffn_gate_exps.weight` needs 3 parts, but number 1 is missing"
    );
    assert_eq!(
        error(experts(&[(0, [2, 8]), (1, [2, 8]), (2, [2, 8]), (3, [2, 8])])),
        format!("tensor `{}` has the shape [2, 8]: it is number 3 of 3, counted from 0", name(3))
    );
    assert_eq!(
        error(experts(&[(0, [2, 8]), (1, [8, 2]), (2, [2, 8])])),
        format!(
            "tensor `{}` has the shape [8, 2]: `{}` beside it is F32 of shape [2, 8]",
            name(1),
            name(0)
        )
    );
}

#[test]
fn files_must_be_json_objects() {
    let weights = one_layer();
    let read = |config: &[u8], generation: &[u8]| {
        let folder = Folder {
            name: "test",
            config,
            generation_config: Some(generation),
            pooling_config: None,
            tokenizer_metadata: Metadata::new(),
            tensors: weights.tensors(),
        };
        huggingface::checkpoint(folder).map(|_| ()).map_err(|error| error.to_string())
    };
    let config = llama().to_string();
    assert_eq!(read(config.as_bytes(), b"{}"), Ok(()));
    assert_eq!(
        read(b"{\"a\": }", b"{}").unwrap_err(),
        "config.json is wrong: expected value at line 1 column 7"
    );
    let error = read(b"[1]", b"{}").unwrap_err();
    assert!(error.starts_with("config.json is wrong: invalid type: sequence"), "{error}");
    let error = read(config.as_bytes(), b"").unwrap_err();
    assert!(error.starts_with("generation_config.json is wrong: EOF"), "{error}");
    assert_eq!(
        read(config.as_bytes(), b"{\"top_k\": -1}").unwrap_err(),
        "`top_k` in generation_config.json is -1, expected a whole number that fits 32 bits"
    );
}
