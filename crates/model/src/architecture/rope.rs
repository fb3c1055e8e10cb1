//! Rotary position embeddings: which dimensions turn together, how fast, and how that is stretched
//! for contexts longer than the model was first trained on.
//!
//! Source: Su et al. 2021, "RoFormer"; YaRN: Peng et al. 2023, "YaRN: Efficient Context Window
//! Extension of Large Language Models"; the factors per dimension of Llama 3.1 and Phi-3 (Ding et
//! al. 2024, "LongRoPE") come as tensors.

use std::f64::consts::TAU;

use super::read::{ArchitectureError, Facts};
use crate::checkpoint::Checkpoint;
use crate::vector::numbers;

/// Which dimensions of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// 0 with 1, 2 with 3 and so on.
    Interleaved,
    /// i with i + dims / 2.
    HalfSplit,
}

/// A rotary embedding: at position p, pair i of a head turns by `p * frequencies[i]` and is
/// multiplied by `magnitude`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Which dimensions turn together.
    pub pairing: Pairing,
    /// The first so many dimensions of a head turn, the others stay.
    pub dims: usize,
    /// Radians per position, `[dims / 2]`.
    pub frequencies: Vec<f64>,
    /// What cosine and sine are multiplied by.
    pub magnitude: f32,
}

/// Everything that the metadata says about turning, but for the base.
pub(super) struct RopeFacts {
    dims: usize,
    /// Each frequency is divided by its factor, `[dims / 2]`.
    factors: Option<Vec<f32>>,
    stretch: Stretch,
    /// What cosine and sine are multiplied by beside YaRN's own magnitude.
    magnitude: f64,
}

/// How frequencies are slowed for a longer context.
enum Stretch {
    None,
    /// All by the same factor.
    Linear(f64),
    Yarn(Yarn),
}

/// Slow dimensions are slowed by a factor, fast ones are not, those between in part.
struct Yarn {
    factor: f64,
    /// How much of the difference between fast and slow is applied.
    mix: f64,
    /// Positions the model was first trained on.
    original_context: f64,
    /// A dimension that turns more often than this in the original context is fast.
    beta_fast: f64,
    /// One that turns less often than this is slow.
    beta_slow: f64,
    magnitude: f64,
}

impl RopeFacts {
    /// Reads the keys `rope.*` and the tensors of factors.
    ///
    /// `context`: the positions that sequences may use, which decides between the factors for
    /// short and long contexts.
    pub(super) fn read(
        facts: &Facts<'_>,
        checkpoint: &Checkpoint<'_>,
        head_dim: usize,
        context: usize,
    ) -> Result<Self, ArchitectureError> {
        let key = "rope.dimension_count";
        let dims = facts.optional_size(key)?.unwrap_or(head_dim);
        if dims == 0 || dims > head_dim || !dims.is_multiple_of(2) {
            let expected = format!("an even number up to the head's width {head_dim}");
            return Err(facts.bad(key, dims, expected));
        }
        let trained = facts.size("context_length")?;
        let original =
            facts.optional_size("rope.scaling.original_context_length")?.unwrap_or(trained);
        Ok(Self {
            dims,
            factors: read_factors(checkpoint, dims, context > original)?,
            stretch: Stretch::read(facts, original)?,
            magnitude: facts.positive("rope.scaling.attn_factor")?.unwrap_or(1.0),
        })
    }

    /// The rotary embedding of this base, stretched.
    pub(super) fn stretched(&self, pairing: Pairing, base: f64) -> Rope {
        let n = self.dims / 2;
        let plain = |i: usize| {
            let factor = self.factors.as_ref().map_or(1.0, |f| f64::from(f[i]));
            base.powf(-2.0 * i as f64 / self.dims as f64) / factor
        };
        let (frequencies, magnitude) = match &self.stretch {
            Stretch::None => ((0..n).map(plain).collect(), 1.0),
            Stretch::Linear(factor) => ((0..n).map(|i| plain(i) / factor).collect(), 1.0),
            Stretch::Yarn(yarn) => {
                let (low, high) = yarn.bounds(self.dims, base);
                let mixed = |i| yarn.mixed(plain(i), i, low, high);
                ((0..n).map(mixed).collect(), yarn.magnitude)
            }
        };
        let magnitude = (magnitude * self.magnitude) as f32;
        Rope { pairing, dims: self.dims, frequencies, magnitude }
    }

    /// The rotary embedding of this base as it was first trained, without any scaling.
    pub(super) fn plain(&self, pairing: Pairing, base: f64) -> Rope {
        let frequency = |i| base.powf(-2.0 * i as f64 / self.dims as f64);
        let frequencies = (0..self.dims / 2).map(frequency).collect();
        Rope { pairing, dims: self.dims, frequencies, magnitude: 1.0 }
    }
}

impl Stretch {
    fn read(facts: &Facts<'_>, original: usize) -> Result<Self, ArchitectureError> {
        let key = "rope.scaling.type";
        let kind = facts.optional_str(key)?.unwrap_or("linear");
        let factor = match facts.positive("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => facts.positive("rope.scale_linear")?,
        };
        match (kind, factor) {
            // LongRoPE is all in its factors per dimension.
            ("none" | "longrope", _) | ("linear", None) => Ok(Self::None),
            ("linear", Some(factor)) => Ok(Self::Linear(factor)),
            ("yarn", _) => Yarn::read(facts, factor.unwrap_or(1.0), original).map(Self::Yarn),
            _ => Err(facts.bad(key, kind, "none, linear, yarn or longrope")),
        }
    }
}

impl Yarn {
    fn read(facts: &Facts<'_>, factor: f64, original: usize) -> Result<Self, ArchitectureError> {
        let number = |key| facts.positive(key);
        let temperature = |multiplier: f64| {
            if factor <= 1.0 { 1.0 } else { 0.1 * multiplier * factor.ln() + 1.0 }
        };
        let magnitude = match number("rope.scaling.yarn_attn_factor")? {
            Some(given) => given,
            None => match number("rope.scaling.yarn_log_multiplier")? {
                Some(multiplier) => temperature(1.0) / temperature(multiplier),
                None => temperature(1.0),
            },
        };
        Ok(Self {
            factor,
            mix: number("rope.scaling.yarn_ext_factor")?.unwrap_or(1.0),
            original_context: original as f64,
            beta_fast: number("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
            beta_slow: number("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
            magnitude,
        })
    }

    /// The pairs between which the change from fast to slow happens.
    fn bounds(&self, dims: usize, base: f64) -> (f64, f64) {
        // The pair that turns `beta` times in the original context.
        let pair = |beta: f64| {
            dims as f64 * (self.original_context / (beta * TAU)).ln() / (2.0 * base.ln())
        };
        let low = pair(self.beta_fast).floor().max(0.0);
        let high = pair(self.beta_slow).ceil().min(dims as f64 - 1.0);
        (low, high)
    }

    /// The frequency of pair `i`, between the plain one and that divided by the factor.
    fn mixed(&self, plain: f64, i: usize, low: f64, high: f64) -> f64 {
        let slow = ((i as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        let fast = (1.0 - slow) * self.mix;
        plain / self.factor * (1.0 - fast) + plain * fast
    }
}

/// The factors per dimension, if the checkpoint has them.
fn read_factors(
    checkpoint: &Checkpoint<'_>,
    dims: usize,
    long: bool,
) -> Result<Option<Vec<f32>>, ArchitectureError> {
    let chosen = if long { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
    let names = ["rope_freqs.weight", chosen];
    let Some(name) = names.into_iter().find(|name| checkpoint.tensors.contains_key(*name)) else {
        return Ok(None);
    };
    let factors = numbers(name, checkpoint.tensor_of_shape(name, &[dims / 2])?)?;
    if factors.iter().any(|f| !(f.is_finite() && *f > 0.0)) {
        return Err(ArchitectureError::Factors { name: name.to_owned() });
    }
    Ok(Some(factors))
}
