//! Whether the number that an answer ends on is the right one.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::expected::Expected;
use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;

/// Passes if the last number in the answer is the expected one.
pub(super) const KIND: Kind = Kind {
    name: "number",
    main_key: Some("expected"),
    about: "its last number is `expected`, or what the input's `field` says, within `tolerance`",
    make,
};

struct Number {
    expected: Expected,
    tolerance: f64,
    relative: f64,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let expected = Expected::take(options, "expected")?;
    if let Expected::Same(text) = &expected
        && last(text).is_none()
    {
        let message = format!("expected must be a number, not {text:?}");
        return Err(OptionFault::new(Some("expected"), message));
    }
    let tolerance = bound(options, "tolerance")?;
    let relative = bound(options, "relative")?;
    Ok(Arc::new(Number { expected, tolerance, relative }))
}

fn bound(options: &mut Options, key: &'static str) -> Result<f64, OptionFault> {
    let value = options.number(key)?.unwrap_or(0.0);
    if value < 0.0 {
        let message = format!("{key} must not be negative, and is {value}: it can never pass");
        return Err(OptionFault::new(Some(key), message));
    }
    Ok(value)
}

impl Check for Number {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn fields(&self) -> Vec<String> {
        self.expected.fields()
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let text = self.expected.of(answered)?;
        let expected = last(&text).ok_or_else(|| format!("{text:?} in the input is no number"))?;
        let Some(found) = last(&answered.answer.text) else {
            return Ok(Outcome::failed("no number in it"));
        };
        // One part in 10^9 forgives what the last digits lose on their way through binary.
        let allowed = self.tolerance.max(self.relative.max(1e-9) * expected.abs());
        let is_near = (found - expected).abs() <= allowed;
        Ok(Outcome::of((!is_near).then(|| format!("{found}, not {expected}"))))
    }
}

/// The last number in a text: digits, with commas or thin spaces between thousands, a decimal
/// point, an exponent. A sign counts where it cannot be a dash: "3-4" ends on 4.
fn last(text: &str) -> Option<f64> {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let pattern =
            "(?:\\d{1,3}(?:[,\u{202f}\u{2009}]\\d{3})+|\\d+)(?:\\.\\d+)?(?:[eE][-+]?\\d+\\b)?";
        Regex::new(pattern).ok()
    });
    let found = NUMBER.as_ref()?.find_iter(text).last()?;
    let digits: String =
        found.as_str().chars().filter(|c| !matches!(c, ',' | '\u{202f}' | '\u{2009}')).collect();
    let mut before = text[..found.start()].chars().rev();
    let sign = before.next();
    let currency = sign.is_some_and(|c| matches!(c, '$' | '€' | '£'));
    let sign = if currency { before.next() } else { sign };
    let is_negative = matches!(sign, Some('-' | '−'))
        && !before.next().is_some_and(|c| c.is_alphanumeric() || c == ')');
    let value: f64 = digits.parse().ok()?;
    Some(if is_negative { -value } else { value }).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{fault, outcome, passes};
    use super::*;

    #[test]
    fn the_last_number_is_read() {
        for (text, expected) in [
            ("12 + 30 = 42.", Some(42.0)),
            ("so $1,234.50", Some(1234.5)),
            ("-$5", Some(-5.0)),
            ("it is −7 °C", Some(-7.0)),
            ("pages 3-4", Some(4.0)),
            ("1.5e3", Some(1500.0)),
            ("7e", Some(7.0)),
            ("**18**", Some(18.0)),
            ("1,2", Some(2.0)),
            ("none", None),
            ("9e999", None),
        ] {
            assert_eq!(last(text), expected, "{text}");
        }
    }

    #[test]
    fn tolerance_is_absolute_or_relative() {
        assert!(passes("number", json!({"expected": 0.3}), "0.3"));
        assert!(!passes("number", json!({"expected": 3}), "3.01"));
        assert!(passes("number", json!({"expected": 3, "tolerance": 0.01}), "3.01"));
        assert!(passes("number", json!({"expected": "200", "relative": 0.05}), "about 191"));
        assert!(!passes("number", json!({"expected": 200, "relative": 0.05}), "about 189"));
    }

    #[test]
    fn each_input_may_say_its_own() {
        let keys = json!({"field": "answer"});
        let seen = outcome("number", keys.clone(), json!({"answer": 12}), "I say 12");
        assert_eq!(seen.value, 1.0);
        let seen = outcome("number", keys, json!({"answer": "12"}), "I say 13");
        assert_eq!(seen.reason, "13, not 12");
        assert!(fault("number", json!({})).hint.unwrap().contains("field"));
        assert!(fault("number", json!({"expected": "x"})).message.contains("number"));
        assert!(fault("number", json!({"expected": 1, "tolerance": -1})).message.contains("never"));
    }
}
