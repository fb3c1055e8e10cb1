//! What an answer says, and how long it is.

use std::sync::Arc;

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;

/// Passes if the answer contains a text.
pub(super) const CONTAINS: Kind = Kind {
    name: "contains",
    main_key: Some("text"),
    about: "contains this text",
    make: |options| {
        let (text, ignore_case) = text_and_case(options)?;
        Ok(Arc::new(Contains { text, ignore_case }))
    },
};

/// Passes if the answer is a text.
pub(super) const EQUALS: Kind = Kind {
    name: "equals",
    main_key: Some("text"),
    about: "is this text, but for spaces around it",
    make: |options| {
        let (text, ignore_case) = text_and_case(options)?;
        Ok(Arc::new(Equals { text, ignore_case }))
    },
};

/// Measures, or bounds, the length in characters.
pub(super) const CHARACTERS: Kind = Kind {
    name: "characters",
    main_key: Some("max"),
    about: "length in characters; passes from min to max if either is given",
    make: |options| length(options, |answered| answered.answer.text.trim().chars().count()),
};

/// Measures, or bounds, the length in words.
pub(super) const WORDS: Kind = Kind {
    name: "words",
    main_key: Some("max"),
    about: "length in words; passes from min to max if either is given",
    make: |options| length(options, |answered| answered.answer.text.split_whitespace().count()),
};

fn text_and_case(options: &mut Options) -> Result<(String, bool), OptionFault> {
    let text = options.required_text("text")?;
    Ok((text, options.flag("ignore_case")?.unwrap_or(false)))
}

fn fold(text: &str, ignore_case: bool) -> String {
    if ignore_case { text.to_lowercase() } else { text.to_owned() }
}

struct Contains {
    text: String,
    ignore_case: bool,
}

impl Check for Contains {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let Self { text, ignore_case } = self;
        let found = fold(&answered.answer.text, *ignore_case).contains(&fold(text, *ignore_case));
        Ok(Outcome::of((!found).then(|| format!("{text:?} is not in it"))))
    }
}

struct Equals {
    text: String,
    ignore_case: bool,
}

impl Check for Equals {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let Self { text, ignore_case } = self;
        let (answer, wanted) = (answered.answer.text.trim(), text.trim());
        let same = fold(answer, *ignore_case) == fold(wanted, *ignore_case);
        Ok(Outcome::of((!same).then(|| format!("it is not {wanted:?}"))))
    }
}

struct Length {
    count: fn(&Answered) -> usize,
    bounds: Option<(f64, f64)>,
}

fn length(
    options: &mut Options,
    count: fn(&Answered) -> usize,
) -> Result<Arc<dyn Check>, OptionFault> {
    let (min, max) = (options.number("min")?, options.number("max")?);
    let bounds = (min.is_some() || max.is_some())
        .then(|| (min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY)));
    if let Some((min, max)) = bounds
        && (min > max || max < 0.0)
    {
        let message = format!("no length lies between {min} and {max}: it can never pass");
        return Err(OptionFault::new(Some("max"), message));
    }
    Ok(Arc::new(Length { count, bounds }))
}

impl Check for Length {
    fn scale(&self) -> Scale {
        match self.bounds {
            Some(_) => Scale::Binary,
            None => Scale::Continuous { low: Some(0.0), high: None },
        }
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let length = (self.count)(answered) as f64;
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
