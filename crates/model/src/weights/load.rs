//! Which tensor of a checkpoint is which matrix.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{
    Experts, FeedForward, HeadNorm, Layer, Linear, Mlp, NormWeights, Packer, Source, Weights,
    WeightsError,
};
use crate::architecture::{Architecture, Biases, NormAfter, NormKind, QkNormRule};
use crate::checkpoint::{Checkpoint, Tensor, TensorError};
use crate::vector::{VectorError, numbers};

/// Tensors that mynah leaves aside on purpose: the heads of classifiers over an encoder, tables
/// that old converters stored, and factors that the other choice of context would use.
const IGNORED: &[&str] = &["cls.", "rope_freqs.", "rope_factors_", "dense_2.", "dense_3."];
const IGNORED_ENDS: &[&str] = &[
    ".attn_rot_embd.weight",
    ".attn.masked_bias",
    ".rope_freqs.weight",
    ".attn_rope_freqs.weight",
];

impl<M> Weights<M> {
    /// Takes every tensor that the architecture asks for.
    ///
    /// # Errors
    /// If a tensor is absent, of another shape, holds a number that is not finite, or has no place
    /// in the architecture.
    pub(crate) fn load<P: Packer<Matrix = M>>(
        checkpoint: &Checkpoint<'_>,
        architecture: &Architecture,
        packer: &mut P,
    ) -> Result<Self, WeightsError> {
        let a = architecture;
        let mut loader = Loader { checkpoint, architecture, packer, used: HashSet::new() };
        let token_embedding = loader.matrix("token_embd.weight", a.n_vocab, a.dim)?;
        let position_embedding = if a.embedding.learned_positions {
            Some(loader.matrix("position_embd.weight", a.context_length, a.dim)?)
        } else {
            None
        };
        let token_type = a.embedding.token_types.then(|| loader.token_type()).transpose()?;
        let embedding_norm = loader.norm_if(a.embedding.normalised, "token_embd_norm")?;
        let layers = (0..a.layers.len()).map(|i| loader.layer(i)).collect::<Result<_, _>>()?;
        let output_norm = loader.norm_if(a.is_decoder(), "output_norm")?;
        let (mut output, mut output_bias) = (None, None);
        if a.is_decoder() {
            output =
                loader.optional("output.weight", |l, name| l.matrix(name, a.n_vocab, a.dim))?;
            output_bias = loader.optional("output.bias", |l, name| l.vector(name, &[a.n_vocab]))?;
        }
        loader.check_all_used()?;
        Ok(Self {
            token_embedding,
            position_embedding,
            token_type,
            embedding_norm,
            layers,
            output_norm,
            output,
            output_bias,
        })
    }
}

/// What is at hand while taking tensors.
struct Loader<'a, 'c, P> {
    checkpoint: &'a Checkpoint<'c>,
    architecture: &'a Architecture,
    packer: &'a mut P,
    /// Names of the tensors that were taken.
    used: HashSet<String>,
}

impl<P: Packer> Loader<'_, '_, P> {
    fn has(&self, name: &str) -> bool {
        self.checkpoint.tensors.contains_key(name)
    }

    /// The matrices that lie one after the other in a tensor, `shape` being its sizes.
    fn pieces(
        &mut self,
        name: &str,
        shape: &[usize],
        rows: &[usize],
    ) -> Result<Vec<P::Matrix>, WeightsError> {
        let tensor = self.checkpoint.tensor_of_shape(name, shape)?;
        let (format, cols) = (tensor.format, tensor.row_len());
        let bytes = tensor.bytes();
        let row_bytes = format.bytes_for(cols).ok_or_else(|| WeightsError::Blocks {
            name: name.to_owned(),
            cols,
            format,
        })?;
        let expected = row_bytes * rows.iter().sum::<usize>();
        if bytes.len() != expected {
            let (name, got) = (name.to_owned(), bytes.len());
            return Err(VectorError::Length { name, expected, got }.into());
        }
        let mut rest = &bytes[..];
        let mut pieces = Vec::with_capacity(rows.len());
        for &rows in rows {
            let (piece, after) = rest.split_at(rows * row_bytes);
            pieces.push(self.packer.pack(&Source { name, format, bytes: piece, rows, cols })?);
            rest = after;
        }
        if let Cow::Borrowed(stored) = bytes {
            self.packer.done(stored);
        }
        self.used.insert(name.to_owned());
        Ok(pieces)
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<P::Matrix, WeightsError> {
        let mut pieces = self.pieces(name, &[cols, rows], &[rows])?;
        Ok(pieces.remove(0))
    }

    fn vector(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let numbers = numbers(name, self.checkpoint.tensor_of_shape(name, shape)?)?;
        self.used.insert(name.to_owned());
        Ok(numbers)
    }

    /// A bias, if it is there or has to be.
    fn bias(&mut self, name: &str, len: usize) -> Result<Option<Vec<f32>>, WeightsError> {
        let required = self.architecture.tensors.biases == Biases::Required;
        (required || self.has(name)).then(|| self.vector(name, &[len])).transpose()
    }

    /// `NAME.weight` and, if there is one, `NAME.bias`.
    fn linear(
        &mut self,
        name: &str,
        rows: usize,
        cols: usize,
    ) -> Result<Linear<P::Matrix>, WeightsError> {
        let weights = self.matrix(&format!("{name}.weight"), rows, cols)?;
        Ok(Linear { weights, bias: self.bias(&format!("{name}.bias"), rows)? })
    }

    /// `NAME.weight` and, for a layer norm, `NAME.bias`.
    fn norm(&mut self, name: &str) -> Result<NormWeights, WeightsError> {
        let dim = self.architecture.dim;
        let weight = self.vector(&format!("{name}.weight"), &[dim])?;
        let bias = match self.architecture.norm.kind {
            NormKind::Rms => None,
            NormKind::Layer => Some(self.vector(&format!("{name}.bias"), &[dim])?),
        };
        Ok(NormWeights { weight, bias })
    }

    fn norm_if(&mut self, is: bool, name: &str) -> Result<Option<NormWeights>, WeightsError> {
        is.then(|| self.norm(name)).transpose()
    }

    fn token_type(&mut self) -> Result<Vec<f32>, WeightsError> {
        let (name, dim) = ("token_types.weight", self.architecture.dim);
        let tensor = self.checkpoint.tensor(name)?;
        let n_types = tensor.shape.get(1).copied().unwrap_or(1);
        // A single type may be stored without its second size.
        let shape = if tensor.shape.len() == 1 { vec![dim] } else { vec![dim, n_types] };
        if n_types == 0 {
            let (name, got) = (name.to_owned(), tensor.shape.clone());
            return Err(TensorError::Shape { name, expected: vec![dim, 1], got }.into());
        }
        let mut rows = self.vector(name, &shape)?;
        rows.truncate(dim);
        Ok(rows)
    }

    /// What is made of a tensor, if it is there.
    fn optional<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut Self, &str) -> Result<T, WeightsError>,
    ) -> Result<Option<T>, WeightsError> {
        if self.has(name) { take(self, name).map(Some) } else { Ok(None) }
    }

    fn layer(&mut self, i: usize) -> Result<Layer<P::Matrix>, WeightsError> {
        let a = self.architecture;
        let block = format!("blk.{i}");
        let name = |part: &str| format!("{block}.{part}");
        let residual_mix = a.tensors.residual_mix.then(|| self.mix(&name("residual_mix.weight")));
        let residual_mix = residual_mix.transpose()?;
        let (attention_norm, feed_forward_norm) = self.norms_before(&block)?;
        let [query, key, value] = self.qkv(&block)?;
        let query_norm = self.head_norm(&name("attn_q_norm"), a.n_heads)?;
        let key_norm = self.head_norm(&name("attn_k_norm"), a.n_kv_heads)?;
        let attention_output = self.linear(&name("attn_output"), a.dim, a.query_width())?;
        let (after_attention, after_feed_forward) = match a.block.norm_after {
            NormAfter::Nothing => (None, None),
            NormAfter::Branch => (Some("post_attention_norm"), Some("post_ffw_norm")),
            NormAfter::Sum => (Some("attn_output_norm"), Some("layer_output_norm")),
        };
        let norm_after_attention =
            after_attention.map(|part| self.norm(&name(part))).transpose()?;
        let norm_after_feed_forward =
            after_feed_forward.map(|part| self.norm(&name(part))).transpose()?;
        let feed_forward = if a.layers[i].experts {
            FeedForward::Experts(self.experts(&block)?)
        } else {
            FeedForward::Dense(self.mlp(&block, "", a.feed_forward.width)?)
        };
        Ok(Layer {
            residual_mix,
            attention_norm,
            query,
            key,
            value,
            query_norm,
            key_norm,
            attention_output,
            norm_after_attention,
            feed_forward_norm,
            feed_forward,
            norm_after_feed_forward,
        })
    }

    fn mix(&mut self, name: &str) -> Result<[f32; 2], WeightsError> {
        let numbers = self.vector(name, &[2])?;
        Ok([numbers[0], numbers[1]])
    }

    /// The norms in front of attention and of the feed-forward network.
    fn norms_before(
        &mut self,
        block: &str,
    ) -> Result<(Option<NormWeights>, Option<NormWeights>), WeightsError> {
        let rule = self.architecture.block;
        if !rule.norm_before {
            return Ok((None, None));
        }
        let first = self.norm(&format!("{block}.attn_norm"))?;
        let second = format!("{block}.attn_norm_2");
        let feed_forward = format!("{block}.ffn_norm");
        if !rule.parallel {
            Ok((Some(first), Some(self.norm(&feed_forward)?)))
        } else if self.has(&format!("{second}.weight")) {
            // Falcon 40B calls the norm of its feed-forward network the first.
            Ok((Some(self.norm(&second)?), Some(first)))
        } else {
            let own = self.has(&format!("{feed_forward}.weight"));
            Ok((Some(first), self.norm_if(own, &feed_forward)?))
        }
    }

    /// Queries, keys and values, from one tensor or three.
    fn qkv(&mut self, block: &str) -> Result<[Linear<P::Matrix>; 3], WeightsError> {
        let a = self.architecture;
        let rows = [a.query_width(), a.kv_width(), a.kv_width()];
        let names = ["attn_q", "attn_k", "attn_v"].map(|part| format!("{block}.{part}"));
        let fused = format!("{block}.attn_qkv.weight");
        let fused_bias = format!("{block}.attn_qkv.bias");
        let all = rows.iter().sum();
        if !self.has(&fused) {
            let [q, k, v] = [0, 1, 2].map(|i| self.linear(&names[i], rows[i], a.dim));
            return Ok([q?, k?, v?]);
        }
        let mut weights = self.pieces(&fused, &[a.dim, all], &rows)?;
        let mut biases = [None, None, None];
        if self.has(&fused_bias) {
            let bias = self.vector(&fused_bias, &[all])?;
            let (q, kv) = bias.split_at(rows[0]);
            let (k, v) = kv.split_at(rows[1]);
            biases = [q, k, v].map(|part| Some(part.to_vec()));
        } else {
            for (bias, (name, rows)) in biases.iter_mut().zip(names.iter().zip(rows)) {
                *bias = self.bias(&format!("{name}.bias"), rows)?;
            }
        }
        let mut next = || weights.remove(0);
        Ok(biases.map(|bias| Linear { weights: next(), bias }))
    }

    fn head_norm(&mut self, name: &str, heads: usize) -> Result<Option<HeadNorm>, WeightsError> {
        let weight = format!("{name}.weight");
        match self.architecture.tensors.qk_norm {
            QkNormRule::Never => return Ok(None),
            QkNormRule::Optional if !self.has(&weight) => return Ok(None),
            QkNormRule::Optional | QkNormRule::Required => {}
        }
        let head_dim = self.architecture.head_dim;
        let plain = |weight: &[f32]| NormWeights { weight: weight.to_vec(), bias: None };
        let shape = self.checkpoint.tensor(&weight)?.shape.clone();
        Ok(Some(if shape == [heads * head_dim] && heads > 1 {
            HeadNorm::Whole(plain(&self.vector(&weight, &shape)?))
        } else if shape == [head_dim, heads] {
            let rows = self.vector(&weight, &shape)?;
            HeadNorm::PerHead(rows.chunks_exact(head_dim).map(plain).collect())
        } else {
            HeadNorm::Shared(plain(&self.vector(&weight, &[head_dim])?))
        }))
    }

    /// A feed-forward network whose tensors' names end with `suffix`.
    fn mlp(
        &mut self,
        block: &str,
        suffix: &str,
        width: usize,
    ) -> Result<Mlp<P::Matrix>, WeightsError> {
        let a = self.architecture;
        let name = |part: &str| format!("{block}.ffn_{part}{suffix}");
        let (gate_name, up_name) = (name("gate"), name("up"));
        // Phi-3 keeps the gate in front of the up in one tensor.
        let fused_shape = [a.dim, width.saturating_mul(2)];
        let fused_name = format!("{up_name}.weight");
        let is_fused = |tensor: &Tensor<'_>| tensor.shape == fused_shape;
        let (gate, up) = if !a.feed_forward.gated {
            (None, self.linear(&up_name, width, a.dim)?)
        } else if self.checkpoint.tensors.get(&fused_name).is_some_and(is_fused) {
            let mut both = self.pieces(&fused_name, &fused_shape, &[width, width])?;
            let mut next = || Linear { weights: both.remove(0), bias: None };
            (Some(next()), next())
        } else {
            let up = self.linear(&up_name, width, a.dim)?;
            (Some(self.linear(&gate_name, width, a.dim)?), up)
        };
        let down = self.linear(&name("down"), a.dim, width)?;
        Ok(Mlp { gate, up, down })
    }

    fn experts(&mut self, block: &str) -> Result<Experts<P::Matrix>, WeightsError> {
        let dim = self.architecture.dim;
        let Some(rule) = self.architecture.experts else {
            return Err(TensorError::Missing { name: format!("{block}.ffn_up.weight") }.into());
        };
        let router = self.matrix(&format!("{block}.ffn_gate_inp.weight"), rule.n, dim)?;
        // Mixtral's first files had a tensor for each expert.
        let experts = if self.has(&format!("{block}.ffn_up.0.weight")) {
            let one = |e| self.mlp(block, &format!(".{e}"), rule.width);
            (0..rule.n).map(one).collect::<Result<_, _>>()?
        } else {
            self.stacked_experts(block, rule.n, rule.width)?
        };
        let shared = rule.shared_width.map(|width| self.mlp(block, "_shexp", width)).transpose()?;
        let gate = format!("{block}.ffn_gate_inp_shexp.weight");
        let shared_gate = match self.checkpoint.tensors.get(&gate) {
            Some(tensor) if shared.is_some() => {
                let shape = if tensor.shape.len() == 1 { vec![dim] } else { vec![dim, 1] };
                Some(self.pieces(&gate, &shape, &[1])?.remove(0))
            }
            _ => None,
        };
        Ok(Experts { router, each: experts, shared, shared_gate })
    }

    /// Experts of which all gates are one tensor, all ups and all downs.
    fn stacked_experts(
        &mut self,
        block: &str,
        n: usize,
        width: usize,
    ) -> Result<Vec<Mlp<P::Matrix>>, WeightsError> {
        let dim = self.architecture.dim;
        let gated = self.architecture.feed_forward.gated;
        let mut stack = |part: &str, rows: usize, cols: usize| {
            let name = format!("{block}.ffn_{part}_exps.weight");
            self.pieces(&name, &[cols, rows, n], &vec![rows; n])
        };
        let gates = if gated {
            stack("gate", width, dim)?.into_iter().map(Some).collect()
        } else {
            (0..n).map(|_| None).collect::<Vec<_>>()
        };
        let ups = stack("up", width, dim)?;
        let downs = stack("down", dim, width)?;
        let linear = |weights| Linear { weights, bias: None };
        let join = |((gate, up), down): ((Option<_>, _), _)| Mlp {
            gate: gate.map(linear),
            up: linear(up),
            down: linear(down),
        };
        Ok(gates.into_iter().zip(ups).zip(downs).map(join).collect())
    }

    /// A tensor that no one took would change what the model says.
    fn check_all_used(&self) -> Result<(), WeightsError> {
        let ignored = |name: &str| {
            IGNORED.iter().any(|start| name.starts_with(start))
                || IGNORED_ENDS.iter().any(|end| name.ends_with(end))
        };
        match self
            .checkpoint
            .tensors
            .keys()
            .find(|name| !self.used.contains(*name) && !ignored(name))
        {
            None => Ok(()),
            Some(name) => Err(WeightsError::Unused {
                name: name.clone(),
                architecture: self.architecture.name.clone(),
            }),
        }
    }
}
