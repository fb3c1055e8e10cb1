//! Whether a pattern is found in an answer.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;
use crate::respond::Sampling;

/// What a compiled pattern may take.
const SIZE_LIMIT: usize = 4 << 20;

/// Passes if the answer matches a regular expression.
pub(super) const KIND: Kind = Kind {
    name: "regex",
    main_key: Some("pattern"),
    about: "a regular expression matches somewhere in it (or, with whole = true, all of it)",
    make,
};

struct Pattern {
    regex: Regex,
    source: String,
    matches_nothing: bool,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let source = options.required_text("pattern")?;
    let whole = options.flag("whole")?.unwrap_or(false);
    let ignore_case = options.flag("ignore_case")?.unwrap_or(false);
    let pattern = if whole { format!(r"\A\s*(?:{source})\s*\z") } else { source.clone() };
    let wrong = |error: String| {
        // The last line says what is wrong, the ones before show where.
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        OptionFault::new(Some("pattern"), format!("pattern {source:?}: {reason}"))
            .hint("look-around and back-references are not known: see docs.rs/regex")
    };
    let regex = RegexBuilder::new(&pattern)
        .case_insensitive(ignore_case)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let matches_nothing = regex_syntax::parse(&pattern)
        .is_ok_and(|parsed| parsed.properties().minimum_len().is_none());
    Ok(Arc::new(Pattern { regex, source, matches_nothing }))
}

impl Check for Pattern {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn impossible(&self, _: &Sampling) -> Option<String> {
        self.matches_nothing.then(|| format!("no text can match {:?}", self.source))
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let found = self.regex.is_match(&answered.answer.text);
        Ok(Outcome::of((!found).then(|| format!("{:?} does not match", self.source))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::make;
    use super::super::testing::{fault, object, passes};
    use super::*;

    #[test]
    fn patterns_match_somewhere_or_the_whole() {
        assert!(passes("regex", json!({"pattern": r"\b\d{4}-\d\d\b"}), "in 2024-05, say"));
        assert!(!passes("regex", json!({"pattern": "^yes$"}), "oh yes"));
        assert!(passes("regex", json!({"pattern": "yes|no", "whole": true}), " yes\n"));
        assert!(!passes("regex", json!({"pattern": "yes|no", "whole": true}), "yes, no"));
        assert!(passes(
            "regex",
            json!({"pattern": "straße", "ignore_case": true}),
            "STRASSE Straße"
        ));
        // Would take forever with back-tracking.
        assert!(!passes(
            "regex",
            json!({"pattern": "(a+)+$"}),
            &format!("{}b", "a".repeat(100_000))
        ));
    }

    #[test]
    fn bad_patterns_are_named() {
        assert!(fault("regex", json!({})).message.contains("pattern is missing"));
        assert!(fault("regex", json!({"pattern": "(a"})).message.contains("unclosed group"));
        fault("regex", json!({"pattern": r"(?:\w{1000}){1000}"}));
        let never = make("regex", object(json!({"pattern": "[a&&b]"})), "".into()).unwrap();
        assert!(never.check.impossible(&Sampling::default()).is_some());
    }
}
