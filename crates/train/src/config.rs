//! What a person may set, and what a run is then made with.
//!
//! [`Settings`] has only what was said; [`Config`] has everything, and is what is written beside
//! the model. Its TOML is read again as settings that give the same configuration.

use serde::{Deserialize, Serialize};

use crate::rules;

/// A kind of model together with the way it is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// RMS norms, rotary positions, SwiGLU; AdamW. Every program for language models reads it.
    #[default]
    Llama,
    /// What learns most in little time: Muon, normalised queries and keys, squared ReLU,
    /// projections that begin at zero. mynah reads it.
    Nano,
}

impl Preset {
    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "llama" => Some(Self::Llama),
            "nano" => Some(Self::Nano),
            _ => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Nano => "nano",
        }
    }
}

/// How the learning rate goes after warming up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// It stays, and in the last part of the run it falls to zero in a straight line.
    WarmupStableDecay,
    /// Half a cosine down to a tenth.
    Cosine,
}

macro_rules! settings {
    ($($(#[$meta:meta])* $section:ident: $Settings:ident => $Config:ident {
        $($(#[$doc:meta])* $key:ident: $ty:ty,)*
    })*) => {
        /// What a person said; the rest follows by rules.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Settings {
            /// The kind of model.
            pub preset: Option<Preset>,
            /// Where all randomness begins.
            pub seed: Option<u64>,
            $($(#[$meta])* pub $section: $Settings,)*
        }

        /// Everything that a run depends on beside its data.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Config {
            /// The kind of model.
            pub preset: Preset,
            /// Where all randomness begins.
            pub seed: u64,
            $($(#[$meta])* pub $section: $Config,)*
        }

        impl From<&Config> for Settings {
            fn from(config: &Config) -> Self {
                Self {
                    preset: Some(config.preset),
                    seed: Some(config.seed),
                    $($section: $Settings {
                        $($key: Some(config.$section.$key.clone()),)*
                    },)*
                }
            }
        }

        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct $Settings {
                $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$ty>,)*
            }

            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub struct $Config {
                $($(#[$doc])* pub $key: $ty,)*
            }
        )*
    };
}

settings! {
    /// The model's sizes.
    model: ModelSettings => ModelConfig {
        /// How many layers.
        depth: usize,
        /// How many numbers stand for a token between layers.
        width: usize,
        /// How many query heads.
        n_heads: usize,
        /// How many heads of keys and values; it divides `n_heads`.
        n_kv_heads: usize,
        /// How wide a head is.
        head_dim: usize,
        /// How wide the middle of a feed-forward network is.
        feed_forward: usize,
        /// How many tokens a sequence has in training.
        context: usize,
        /// How many tokens there are.
        vocabulary: usize,
        /// The base of the rotary frequencies.
        rope_base: f64,
        /// What norms add to the mean square.
        norm_eps: f64,
    }
    /// How much a step reads.
    batch: BatchSettings => BatchConfig {
        /// How many sequences a step learns from.
        sequences: usize,
        /// How many of them are computed at a time; the memory that a step takes follows from it.
        at_a_time: usize,
    }
    /// How long, and how the learning rate goes.
    schedule: ScheduleSettings => ScheduleConfig {
        /// How many steps.
        steps: u64,
        /// During how many the learning rate rises.
        warmup: u64,
        /// How it goes on.
        shape: Decay,
        /// Over which last share of the steps it falls, with `warmup-stable-decay`.
        decay_share: f64,
    }
    /// How weights move.
    optimiser: OptimiserSettings => OptimiserConfig {
        /// The learning rate of AdamW.
        learning_rate: f64,
        /// The learning rate of Muon, for the matrices of the preset `nano`.
        muon_learning_rate: f64,
        /// How much of the mean of gradients AdamW keeps.
        beta1: f64,
        /// How much of the mean of their squares.
        beta2: f64,
        /// By which share, times the learning rate, matrices shrink at each step.
        weight_decay: f64,
        /// The longest that a gradient may be.
        clip: f64,
        /// How much of the squared logarithm of the sum of exponentials is added to the loss.
        z_loss: f64,
        /// Which share of numbers on each branch is dropped.
        dropout: f64,
        /// How much of the mean of weights is kept at each step; 0 for none. The mean is what is
        /// exported.
        average: f64,
    }
    /// What is looked at, and when.
    watch: WatchSettings => WatchConfig {
        /// After how many steps held-out text is read.
        evaluate_every: u64,
        /// After how many steps a sample is written.
        sample_every: u64,
        /// After how many steps a checkpoint is kept.
        checkpoint_every: u64,
        /// Which share of documents is held out.
        held_out: f64,
        /// How many tokens of held-out text are read during the run; all of them at its end.
        held_out_tokens: usize,
        /// What samples begin with.
        prompts: Vec<String>,
    }
}

/// Why settings make no run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not as it must be; the message shows the place.
    #[error("{name}: {problem}")]
    File {
        /// What the file is called.
        name: String,
        /// With line, column and the line itself.
        problem: String,
    },
    /// A value makes no sense.
    #[error("{key} is {got}; it must be {expected}")]
    Value {
        /// The key with its section.
        key: &'static str,
        /// What it is.
        got: String,
        /// What it must be.
        expected: String,
    },
}

impl Settings {
    /// Reads a configuration file, called `name`.
    ///
    /// # Errors
    /// If it is not TOML or has an unknown key or a value of another kind: with line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::File {
            name: name.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })
    }

    /// Fills in by rules what was not said; see [`rules`].
    ///
    /// # Errors
    /// If a value makes no sense.
    pub fn resolve(&self, given: &rules::Given) -> Result<Config, ConfigError> {
        let config = rules::complete(self, given);
        config.check()?;
        Ok(config)
    }
}

impl Config {
    /// How many tokens a step learns from.
    pub fn tokens_per_step(&self) -> usize {
        self.batch.sequences * self.model.context
    }

    /// As TOML.
    ///
    /// # Errors
    /// If a number is none.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::File {
            name: "config.toml".into(),
            problem: error.to_string(),
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Self { model, batch, schedule, optimiser, watch, .. } = self;
        let sizes: [(&'static str, usize, usize); 10] = [
            ("model.depth", model.depth, 512),
            ("model.width", model.width, 1 << 16),
            ("model.n_heads", model.n_heads, 1 << 12),
            ("model.n_kv_heads", model.n_kv_heads, 1 << 12),
            ("model.head_dim", model.head_dim, 1 << 12),
            ("model.feed_forward", model.feed_forward, 1 << 20),
            ("model.context", model.context, 1 << 20),
            ("model.vocabulary", model.vocabulary, 1 << 24),
            ("batch.sequences", batch.sequences, 1 << 20),
            ("batch.at_a_time", batch.at_a_time, 1 << 20),
        ];
        for (key, got, most) in sizes {
            if !(1..=most).contains(&got) {
                return Err(bad(key, &got, format!("a whole number from 1 to {most}")));
            }
        }
        let whole = |key, got: usize, unit: usize| {
            let is_whole = got.is_multiple_of(unit);
            is_whole.then_some(()).ok_or_else(|| bad(key, &got, format!("a multiple of {unit}")))
        };
        whole("model.head_dim", model.head_dim, 2)?;
        whole("model.width", model.width, 32)?;
        whole("model.feed_forward", model.feed_forward, 32)?;
        whole("model.n_heads", model.n_heads, model.n_kv_heads)?;
        whole("batch.sequences", batch.sequences, batch.at_a_time)?;
        whole("model.n_heads times model.head_dim", model.n_heads * model.head_dim, 32)?;
        if schedule.steps == 0 {
            return Err(bad("schedule.steps", &0, "at least 1"));
        }
        let shares: [(&'static str, f64, f64, f64); 12] = [
            ("schedule.decay_share", schedule.decay_share, 0.0, 1.0),
            ("optimiser.learning_rate", optimiser.learning_rate, 0.0, 10.0),
            ("optimiser.muon_learning_rate", optimiser.muon_learning_rate, 0.0, 10.0),
            ("optimiser.beta1", optimiser.beta1, 0.0, 0.9999),
            ("optimiser.beta2", optimiser.beta2, 0.0, 0.999_999),
            ("optimiser.weight_decay", optimiser.weight_decay, 0.0, 10.0),
            ("optimiser.clip", optimiser.clip, 1e-9, 1e9),
            ("optimiser.z_loss", optimiser.z_loss, 0.0, 1.0),
            ("optimiser.dropout", optimiser.dropout, 0.0, 0.9),
            ("optimiser.average", optimiser.average, 0.0, 0.999_999),
            ("watch.held_out", watch.held_out, 0.0, 0.5),
            ("model.norm_eps", model.norm_eps, 0.0, 0.1),
        ];
        for (key, got, least, most) in shares {
            if !(least..=most).contains(&got) {
                return Err(bad(key, &got, format!("a number from {least} to {most}")));
            }
        }
        if !(model.rope_base > 1.0 && model.rope_base.is_finite()) {
            return Err(bad("model.rope_base", &model.rope_base, "a number above 1"));
        }
        Ok(())
    }
}

fn bad(key: &'static str, got: &impl ToString, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, got: got.to_string(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> rules::Given {
        rules::Given { vocabulary: 4096, steps: 100, tokens: 1_000_000, depth: None }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = Settings::parse("my.toml", "seed = 1\n[model]\ndpeth = 2\n").unwrap_err();
        let message = error.to_string();
        assert!(message.contains("my.toml: TOML parse error at line 3, column 1"), "{message}");
        assert!(message.contains("unknown field `dpeth`"), "{message}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for preset in [Preset::Llama, Preset::Nano] {
            let settings = Settings { preset: Some(preset), ..Settings::default() };
            let config = settings.resolve(&given()).unwrap();
            let again = Settings::parse("config.toml", &config.to_toml().unwrap()).unwrap();
            assert_eq!(again, Settings::from(&config));
            assert_eq!(again.resolve(&given()).unwrap(), config);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, expected) in [
            ("[model]\nwidth = 100", "model.width is 100; it must be a multiple of 32"),
            (
                "[batch]\nsequences = 3\nat_a_time = 2",
                "batch.sequences is 3; it must be a multiple of 2",
            ),
            (
                "[optimiser]\nbeta1 = 1.5",
                "optimiser.beta1 is 1.5; it must be a number from 0 to 0.9999",
            ),
            ("[schedule]\nsteps = 0", "schedule.steps is 0; it must be at least 1"),
            ("[model]\ndepth = 0", "model.depth is 0; it must be a whole number from 1 to 512"),
        ] {
            let settings = Settings::parse("c.toml", text).unwrap();
            assert_eq!(settings.resolve(&given()).unwrap_err().to_string(), expected);
        }
    }
}
