//! What a person may ask of the sampler, and which values make sense.

use std::collections::BTreeMap;

use mynah_model::checkpoint::Metadata;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SamplingError;

/// The longest text of a DRY sequence breaker, in bytes (llama.cpp cuts there).
pub const MAX_BREAKER_BYTES: usize = 40;
/// The longest DRY sequence breaker in tokens: one head and 20 that follow it, as in llama.cpp.
pub const MAX_BREAKER_TOKENS: usize = 21;
/// The largest number of alternatives that [`SamplingParams::logprobs`] may ask for.
pub const MAX_LOGPROBS: usize = 1024;

/// How the next token is chosen from the model's distribution.
///
/// The steps run in the order of llama.cpp's default chain: the constraint's
/// mask, `logit_bias`, the repetition, frequency and presence penalties, DRY,
/// `top_k`, `typical_p`, `top_p`, `min_p`, and last `temperature`. So the
/// truncating steps see the model's own probabilities, whatever the temperature;
/// other programs, such as `transformers`, apply the temperature first.
///
/// `Default` is llama.cpp's default: temperature 0.8, top-k 40, top-p 0.95,
/// min-p 0.05, no penalties. [`greedy`](Self::greedy) and
/// [`untruncated`](Self::untruncated) are the two other starting points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingParams {
    /// Divides the logits; 0 takes the most likely token. From 0 to 100.
    pub temperature: f32,
    /// Keeps the `top_k` most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the fewest most likely tokens whose probabilities reach `top_p`; 1 keeps all.
    ///
    /// In (0, 1]. Source: Holtzman et al. 2019, "The Curious Case of Neural Text
    /// Degeneration".
    pub top_p: f32,
    /// Keeps tokens with at least `min_p` times the largest probability; 0 keeps all.
    ///
    /// In [0, 1]. Source: Nguyen et al. 2024, "Min-p sampling".
    pub min_p: f32,
    /// Keeps the tokens whose surprise is nearest to the expected one, until their
    /// probabilities exceed `typical_p`; 1 keeps all.
    ///
    /// In (0, 1]. Source: Meister et al. 2022, "Locally Typical Sampling".
    pub typical_p: f32,
    /// Divides positive and multiplies negative logits of tokens in the window; 1 is off.
    ///
    /// In (0, 100]. Source: Keskar et al. 2019, "CTRL", with llama.cpp's
    /// correction for negative logits.
    pub repetition_penalty: f32,
    /// How many of the last tokens the three penalties look at; `None` is all of them.
    pub penalty_last_n: Option<usize>,
    /// Is subtracted once for every occurrence in the window. From -100 to 100.
    pub frequency_penalty: f32,
    /// Is subtracted where a token occurs in the window at all. From -100 to 100.
    pub presence_penalty: f32,
    /// Strength of DRY, "don't repeat yourself"; 0 is off. From 0 to 100.
    ///
    /// A token that would continue a repeat of `n` tokens loses
    /// `dry_multiplier * dry_base ^ (n - dry_allowed_length)`. Source: p-e-w 2024,
    /// text-generation-webui pull request 5677, as llama.cpp computes it.
    pub dry_multiplier: f32,
    /// How steeply the penalty of DRY grows with the length of the repeat. From 1 to 100.
    pub dry_base: f32,
    /// Repeats shorter than this are free.
    pub dry_allowed_length: usize,
    /// How many of the last tokens DRY looks at; `None` is all of them.
    pub dry_penalty_last_n: Option<usize>,
    /// Where a repeat ends: DRY never looks across one of these.
    pub dry_sequence_breakers: Vec<Breaker>,
    /// Is added to the logit of a token; negative infinity forbids the token.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Chooses the random numbers: the same seed gives the same answer.
    pub seed: u64,
    /// Asks for the log-probability of the chosen token and of this many most likely
    /// ones, in the model's own distribution before any of the steps above.
    pub logprobs: Option<usize>,
}

/// A sequence at which DRY stops looking for repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Breaker {
    /// Text; every way to begin it inside a token counts. At most 40 bytes.
    Text(String),
    /// Token ids, 1 to 21 of them.
    Tokens(Vec<u32>),
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05, ..Self::untruncated() }
    }
}

impl SamplingParams {
    /// Always takes the most likely token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::untruncated() }
    }

    /// Draws from the model's own distribution, with nothing cut off.
    pub fn untruncated() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            penalty_last_n: Some(64),
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            dry_multiplier: 0.0,
            dry_base: 1.75,
            dry_allowed_length: 2,
            dry_penalty_last_n: None,
            dry_sequence_breakers: ["\n", ":", "\"", "*"]
                .map(|text| Breaker::Text(text.into()))
                .into(),
            logit_bias: BTreeMap::new(),
            seed: 0,
            logprobs: None,
        }
    }

    /// The default, with what a model's file recommends in its place. A recommendation that makes
    /// no sense is passed over: the file is not the person's mistake.
    pub fn recommended(metadata: &Metadata) -> Self {
        let mut params = Self::default();
        let number = |key| metadata.optional_f32(key).ok().flatten();
        let fields = [
            (&mut params.temperature, "general.sampling.temp"),
            (&mut params.top_p, "general.sampling.top_p"),
            (&mut params.min_p, "general.sampling.min_p"),
            (&mut params.repetition_penalty, "general.sampling.penalty_repeat"),
        ];
        for (field, key) in fields {
            *field = number(key).unwrap_or(*field);
        }
        let top_k = metadata.optional_size("general.sampling.top_k").ok().flatten();
        params.top_k = top_k.unwrap_or(params.top_k);
        if params.validate().is_ok() { params } else { Self::default() }
    }

    /// What the same answer can be drawn with: temperature, seed, and what is not the default.
    pub fn told(&self) -> Map<String, Value> {
        let fields = |params: &Self| -> Map<String, Value> {
            // By way of text, in which an f32 has no more digits than it needs.
            let text = serde_json::to_string(params).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or_default()
        };
        let usual = fields(&Self::default());
        let mut told = fields(self);
        let is_told = |name: &str| matches!(name, "temperature" | "seed");
        told.retain(|name, value| is_told(name) || usual.get(name) != Some(value));
        told.remove("logprobs");
        told
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    /// [`SamplingError::OutOfRange`] for the first field that is outside.
    pub fn validate(&self) -> Result<(), SamplingError> {
        in_range("temperature", self.temperature, "from 0 to 100", |v| (0.0..=100.0).contains(&v))?;
        in_range("top_p", self.top_p, "above 0 and at most 1", |v| v > 0.0 && v <= 1.0)?;
        in_range("min_p", self.min_p, "from 0 to 1", |v| (0.0..=1.0).contains(&v))?;
        in_range("typical_p", self.typical_p, "above 0 and at most 1", |v| v > 0.0 && v <= 1.0)?;
        in_range("repetition_penalty", self.repetition_penalty, "above 0 and at most 100", |v| {
            v > 0.0 && v <= 100.0
        })?;
        for (field, value) in [
            ("frequency_penalty", self.frequency_penalty),
            ("presence_penalty", self.presence_penalty),
        ] {
            in_range(field, value, "from -100 to 100", |v| (-100.0..=100.0).contains(&v))?;
        }
        in_range("dry_multiplier", self.dry_multiplier, "from 0 to 100", |v| {
            (0.0..=100.0).contains(&v)
        })?;
        in_range("dry_base", self.dry_base, "from 1 to 100", |v| (1.0..=100.0).contains(&v))?;
        for &bias in self.logit_bias.values() {
            in_range("logit_bias", bias, "from -1e9 to 1e9, or negative infinity", |v| {
                v == f32::NEG_INFINITY || (-1e9..=1e9).contains(&v)
            })?;
        }
        if let Some(count) = self.logprobs.filter(|&count| count > MAX_LOGPROBS) {
            return Err(SamplingError::OutOfRange {
                field: "logprobs",
                value: count.to_string(),
                range: "from 0 to 1024",
            });
        }
        self.dry_sequence_breakers.iter().try_for_each(Breaker::validate)
    }

    /// Whether the repetition, frequency or presence penalty can change a logit.
    pub(crate) fn has_penalties(&self) -> bool {
        self.penalty_last_n != Some(0)
            && (self.repetition_penalty != 1.0
                || self.frequency_penalty != 0.0
                || self.presence_penalty != 0.0)
    }

    /// Whether DRY can change a logit.
    pub(crate) fn has_dry(&self) -> bool {
        self.dry_multiplier != 0.0 && self.dry_penalty_last_n != Some(0)
    }
}

impl Breaker {
    fn validate(&self) -> Result<(), SamplingError> {
        let (value, fits) = match self {
            Self::Text(text) => {
                (format!("{text:?}"), (1..=MAX_BREAKER_BYTES).contains(&text.len()))
            }
            Self::Tokens(tokens) => (
                format!("{} tokens", tokens.len()),
                (1..=MAX_BREAKER_TOKENS).contains(&tokens.len()),
            ),
        };
        if fits {
            return Ok(());
        }
        Err(SamplingError::OutOfRange {
            field: "dry_sequence_breakers",
            value,
            range: "text of 1 to 40 bytes, or 1 to 21 token ids",
        })
    }
}

fn in_range(
    field: &'static str,
    value: f32,
    range: &'static str,
    fits: impl Fn(f32) -> bool,
) -> Result<(), SamplingError> {
    // NaN fits no range.
    if fits(value) {
        return Ok(());
    }
    Err(SamplingError::OutOfRange { field, value: value.to_string(), range })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut SamplingParams)) -> String {
        let mut params = SamplingParams::default();
        change(&mut params);
        params.validate().unwrap_err().to_string()
    }

    #[test]
    fn starting_points_are_valid() {
        SamplingParams::default().validate().unwrap();
        SamplingParams::greedy().validate().unwrap();
        SamplingParams::untruncated().validate().unwrap();
    }

    #[test]
    fn faults_name_field_value_and_range() {
        assert_eq!(
            fault(|p| p.temperature = -0.5),
            "temperature is -0.5, but must be from 0 to 100"
        );
        assert_eq!(fault(|p| p.top_p = 0.0), "top_p is 0, but must be above 0 and at most 1");
        assert_eq!(fault(|p| p.min_p = f32::NAN), "min_p is NaN, but must be from 0 to 1");
        assert_eq!(
            fault(|p| p.typical_p = 1.5),
            "typical_p is 1.5, but must be above 0 and at most 1"
        );
        assert_eq!(
            fault(|p| p.repetition_penalty = 0.0),
            "repetition_penalty is 0, but must be above 0 and at most 100"
        );
        assert_eq!(
            fault(|p| p.frequency_penalty = f32::INFINITY),
            "frequency_penalty is inf, but must be from -100 to 100"
        );
        assert_eq!(
            fault(|p| p.presence_penalty = -101.0),
            "presence_penalty is -101, but must be from -100 to 100"
        );
        assert_eq!(
            fault(|p| p.dry_multiplier = -1.0),
            "dry_multiplier is -1, but must be from 0 to 100"
        );
        assert_eq!(fault(|p| p.dry_base = 0.5), "dry_base is 0.5, but must be from 1 to 100");
        assert_eq!(
            fault(|p| p.logit_bias = [(3, f32::INFINITY)].into()),
            "logit_bias is inf, but must be from -1e9 to 1e9, or negative infinity"
        );
        assert_eq!(
            fault(|p| p.logprobs = Some(1025)),
            "logprobs is 1025, but must be from 0 to 1024"
        );
        assert_eq!(
            fault(|p| p.dry_sequence_breakers = vec![Breaker::Text(String::new())]),
            "dry_sequence_breakers is \"\", but must be text of 1 to 40 bytes, or 1 to 21 token ids"
        );
        assert_eq!(
            fault(|p| p.dry_sequence_breakers = vec![Breaker::Tokens(vec![0; 22])]),
            "dry_sequence_breakers is 22 tokens, but must be text of 1 to 40 bytes, \
             or 1 to 21 token ids"
        );
    }

    #[test]
    fn json_takes_part_of_the_fields_and_refuses_unknown_ones() {
        let params: SamplingParams = serde_json::from_str(
            r#"{"temperature": 0, "logit_bias": {"7": -1.5}, "penalty_last_n": null,
                "dry_sequence_breakers": ["\n", [1, 2]]}"#,
        )
        .unwrap();
        assert_eq!(params.temperature, 0.0);
        assert_eq!(params.top_k, 40);
        assert_eq!(params.logit_bias, [(7, -1.5)].into());
        assert_eq!(params.penalty_last_n, None);
        assert_eq!(params.dry_sequence_breakers[1], Breaker::Tokens(vec![1, 2]));
        let again: SamplingParams =
            serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
        assert_eq!(again, params);
        let fault = serde_json::from_str::<SamplingParams>(r#"{"temprature": 1}"#).unwrap_err();
        assert!(fault.to_string().contains("unknown field `temprature`"), "{fault}");
    }
}
