//! How unsurprising an answer is to a model.

use std::sync::Arc;

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;

/// Measures, or bounds, the perplexity of the answer.
pub(super) const KIND: Kind = Kind {
    name: "perplexity",
    main_key: Some("model"),
    about: "how surprising it is to a model, lower is more fluent; passes up to `max` if given",
    make,
};

struct Perplexity {
    model: String,
    max: Option<f64>,
    given_prompt: bool,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let model = options.required_text("model")?;
    let max = options.number("max")?;
    let given_prompt = options.flag("given_prompt")?.unwrap_or(false);
    if let Some(max) = max
        && max < 1.0
    {
        let message = format!("no perplexity is below 1, so that max = {max} can never pass");
        return Err(OptionFault::new(Some("max"), message));
    }
    Ok(Arc::new(Perplexity { model, max, given_prompt }))
}

impl Check for Perplexity {
    fn scale(&self) -> Scale {
        match self.max {
            Some(_) => Scale::Binary,
            None => Scale::Continuous { low: Some(1.0), high: None },
        }
    }

    fn lower_is_better(&self) -> bool {
        self.max.is_none()
    }

    fn check(&self, answered: &Answered, tools: &mut dyn Tools) -> Result<Outcome, String> {
        let text = answered.answer.text.trim();
        if text.is_empty() && self.max.is_some() {
            return Ok(Outcome::failed("it is empty"));
        }
        let prompt = if self.given_prompt { answered.prompt.user.as_str() } else { "" };
        let mean = tools.log_probability(&self.model, prompt, text)?;
        let perplexity = (-mean).exp();
        if !perplexity.is_finite() {
            return Err(format!("{} gives no probability to a text", self.model));
        }
        Ok(match self.max {
            None => Outcome::measured(perplexity),
            Some(max) if perplexity <= max => Outcome::passed(),
            Some(max) => Outcome::failed(format!("{perplexity:.1} is more than {max}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::make;
    use super::super::testing::{fault, look, object};
    use super::*;

    /// Every byte, of the prompt too, makes a text half as likely.
    struct Bytes;

    impl Tools for Bytes {
        fn log_probability(&mut self, _: &str, prompt: &str, text: &str) -> Result<f64, String> {
            Ok(-0.5f64.recip().ln() * (prompt.len() + text.len()) as f64)
        }
    }

    #[test]
    fn perplexity_is_measured_or_bounded() {
        let of = |keys: Value, text: &str| {
            let check = make("perplexity", object(keys), "".into()).unwrap().check;
            look(&*check, Value::Null, text, &mut Bytes).unwrap()
        };
        assert!((of(json!({"model": "m"}), "abc").value - 8.0).abs() < 1e-9);
        // "Say it." is seven bytes.
        let given = of(json!({"model": "m", "given_prompt": true}), "abc").value;
        assert!((given - 1024.0).abs() < 1e-6);
        assert_eq!(of(json!({"model": "m", "max": 9}), "abc").value, 1.0);
        assert_eq!(of(json!({"model": "m", "max": 7}), "abc").reason, "8.0 is more than 7");
        assert!(fault("perplexity", json!({"model": "m", "max": 0.5})).message.contains("never"));
        let check = make("perplexity", object(json!({"model": "m"})), "".into()).unwrap().check;
        assert!(check.lower_is_better());
    }
}
