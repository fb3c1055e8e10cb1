//! Random models of every architecture, in memory: for tests of bad input and of exactness, which
//! need no other implementation to compare with.

use mynah_kernels::format::{Format, quantize};

use crate::checkpoint::{Checkpoint, Data, Metadata, Tensor, Value};
use crate::vector::decode;

/// Sizes of the models below: no two are the same by accident.
pub(crate) const N_VOCAB: usize = 90;
const N_LAYERS: usize = 4;
const N_HEADS: usize = 6;
const N_KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;
const CONTEXT: usize = 80;

/// Numbers that look random and are always the same.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Any 64 bits (Steele, Lea & Flood 2014, "SplitMix").
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `n - 1`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// From -1 to 1.
    pub(crate) fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// A tensor in single precision.
pub(crate) fn tensor(shape: &[usize], numbers: &[f32]) -> Tensor<'static> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let data = Data::Derived(Box::new(move || bytes.clone()));
    Tensor { shape: shape.to_vec(), format: Format::F32, data }
}

/// A checkpoint while it is made.
pub(crate) struct Tiny {
    pub(crate) checkpoint: Checkpoint<'static>,
    name: &'static str,
    dim: usize,
    width: usize,
    random: Random,
}

/// A random model of this architecture, into whose matrices blocks of 32 fit.
pub(crate) fn tiny(name: &'static str) -> Tiny {
    make(name, 64, 96)
}

/// A random model of this architecture, into most of whose matrices blocks of 256 fit.
pub(crate) fn wide(name: &'static str) -> Tiny {
    make(name, 256, 512)
}

fn make(name: &'static str, dim: usize, width: usize) -> Tiny {
    let checkpoint = Checkpoint::default();
    let mut tiny = Tiny { checkpoint, name, dim, width, random: Random(7) };
    tiny.facts();
    tiny.tensors();
    tiny
}

impl Tiny {
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.checkpoint.metadata.insert(format!("{}.{key}", self.name), value.into());
        self
    }

    /// Adds a random tensor in single precision, around `middle`.
    fn random_tensor(&mut self, name: &str, shape: &[usize], middle: f32) {
        let n: usize = shape.iter().product();
        let spread = if shape.len() == 1 { 0.3 } else { 2.0 / (shape[0] as f32).sqrt() };
        let numbers: Vec<f32> = (0..n).map(|_| middle + spread * self.random.number()).collect();
        self.put(name, shape, &numbers);
    }

    /// Adds or replaces a tensor.
    pub(crate) fn put(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        self.checkpoint.tensors.insert(name.to_owned(), tensor(shape, numbers));
    }

    /// Stores every matrix in this format, if its rows are whole blocks.
    pub(crate) fn quantize(&mut self, format: Format) -> &mut Self {
        for tensor in self.checkpoint.tensors.values_mut() {
            if tensor.shape.len() < 2 || !tensor.row_len().is_multiple_of(format.block_len()) {
                continue;
            }
            let numbers = decode(tensor.format, &tensor.bytes());
            let mut bytes = vec![0; numbers.len() / format.block_len() * format.block_bytes()];
            quantize(format, &numbers, &mut bytes);
            tensor.format = format;
            tensor.data = Data::Derived(Box::new(move || bytes.clone()));
        }
        self
    }

    fn facts(&mut self) {
        self.checkpoint.metadata =
            Metadata::from([("general.architecture", Value::from(self.name))]);
        let sizes = [
            ("embedding_length", self.dim),
            ("block_count", N_LAYERS),
            ("context_length", CONTEXT),
            ("feed_forward_length", self.width),
            ("attention.head_count", N_HEADS),
            ("attention.head_count_kv", N_KV_HEADS),
            ("attention.key_length", HEAD_DIM),
            ("attention.value_length", HEAD_DIM),
        ];
        for (key, size) in sizes {
            self.set(key, size as u32);
        }
        self.set("attention.layer_norm_rms_epsilon", 1e-5);
        self.set("attention.layer_norm_epsilon", 1e-5);
        match self.name {
            "gemma2" => {
                self.set("attention.sliding_window", 5u32).set("attn_logit_softcapping", 20.0);
                self.set("final_logit_softcapping", 8.0);
            }
            "gemma3" | "olmo2" | "phi3" => {
                self.set("attention.sliding_window", 7u32);
            }
            "stablelm" | "phi2" => {
                self.set("rope.dimension_count", 8u32);
            }
            "qwen2moe" | "qwen3moe" => {
                self.set("expert_count", 5u32).set("expert_used_count", 2u32);
                self.set("expert_feed_forward_length", 32u32);
                self.set("expert_shared_feed_forward_length", 64u32);
            }
            _ => {}
        }
    }

    fn norm(&mut self, name: &str) {
        self.random_tensor(&format!("{name}.weight"), &[self.dim], 1.0);
        let layer_norms = ["falcon", "phi2", "gpt2", "stablelm", "bert", "nomic-bert"];
        if layer_norms.contains(&self.name) {
            self.random_tensor(&format!("{name}.bias"), &[self.dim], 0.0);
        }
    }

    fn linear(&mut self, name: &str, cols: usize, rows: usize, bias: bool) {
        self.random_tensor(&format!("{name}.weight"), &[cols, rows], 0.0);
        if bias {
            self.random_tensor(&format!("{name}.bias"), &[rows], 0.0);
        }
    }

    fn tensors(&mut self) {
        let encoder = matches!(self.name, "bert" | "nomic-bert");
        self.random_tensor("token_embd.weight", &[self.dim, N_VOCAB], 0.0);
        if matches!(self.name, "gpt2" | "bert") {
            self.random_tensor("position_embd.weight", &[self.dim, CONTEXT], 0.0);
        }
        if encoder {
            self.random_tensor("token_types.weight", &[self.dim, 2], 0.0);
            self.norm("token_embd_norm");
        } else {
            self.norm("output_norm");
        }
        if matches!(self.name, "phi2" | "stablelm" | "olmo2") {
            self.linear("output", self.dim, N_VOCAB, self.name == "phi2");
        }
        for i in 0..N_LAYERS {
            self.block(i);
        }
    }

    fn block(&mut self, i: usize) {
        let block = |part: &str| format!("blk.{i}.{part}");
        let biases = matches!(self.name, "gpt2" | "phi2" | "bert");
        if self.name == "mynah" {
            self.random_tensor(&block("residual_mix.weight"), &[2], 0.5);
        }
        match self.name {
            "olmo2" => {}
            "bert" | "nomic-bert" => {
                self.norm(&block("attn_output_norm"));
                self.norm(&block("layer_output_norm"));
            }
            "falcon" | "phi2" => self.norm(&block("attn_norm")),
            _ => {
                self.norm(&block("attn_norm"));
                self.norm(&block("ffn_norm"));
            }
        }
        if matches!(self.name, "gemma2" | "gemma3" | "olmo2") {
            self.norm(&block("post_attention_norm"));
            self.norm(&block("post_ffw_norm"));
        }
        let (query, kv) = (N_HEADS * HEAD_DIM, N_KV_HEADS * HEAD_DIM);
        if matches!(self.name, "falcon" | "phi2" | "phi3" | "gpt2" | "nomic-bert") {
            self.linear(&block("attn_qkv"), self.dim, query + 2 * kv, biases);
        } else {
            let biases = biases || matches!(self.name, "qwen2" | "qwen2moe");
            self.linear(&block("attn_q"), self.dim, query, biases);
            self.linear(&block("attn_k"), self.dim, kv, biases);
            self.linear(&block("attn_v"), self.dim, kv, biases);
        }
        for (part, heads) in [("attn_q_norm.weight", N_HEADS), ("attn_k_norm.weight", N_KV_HEADS)] {
            let shape: &[usize] = match self.name {
                "qwen3" | "qwen3moe" | "gemma3" | "mynah" => &[HEAD_DIM],
                "olmo2" => &[heads * HEAD_DIM],
                "stablelm" => &[HEAD_DIM, heads],
                _ => continue,
            };
            self.random_tensor(&block(part), shape, 1.0);
        }
        self.linear(&block("attn_output"), query, self.dim, biases);
        self.feed_forward(i, biases);
    }

    fn feed_forward(&mut self, i: usize, biases: bool) {
        let block = |part: &str| format!("blk.{i}.{part}");
        // The last layer of the models with experts has none.
        if matches!(self.name, "qwen2moe" | "qwen3moe") && i + 1 < N_LAYERS {
            self.random_tensor(&block("ffn_gate_inp.weight"), &[self.dim, 5], 0.0);
            self.random_tensor(&block("ffn_gate_exps.weight"), &[self.dim, 32, 5], 0.0);
            self.random_tensor(&block("ffn_up_exps.weight"), &[self.dim, 32, 5], 0.0);
            self.random_tensor(&block("ffn_down_exps.weight"), &[32, self.dim, 5], 0.0);
            if self.name == "qwen2moe" {
                self.random_tensor(&block("ffn_gate_inp_shexp.weight"), &[self.dim], 0.0);
                self.linear(&block("ffn_gate_shexp"), self.dim, 64, false);
                self.linear(&block("ffn_up_shexp"), self.dim, 64, false);
                self.linear(&block("ffn_down_shexp"), 64, self.dim, false);
            }
            return;
        }
        match self.name {
            "phi3" => self.linear(&block("ffn_up"), self.dim, 2 * self.width, false),
            "falcon" | "phi2" | "gpt2" | "bert" | "mynah" => {
                self.linear(&block("ffn_up"), self.dim, self.width, biases);
            }
            _ => {
                self.linear(&block("ffn_gate"), self.dim, self.width, false);
                self.linear(&block("ffn_up"), self.dim, self.width, false);
            }
        }
        self.linear(&block("ffn_down"), self.width, self.dim, biases);
    }
}
