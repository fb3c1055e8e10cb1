//! How near an answer is to another text in meaning.

use std::sync::Arc;

use super::expected::Expected;
use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;

/// Measures, or bounds, the cosine between the embeddings of the answer and of a text.
pub(super) const KIND: Kind = Kind {
    name: "similarity",
    main_key: Some("to"),
    about: "nearness in meaning, -1 to 1, to a text or to the input's `field`; passes from `min`",
    make,
};

struct Similarity {
    to: Expected,
    min: Option<f64>,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let (to, min) = (Expected::take(options, "to")?, options.number("min")?);
    if let Some(min) = min
        && !(-1.0..=1.0).contains(&min)
    {
        let message = format!("min must lie between -1 and 1, and is {min}");
        return Err(OptionFault::new(Some("min"), message));
    }
    Ok(Arc::new(Similarity { to, min }))
}

impl Check for Similarity {
    fn scale(&self) -> Scale {
        match self.min {
            Some(_) => Scale::Binary,
            None => Scale::Continuous { low: Some(-1.0), high: Some(1.0) },
        }
    }

    fn fields(&self) -> Vec<String> {
        self.to.fields()
    }

    fn check(&self, answered: &Answered, tools: &mut dyn Tools) -> Result<Outcome, String> {
        let wanted = self.to.of(answered)?;
        let vectors = tools.embed(&[&answered.answer.text, &wanted])?;
        let [answer, wanted] = &vectors[..] else {
            return Err(format!("2 texts gave {} embeddings", vectors.len()));
        };
        if answer.len() != wanted.len() {
            return Err("the embeddings differ in length".to_owned());
        }
        let cosine: f64 =
            answer.iter().zip(wanted).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        // Rounding can carry it out of its bounds.
        let cosine = cosine.clamp(-1.0, 1.0);
        Ok(match self.min {
            None => Outcome::measured(cosine),
            Some(min) if cosine >= min => Outcome::passed(),
            Some(min) => Outcome::failed(format!("{cosine:.3} is less than {min}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::make;
    use super::super::testing::{fault, look, object};
    use super::*;

    /// A text's embedding is the direction of how often it says a and b.
    struct Letters;

    impl Tools for Letters {
        fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
            let one = |text: &&str| {
                let count = |letter: char| text.matches(letter).count() as f32;
                let length = count('a').hypot(count('b'));
                vec![count('a') / length, count('b') / length]
            };
            Ok(texts.iter().map(one).collect())
        }
    }

    #[test]
    fn the_cosine_is_measured_or_bounded() {
        let made = |keys: Value| make("similarity", object(keys), "".into()).unwrap().check;
        let near = look(&*made(json!({"to": "ab"})), Value::Null, "a", &mut Letters).unwrap();
        assert!((near.value - 0.5f64.sqrt()).abs() < 1e-6);
        let field = made(json!({"field": "like", "min": 0.9}));
        assert_eq!(field.fields(), ["like"]);
        let far = look(&*field, json!({"like": "b"}), "a", &mut Letters).unwrap();
        assert_eq!((far.value, far.reason.as_str()), (0.0, "0.000 is less than 0.9"));
        let same = look(&*field, json!({"like": "b"}), "bb", &mut Letters).unwrap();
        assert_eq!(same.value, 1.0);
        fault("similarity", json!({"to": "x", "min": 2}));
    }

    #[test]
    fn without_a_model_it_says_so() {
        let check = make("similarity", object(json!({"to": "x"})), "".into()).unwrap().check;
        let error = look(&*check, Value::Null, "a", &mut super::super::NoTools).unwrap_err();
        assert!(error.contains("no embedding model"));
    }
}
