//! What an answer says.

use std::sync::Arc;

use super::expected::Expected;
use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;

/// Passes if the answer contains a text.
pub(super) const CONTAINS: Kind = Kind {
    name: "contains",
    main_key: Some("text"),
    about: "contains this text, or what the input's `field` says",
    make: |options| {
        let (text, ignore_case) = text_and_case(options)?;
        Ok(Arc::new(Contains { text, ignore_case }))
    },
};

/// Passes if the answer is a text.
pub(super) const EQUALS: Kind = Kind {
    name: "equals",
    main_key: Some("text"),
    about: "is this text, or what the input's `field` says, but for spaces around it",
    make: |options| {
        let (text, ignore_case) = text_and_case(options)?;
        Ok(Arc::new(Equals { text, ignore_case }))
    },
};

fn text_and_case(options: &mut Options) -> Result<(Expected, bool), OptionFault> {
    let text = Expected::take(options, "text")?;
    Ok((text, options.flag("ignore_case")?.unwrap_or(false)))
}

fn fold(text: &str, ignore_case: bool) -> String {
    if ignore_case { text.to_lowercase() } else { text.to_owned() }
}

struct Contains {
    text: Expected,
    ignore_case: bool,
}

impl Check for Contains {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn fields(&self) -> Vec<String> {
        self.text.fields()
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let (text, ignore_case) = (self.text.of(answered)?, self.ignore_case);
        let found = fold(&answered.answer.text, ignore_case).contains(&fold(&text, ignore_case));
        Ok(Outcome::of((!found).then(|| format!("{text:?} is not in it"))))
    }
}

struct Equals {
    text: Expected,
    ignore_case: bool,
}

impl Check for Equals {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn fields(&self) -> Vec<String> {
        self.text.fields()
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let text = self.text.of(answered)?;
        let (answer, wanted) = (answered.answer.text.trim(), text.trim());
        let same = fold(answer, self.ignore_case) == fold(wanted, self.ignore_case);
        Ok(Outcome::of((!same).then(|| format!("it is not {wanted:?}"))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{fault, outcome, passes};

    #[test]
    fn texts_are_the_same_for_all_or_each_input_s_own() {
        assert!(passes("contains", json!({"text": "Tea"}), "Green Tea."));
        assert!(!passes("contains", json!({"text": "tea"}), "Green Tea."));
        assert!(passes("contains", json!({"text": "tea", "ignore_case": true}), "Green TEA."));
        assert!(passes("equals", json!({"text": "yes"}), " yes\n"));
        let own = |answer: &str| {
            outcome("contains", json!({"field": "city"}), json!({"city": "Oslo"}), answer)
        };
        assert_eq!(own("It is Oslo.").value, 1.0);
        assert_eq!(own("It is Bergen.").reason, "\"Oslo\" is not in it");
        let year = outcome("equals", json!({"field": "year"}), json!({"year": 1905}), "1905");
        assert_eq!(
            (year.value, outcome("equals", json!({"text": 3}), Value::Null, "3").value),
            (1.0, 1.0)
        );
        assert!(fault("contains", json!({"text": "a", "field": "b"})).message.contains("exclude"));
    }
}
