//! A model as judge: whether it agrees with itself, and which place it favours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::Observation;
use crate::statistics::agreement::{Level, krippendorff};
use crate::statistics::summary::mean;

/// What a judge said of one pair of answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The input that both arms answered.
    pub input: usize,
    /// Which repetition of the answers.
    pub repeat: usize,
    /// Whether the judge read the treatment's answer first.
    pub treatment_first: bool,
    /// 1 if the judge preferred the treatment, 0 if the control, 1/2 if neither.
    pub preference: f64,
}

/// How far a judge can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// Krippendorff's alpha of all judgements of a pair, both places together: 1 is perfect, 0 is
    /// what chance gives. Absent if no pair was judged twice or all judgements are the same.
    pub agreement: Option<f64>,
    /// The same among judgements with the answers in the same places: repetition alone.
    pub agreement_repeated: Option<f64>,
    /// How often the answer that stood first was preferred, pairs judged in both places only; 1/2
    /// for a judge without bias. Absent if no pair was.
    pub first_preferred: Option<f64>,
}

type Pair = (usize, usize);

/// Says how far the judge agrees with itself, and which place it favours.
pub fn reliability(judgements: &[Judgement]) -> Reliability {
    let mut pairs: BTreeMap<Pair, [Vec<f64>; 2]> = BTreeMap::new();
    for seen in judgements {
        let places = pairs.entry((seen.input, seen.repeat)).or_default();
        places[usize::from(seen.treatment_first)].push(seen.preference);
    }
    let all: Vec<Vec<f64>> = pairs.values().map(|places| places.concat()).collect();
    let same: Vec<Vec<f64>> = pairs.values().flatten().cloned().collect();
    let first: Vec<f64> = pairs
        .values()
        .filter(|[second, first]| !second.is_empty() && !first.is_empty())
        .map(|[second, first]| f64::midpoint(mean(first), 1.0 - mean(second)))
        .collect();
    Reliability {
        agreement: krippendorff(&all, Level::Interval),
        agreement_repeated: krippendorff(&same, Level::Interval),
        first_preferred: (!first.is_empty()).then(|| mean(&first)),
    }
}

/// Turns judgements into observations of two arms: the treatment's share of the preference, and the
/// control's. A pair's two places weigh the same, so that a judge's liking for one of them cancels;
/// a pair judged in one place only is left out.
pub fn observations(
    judgements: &[Judgement],
    treatment: usize,
    control: usize,
) -> Vec<Observation> {
    let mut pairs: BTreeMap<Pair, [Vec<f64>; 2]> = BTreeMap::new();
    for seen in judgements {
        let places = pairs.entry((seen.input, seen.repeat)).or_default();
        places[usize::from(seen.treatment_first)].push(seen.preference);
    }
    let mut observations = Vec::new();
    for ((input, repeat), [second, first]) in pairs {
        if second.is_empty() || first.is_empty() {
            continue;
        }
        let share = f64::midpoint(mean(&first), mean(&second));
        for (arm, value) in [(control, 1.0 - share), (treatment, share)] {
            observations.push(Observation {
                arm,
                input,
                group: input,
                paraphrase: 0,
                repeat,
                value,
            });
        }
    }
    observations
}
