//! From what was written to a valid experiment, or to the first mistake in it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::draft::{Draft, InputsDraft, Spot, VariantDraft};
use super::{Arm, Compared, Experiment, Fault, Input, Template, Wording, formats, inputs, suggest};
use crate::check::Checked;
use crate::design::{Factor, Fraction, fraction, full};
use crate::outcome::{Question, Scale};

/// How many samples a model draws if nobody says: an answer within a minute from a small one.
const SAMPLES: usize = 200;
/// And how many of an arm and input at most.
const MOST_REPEATS: usize = 50;
/// With fewer inputs no sequence can be sure before the last of them.
const FEWEST_FOR_EARLY: usize = 20;
/// The smallest difference that matters, as a share of the scale, if nobody says.
const MARGIN: f64 = 0.1;
/// More combinations than this are a mistake.
const MOST_ARMS: usize = 256;

/// The arms, the factors that they cross, and which part of the crossing they are.
type Arms = (Vec<Arm>, Vec<Factor>, Option<Fraction>);

impl Draft {
    /// Checks everything that can be checked before a sample is drawn.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn build(mut self) -> Result<Experiment, Fault> {
        let inputs = self.name_inputs()?;
        let (arms, factors, fraction) = self.arms()?;
        self.check_fields(&arms, &inputs)?;
        let checks = self.checks(&inputs)?;
        let scale = checks[0].check.scale();
        let (compared, question) = self.question(&arms, &factors, &checks[0])?;
        let bounded = largest_difference(scale).is_some();
        if self.early == Some(true) && !bounded {
            let message = format!("{} has no bounds, and looking early needs them", checks[0].name);
            return Err(self.source.fault_of_all(message));
        }
        // Groups are answered piecemeal, so that no look could take in whole ones.
        let grouped = inputs.iter().enumerate().any(|(place, input)| input.group != place);
        if self.early == Some(true) && grouped {
            let message = "looking early needs inputs that are not grouped";
            return Err(self.source.fault_of_all(message));
        }
        let enough = inputs.len() >= FEWEST_FOR_EARLY;
        let by_default = bounded && !grouped && enough && !self.is_aa;
        let per_repeat = arms.len() * inputs.len() * arms[0].wordings.len();
        let wanted = self.budget.samples.unwrap_or(SAMPLES) / per_repeat;
        let most = if self.budget.samples.is_some() { usize::MAX } else { MOST_REPEATS };
        Ok(Experiment {
            repeats: self.repeats.unwrap_or(wanted.clamp(1, most)),
            name: self.name,
            models: self.models,
            arms,
            factors,
            fraction,
            inputs,
            sampling: self.sampling,
            seed: self.seed,
            checks,
            compared,
            question,
            early: self.early.unwrap_or(by_default),
            budget: self.budget,
            requirement: self.requirement,
            is_aa: self.is_aa,
        })
    }

    fn fault<T>(&self, spot: &Spot<T>, message: impl Into<String>) -> Fault {
        match &spot.span {
            Some(span) => self.source.fault(span.clone(), message),
            None => self.source.fault_of_all(message),
        }
    }

    fn name_inputs(&mut self) -> Result<Vec<Input>, Fault> {
        match self.inputs.take() {
            Some(InputsDraft { source, rows, group }) => {
                inputs::name(&source, rows, group.as_deref())
            }
            None => Ok(vec![Input { name: "1".to_owned(), group: 0, fields: Map::new() }]),
        }
    }

    fn arms(&self) -> Result<Arms, Fault> {
        let Some(first) = self.variants.first() else {
            let hint = "[[variant]] with name and prompt, twice; or a prompt and [factors]";
            let fault = self.source.fault_of_all("there is nothing to compare: no variant");
            return Err(fault.with_hint(Some(hint.to_owned())));
        };
        if !self.factors.is_empty() {
            return self.crossed(first);
        }
        let mut names = HashSet::new();
        let mut arms = Vec::new();
        for variant in &self.variants {
            if !names.insert(&variant.name.value) {
                let message = format!("two variants are named {:?}", variant.name.value);
                return Err(self.fault(&variant.name, message));
            }
            let wordings = self.wordings(variant, &[])?;
            arms.push(Arm { name: variant.name.value.clone(), levels: Vec::new(), wordings });
        }
        if self.is_aa {
            let name = format!("{} again", arms[0].name);
            arms.truncate(1);
            arms.push(Arm { name, ..arms[0].clone() });
        }
        if arms.len() < 2 {
            let fault =
                self.source.fault_of_all("there is one variant, and nothing to compare it with");
            let hint = "add another one, or `--aa` to compare it with itself";
            return Err(fault.with_hint(Some(hint.to_owned())));
        }
        let few = arms.iter().map(|arm| arm.wordings.len()).min();
        if let Some(place) = arms.iter().position(|arm| Some(arm.wordings.len()) != few) {
            let message = "every variant needs as many wordings as the others";
            return Err(self.fault(&self.variants[place].name, message));
        }
        Ok((arms, Vec::new(), None))
    }

    /// The arms of crossed factors: all combinations, or the best fraction of them.
    fn crossed(&self, base: &VariantDraft) -> Result<Arms, Fault> {
        let mut factors = Vec::new();
        let used = |name: &str| {
            let prompts = base.prompts.iter().chain(&base.system);
            prompts
                .filter_map(|prompt| Template::new(&prompt.value).ok())
                .any(|template| template.variables().any(|(variable, _)| variable == name))
        };
        for factor in &self.factors {
            let name = &factor.name.value;
            if !used(name) {
                let message = format!("the prompt has no place {{{{{name}}}}} for this factor");
                return Err(self.fault(&factor.name, message));
            }
            if factor.levels.len() < 2 {
                let message = format!("factor {name} needs two levels at least");
                return Err(self.fault(&factor.name, message));
            }
            let levels = factor.levels.iter().map(|(name, _)| name.clone()).collect();
            factors.push(Factor { name: name.clone(), levels });
        }
        let n_all = factors.iter().fold(1usize, |n, factor| n.saturating_mul(factor.levels.len()));
        let (levels, fraction) = match &self.fraction {
            Some(arms) => {
                let fraction = fraction(&factors, arms.value)
                    .map_err(|error| self.fault(arms, error.to_string()))?;
                (fraction.arms.clone(), Some(fraction))
            }
            None if n_all > MOST_ARMS => {
                let message = format!("the factors cross to {n_all} arms, more than {MOST_ARMS}");
                let hint = "`arms = 16` runs a fraction of factors with two levels";
                return Err(self.source.fault_of_all(message).with_hint(Some(hint.into())));
            }
            None => (full(&factors), None),
        };
        let mut arms = Vec::new();
        for levels in levels {
            let part = |(factor, &level): (&Factor, &usize)| {
                format!("{}={}", factor.name, factor.levels[level])
            };
            let name = factors.iter().zip(&levels).map(part).collect::<Vec<_>>().join(" ");
            arms.push(Arm { name, wordings: self.wordings(base, &levels)?, levels });
        }
        Ok((arms, factors, fraction))
    }

    /// The prompts of an arm, with its levels' texts put in, in each wording.
    fn wordings(&self, variant: &VariantDraft, levels: &[usize]) -> Result<Vec<Wording>, Fault> {
        let mut texts = Vec::new();
        for (factor, &level) in self.factors.iter().zip(levels) {
            let (_, text) = &factor.levels[level];
            texts.push((factor.name.value.as_str(), self.template(text)?));
        }
        let fill = |template: &Template| {
            template.fill(|name| texts.iter().find(|(own, _)| *own == name).map(|(_, text)| text))
        };
        let system = variant.system.as_ref().map(|text| self.template(text)).transpose()?;
        let system = system.as_ref().map(fill);
        let mut wordings = Vec::new();
        for prompt in &variant.prompts {
            if prompt.value.trim().is_empty() {
                return Err(self.fault(prompt, "the prompt is empty"));
            }
            let prompt = fill(&self.template(prompt)?);
            wordings.push(Wording { system: system.clone(), prompt });
        }
        if self.paraphrases > 0
            && let Some(first) = wordings.first().cloned()
        {
            let formats = formats::formats(&first.prompt, self.paraphrases, self.seed);
            let worded = |prompt| Wording { system: system.clone(), prompt };
            wordings.extend(formats.into_iter().map(worded));
        }
        Ok(wordings)
    }

    fn template(&self, text: &Spot<String>) -> Result<Template, Fault> {
        Template::new(&text.value).map_err(|fault| {
            let written = &text.value[fault.span.clone()];
            self.source.fault(self.find(text, written), fault.message)
        })
    }

    /// Where a piece of a text stands: in a file the text may be written with escapes.
    fn find(&self, text: &Spot<String>, piece: &str) -> std::ops::Range<usize> {
        let span = text.span.clone().unwrap_or(0..self.source.text.len());
        let written = self.source.text.get(span.clone()).unwrap_or_default();
        match written.find(piece) {
            Some(at) => span.start + at..span.start + at + piece.len(),
            None => span,
        }
    }

    /// Every variable of every prompt must be a field of every input.
    fn check_fields(&self, arms: &[Arm], inputs: &[Input]) -> Result<(), Fault> {
        let wordings = arms.iter().flat_map(|arm| &arm.wordings);
        for template in wordings.flat_map(|one| one.system.iter().chain([&one.prompt])) {
            for (name, _) in template.variables() {
                let Some(input) = inputs.iter().find(|input| !input.fields.contains_key(name))
                else {
                    continue;
                };
                let mut names: Vec<&str> = input.fields.keys().map(String::as_str).collect();
                names.extend(self.factors.iter().map(|factor| factor.name.value.as_str()));
                let hint = match suggest(name, &names) {
                    Some(near) => format!("did you mean {{{{{near}}}}}?"),
                    None if names.is_empty() => {
                        "give the inputs with --inputs, or `inputs` in the file".to_owned()
                    }
                    None => format!("an input has {}", names.join(", ")),
                };
                let message =
                    format!("input {} has no field {name:?} for this variable", input.name);
                let span = self.find_variable(name);
                return Err(self.source.fault(span, message).with_hint(Some(hint)));
            }
        }
        Ok(())
    }

    fn find_variable(&self, name: &str) -> std::ops::Range<usize> {
        let text = &self.source.text;
        let is_it = |&(at, _): &(usize, &str)| {
            text[at + 2..].split_once("}}").is_some_and(|(inside, _)| inside.trim() == name)
        };
        match text.match_indices("{{").find(is_it) {
            Some((at, _)) => at..at + 2 + text[at + 2..].find("}}").unwrap_or(0) + 2,
            None => 0..0,
        }
    }

    fn checks(&self, inputs: &[Input]) -> Result<Vec<Checked>, Fault> {
        let mut checks: Vec<Checked> = Vec::new();
        for (checked, span) in &self.checks {
            let fault = |message: String| match span {
                Some(span) => self.source.fault(span.clone(), message),
                None => self.source.fault_of_all(message),
            };
            if let Some(why) = checked.check.impossible(&self.sampling) {
                return Err(fault(format!("{} can never pass: {why}", checked.name)));
            }
            for field in checked.check.fields() {
                if let Some(input) = inputs.iter().find(|input| !has(input, &field)) {
                    let message = format!(
                        "{} needs the field {field:?} of input {}",
                        checked.name, input.name
                    );
                    return Err(fault(message));
                }
            }
            let mut checked = checked.clone();
            let same = checks.iter().filter(|other| other.kind == checked.kind).count();
            if checks.iter().any(|other| other.name == checked.name) {
                checked.name = format!("{} {}", checked.name, same + 1);
            }
            checks.push(checked);
        }
        if checks.is_empty() {
            let names: Vec<&str> = crate::check::KINDS.iter().map(|kind| kind.name).collect();
            let fault = self.source.fault_of_all("nothing says what a good answer is: no check");
            let hint = format!("--check NAME or [[check]]; there are {}", names.join(", "));
            return Err(fault.with_hint(Some(hint)));
        }
        Ok(checks)
    }

    fn question(
        &self,
        arms: &[Arm],
        factors: &[Factor],
        check: &Checked,
    ) -> Result<(Compared, Question), Fault> {
        let compared = Compared { factor: (!factors.is_empty()).then_some(0) };
        let (mut compared, mut names) = (compared, names_of(compared, arms, factors));
        let wanted = self.treatment.as_ref().or(self.control.as_ref());
        if let Some(spot) = wanted {
            // A factor's level, "factor=level", or an arm by its name.
            let by_factor = |factor: &Factor| {
                spot.value.split_once('=').is_some_and(|(name, level)| {
                    name == factor.name && factor.levels.iter().any(|own| own == level)
                })
            };
            compared = Compared { factor: factors.iter().position(by_factor) };
            names = names_of(compared, arms, factors);
        }
        let place = |spot: &Option<Spot<String>>, usual: usize| match spot {
            None => Ok(usual),
            Some(spot) => names.iter().position(|name| *name == spot.value).ok_or_else(|| {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let hint = match suggest(&spot.value, &known) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there are {}", known.join(", ")),
                };
                let message = format!("there is no variant {:?}", spot.value);
                self.fault(spot, message).with_hint(Some(hint))
            }),
        };
        let control = place(&self.control, 0)?;
        let treatment = place(&self.treatment, usize::from(control == 0))?;
        if control == treatment {
            let spot = self.treatment.as_ref().or(self.control.as_ref());
            let message = "a variant is compared with itself; --aa does that properly";
            return Err(match spot {
                Some(spot) => self.fault(spot, message),
                None => self.source.fault_of_all(message),
            });
        }
        let by_scale = largest_difference(check.check.scale()).map_or(0.0, |range| range * MARGIN);
        let lower = self.lower_is_better.unwrap_or_else(|| check.check.lower_is_better());
        let margin = self.margin.unwrap_or(by_scale);
        let question =
            Question { treatment, control, margin, alpha: self.alpha, lower_is_better: lower };
        Ok((compared, question))
    }
}

fn names_of(compared: Compared, arms: &[Arm], factors: &[Factor]) -> Vec<String> {
    match compared.factor.map(|place| &factors[place]) {
        Some(factor) => {
            factor.levels.iter().map(|level| format!("{}={level}", factor.name)).collect()
        }
        None => arms.iter().map(|arm| arm.name.clone()).collect(),
    }
}

fn has(input: &Input, field: &str) -> bool {
    input.fields.get(field).is_some_and(|value| *value != Value::Null)
}

/// The largest difference that a scale allows; absent where it has no bounds.
fn largest_difference(scale: Scale) -> Option<f64> {
    match scale {
        Scale::Binary | Scale::Ordinal => Some(1.0),
        Scale::Continuous { low: Some(low), high: Some(high) } => Some(high - low),
        Scale::Continuous { .. } => None,
    }
}
