//! A model that judges: see [`crate::judge`], which asks it once all answers are there.

use std::fs;
use std::sync::Arc;

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::judge::{Judge, Labels};
use crate::outcome::Scale;
use crate::respond::Sampling;

/// Passes if a judge says that the answer meets a criterion.
pub(super) const JUDGE: Kind = Kind {
    name: "judge",
    main_key: Some("criterion"),
    about: "another `model` says that it meets this criterion",
    make: |options| make(options, false),
};

/// How often a judge prefers the answer to the control's.
pub(super) const PREFERENCE: Kind = Kind {
    name: "preference",
    main_key: Some("criterion"),
    about: "another `model` prefers it, by this criterion, to the control's answer",
    make: |options| make(options, true),
};

struct ByJudge(Judge);

fn make(options: &mut Options, compares: bool) -> Result<Arc<dyn Check>, OptionFault> {
    let criterion = options.required_text("criterion")?;
    let model = options.required_text("model")?;
    let repeats = whole(options, "repeats", if compares { 1 } else { 3 }, 100)?;
    let max_tokens = whole(options, "max_tokens", 200, 8192)?;
    let temperature = options.number("temperature")?.map(|value| value as f32);
    let labels = match options.text("labels")? {
        None => None,
        Some(path) => Some(read(options, &path)?),
    };
    let sampling = Sampling { temperature, max_tokens, ..Sampling::default() };
    Ok(Arc::new(ByJudge(Judge { model, criterion, compares, repeats, sampling, labels })))
}

fn whole(
    options: &mut Options,
    key: &'static str,
    usual: usize,
    most: usize,
) -> Result<usize, OptionFault> {
    match options.number(key)? {
        None => Ok(usual),
        Some(number) if number.fract() == 0.0 && number >= 1.0 && number <= most as f64 => {
            Ok(number as usize)
        }
        Some(other) => {
            let message = format!("{key} must be a whole number from 1 to {most}, not {other}");
            Err(OptionFault::new(Some(key), message))
        }
    }
}

fn read(options: &Options, path: &str) -> Result<Labels, OptionFault> {
    let wrong = |message: String| OptionFault::new(Some("labels"), message);
    let text = fs::read_to_string(options.folder.join(path))
        .map_err(|error| wrong(format!("{path} cannot be read: {error}")))?;
    Labels::read(&text).map_err(|error| wrong(format!("{path}: {error}")))
}

impl Check for ByJudge {
    fn scale(&self) -> Scale {
        if self.0.compares {
            Scale::Continuous { low: Some(0.0), high: Some(1.0) }
        } else {
            Scale::Binary
        }
    }

    fn judge(&self) -> Option<&Judge> {
        Some(&self.0)
    }

    fn check(&self, _: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        Err("a judge looks at all answers together, by judge::judge".to_owned())
    }
}
