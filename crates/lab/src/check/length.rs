//! How long an answer is.

use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation as _;

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;
use crate::respond::Sampling;

/// Measures, or bounds, the length in characters.
pub(super) const CHARACTERS: Kind = Kind {
    name: "characters",
    main_key: Some("max"),
    about: "length in characters; passes from min to max if either is given",
    make: |options| length(options, Measure::Characters),
};

/// Measures, or bounds, the length in words.
pub(super) const WORDS: Kind = Kind {
    name: "words",
    main_key: Some("max"),
    about: "length in words; passes from min to max if either is given",
    make: |options| length(options, Measure::Words),
};

/// Measures, or bounds, the length in sentences.
pub(super) const SENTENCES: Kind = Kind {
    name: "sentences",
    main_key: Some("max"),
    about: "length in sentences; passes from min to max if either is given",
    make: |options| length(options, Measure::Sentences),
};

/// Measures, or bounds, the length in tokens.
pub(super) const TOKENS: Kind = Kind {
    name: "tokens",
    main_key: Some("max"),
    about: "length in the model's tokens; passes from min to max if either is given",
    make: |options| length(options, Measure::Tokens),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Characters,
    Words,
    Sentences,
    Tokens,
}

impl Measure {
    /// Counts as Unicode divides text (UAX #29): characters are what a reader takes for one, and
    /// each character of Chinese counts as a word.
    fn of(self, answered: &Answered) -> Result<usize, String> {
        let text = answered.answer.text.trim();
        Ok(match self {
            Self::Characters => text.graphemes(true).count(),
            Self::Words => text.unicode_words().count(),
            Self::Sentences => text.unicode_sentences().count(),
            Self::Tokens => {
                let counted = answered.answer.tokens.ok_or("tokens of answers are not counted")?;
                counted as usize
            }
        })
    }
}

struct Length {
    measure: Measure,
    bounds: Option<(f64, f64)>,
}

fn length(options: &mut Options, measure: Measure) -> Result<Arc<dyn Check>, OptionFault> {
    let (min, max) = (options.number("min")?, options.number("max")?);
    let bounds = (min.is_some() || max.is_some())
        .then(|| (min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY)));
    if let Some((min, max)) = bounds
        && (min > max || max < 0.0)
    {
        let message = format!("no length lies between {min} and {max}: it can never pass");
        return Err(OptionFault::new(Some("max"), message));
    }
    Ok(Arc::new(Length { measure, bounds }))
}

impl Check for Length {
    fn scale(&self) -> Scale {
        match self.bounds {
            Some(_) => Scale::Binary,
            None => Scale::Continuous { low: Some(0.0), high: None },
        }
    }

    fn impossible(&self, sampling: &Sampling) -> Option<String> {
        let (min, _) = self.bounds?;
        let most = sampling.max_tokens;
        (self.measure == Measure::Tokens && most > 0 && min > most as f64)
            .then(|| format!("answers have {most} tokens at most, and min is {min}"))
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let length = self.measure.of(answered)? as f64;
        let Some((min, max)) = self.bounds else { return Ok(Outcome::measured(length)) };
        Ok(Outcome::of(if length < min {
            Some(format!("{length} is less than {min}"))
        } else if length > max {
            Some(format!("{length} is more than {max}"))
        } else {
            None
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::make;
    use super::super::testing::{fault, object, outcome, passes};
    use super::*;

    #[test]
    fn lengths_are_as_a_reader_counts() {
        for (kind, text, expected) in [
            ("characters", " e\u{301}👩‍👩‍👧 ", 2.0),
            ("words", "It's a well-known fact: 3.5 %", 6.0),
            ("words", "我喜欢茶", 4.0),
            ("sentences", "One. Two? Three!", 3.0),
            ("sentences", "我喜欢茶。你呢？", 2.0),
            ("sentences", "", 0.0),
            ("tokens", "three small words", 3.0),
        ] {
            let found = outcome(kind, json!({}), Value::Null, text).value;
            assert_eq!(found, expected, "{kind} of {text}");
        }
    }

    #[test]
    fn bounds_make_it_pass_or_fail() {
        assert!(passes("words", json!({"max": "3"}), "one two three"));
        assert!(!passes("words", json!({"max": 2}), "one two three"));
        assert!(!passes("sentences", json!({"min": 2}), "One."));
        assert!(fault("words", json!({"min": 3, "max": 2})).message.contains("never"));
        let long = make("tokens", object(json!({"min": 100})), "".into()).unwrap();
        let sampling = Sampling { max_tokens: 60, ..Sampling::default() };
        assert!(long.check.impossible(&sampling).is_some());
    }
}
