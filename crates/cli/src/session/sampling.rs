//! How tokens are chosen, as a person says it on the command line.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use mynah_engine::sampling::{Breaker, SamplingParams, StopMatcher};
use mynah_model::checkpoint::Metadata;
use mynah_model::tokenizer::{SpecialText, Tokenizer};

use crate::failure::Misuse;

/// Flags that say how tokens are chosen. What is not given is as the model's makers recommend, if
/// its file says so, or else as usual.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// How adventurous: 0 always takes the most likely token [default: 0.8]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(crate) temperature: Option<f32>,
    /// Choose among the N most likely tokens; 0 is all [default: 40]
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<usize>,
    /// Choose among the most likely tokens that together have this probability [default: 0.95]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) top_p: Option<f32>,
    /// Leave out tokens below this share of the most likely one's probability [default: 0.05]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) min_p: Option<f32>,
    /// Choose among the tokens that are about as surprising as to be expected; 1 is off
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) typical_p: Option<f32>,
    /// Divide the scores of tokens that were used lately; 1 is off
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) repetition_penalty: Option<f32>,
    /// Subtract from a token's score for each time it was used lately
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) frequency_penalty: Option<f32>,
    /// Subtract from a token's score if it was used lately
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) presence_penalty: Option<f32>,
    /// How many tokens are "lately" [default: 64]
    #[arg(long, value_name = "N")]
    pub(crate) penalty_last_n: Option<usize>,
    /// Strength of DRY, which keeps passages from being repeated; 0 is off, 0.8 is usual
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) dry_multiplier: Option<f32>,
    /// How steeply DRY grows with the length of the repeat [default: 1.75]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) dry_base: Option<f32>,
    /// Repeats of fewer tokens than this are free [default: 2]
    #[arg(long, value_name = "N")]
    pub(crate) dry_allowed_length: Option<usize>,
    /// How many tokens DRY looks back [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) dry_penalty_last_n: Option<usize>,
    /// A text that DRY does not look across; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) dry_sequence_breaker: Vec<String>,
    /// Add to a token's score; TOKEN is a number, or a text that is one token; -inf forbids it
    #[arg(long, value_name = "TOKEN=BIAS")]
    pub(crate) logit_bias: Vec<String>,
    /// Draw the same answer again; without it, a new seed each time, which --stats shows
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// End the answer where it says this; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) stop: Vec<String>,
}

impl SamplingArgs {
    /// Finds values that are out of range, before a model is fetched or loaded.
    ///
    /// # Errors
    /// If there is one.
    pub(crate) fn check(&self) -> Result<(), Misuse> {
        StopMatcher::new(&self.stop).map_err(|error| Misuse(error.to_string()))?;
        self.over(SamplingParams::default()).validate().map_err(|error| Misuse(error.to_string()))
    }

    /// The parameters: what was said, else what the model's file recommends, else the usual.
    ///
    /// # Errors
    /// If a bias names no token, or has no sense.
    pub(crate) fn params(
        &self,
        recommended: &Metadata,
        tokenizer: &Tokenizer,
    ) -> Result<SamplingParams, Misuse> {
        let mut params = self.over(SamplingParams::recommended(recommended));
        for text in &self.logit_bias {
            let (token, bias) = read_bias(text, tokenizer)?;
            params.logit_bias.insert(token, bias);
        }
        params.seed = self.seed.unwrap_or_else(new_seed);
        params.validate().map_err(|error| Misuse(error.to_string()))?;
        Ok(params)
    }

    /// What was said, over what holds otherwise.
    fn over(&self, mut params: SamplingParams) -> SamplingParams {
        set(&mut params.temperature, self.temperature);
        set(&mut params.top_k, self.top_k);
        set(&mut params.top_p, self.top_p);
        set(&mut params.min_p, self.min_p);
        set(&mut params.typical_p, self.typical_p);
        set(&mut params.repetition_penalty, self.repetition_penalty);
        set(&mut params.frequency_penalty, self.frequency_penalty);
        set(&mut params.presence_penalty, self.presence_penalty);
        set(&mut params.dry_multiplier, self.dry_multiplier);
        set(&mut params.dry_base, self.dry_base);
        set(&mut params.dry_allowed_length, self.dry_allowed_length);
        if self.penalty_last_n.is_some() {
            params.penalty_last_n = self.penalty_last_n;
        }
        if self.dry_penalty_last_n.is_some() {
            params.dry_penalty_last_n = self.dry_penalty_last_n;
        }
        if !self.dry_sequence_breaker.is_empty() {
            params.dry_sequence_breakers =
                self.dry_sequence_breaker.iter().cloned().map(Breaker::Text).collect();
        }
        params
    }
}

fn set<T: Copy>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

/// A seed that nobody chose: short enough to be typed again.
fn new_seed() -> u64 {
    // The standard library seeds its hash tables from the operating system's randomness.
    RandomState::new().build_hasher().finish() >> 32
}

/// Reads `TOKEN=BIAS`.
fn read_bias(text: &str, tokenizer: &Tokenizer) -> Result<(u32, f32), Misuse> {
    let misuse = |problem: String| Misuse(format!("--logit-bias {text:?}: {problem}"));
    let (token, bias) =
        text.rsplit_once('=').ok_or_else(|| misuse("it must be TOKEN=BIAS".to_owned()))?;
    let bias = bias.trim().parse().map_err(|_| misuse(format!("{bias:?} is not a number")))?;
    let n_tokens = tokenizer.vocab_len();
    let id = match token.trim().parse::<u32>() {
        Ok(id) if (id as usize) < n_tokens => id,
        Ok(id) => {
            return Err(misuse(format!("there is no token {id}, the model has {n_tokens}")));
        }
        Err(_) => match tokenizer.encode(token, SpecialText::AsText)[..] {
            [id] => id,
            ref ids => {
                return Err(misuse(format!("{token:?} is {} tokens: {ids:?}", ids.len())));
            }
        },
    };
    Ok((id, bias))
}
