//! Several arms against one control.

use serde::Serialize;

use super::paired::pair;
use super::{Comparison, Error, Procedure, compare};
use crate::outcome::{Observation, Question, Scale, Verdict};
use crate::statistics::many::{cochran, friedman};
use crate::statistics::multiplicity::{benjamini_hochberg, holm};
use crate::statistics::summary::mean;

/// What is kept in check when several arms are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The chance of even one false positive: Holm.
    Confirm,
    /// The share of false ones among the positives: Benjamini and Hochberg.
    Explore,
}

/// One arm's comparison among others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// The arm that is compared with the control.
    pub arm: usize,
    /// The p-value after adjustment for all arms.
    pub adjusted_p: f64,
    /// The comparison. Its verdict is by the adjusted p-value; its interval is of this arm alone.
    pub comparison: Comparison,
}

/// The comparisons of several arms with one control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    /// Whether the arms, control included, differ at all: over inputs that every arm answered.
    pub omnibus: Option<Procedure>,
    /// Each arm's comparison, in the order of the arms given.
    pub members: Vec<Member>,
}

/// Compares each of `arms` with the question's control, whose `treatment` does not matter.
///
/// The omnibus test is Cochran's Q for one pass or fail of each arm and input, else Friedman's.
/// A difference that does not survive the adjustment is inconclusive. Equivalence is shown arm by
/// arm: claiming it wrongly needs a miss on that very arm.
pub fn compare_all(
    observations: &[Observation],
    scale: Scale,
    question: &Question,
    arms: &[usize],
    purpose: Purpose,
    seed: u64,
) -> Result<Family, Error> {
    let one = |&arm: &usize| {
        compare(observations, scale, &Question { treatment: arm, ..*question }, seed)
    };
    let comparisons = arms.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let p_values: Vec<f64> = comparisons.iter().map(|comparison| comparison.p_value).collect();
    let adjusted = match purpose {
        Purpose::Confirm => holm(&p_values),
        Purpose::Explore => benjamini_hochberg(&p_values),
    };
    let member = |((mut comparison, &arm), adjusted_p): ((Comparison, &usize), f64)| {
        let claims = matches!(comparison.verdict, Verdict::Better | Verdict::Worse);
        if claims && adjusted_p > question.alpha + 1e-12 {
            comparison.verdict = Verdict::Inconclusive { more_inputs: None };
        }
        Member { arm, adjusted_p, comparison }
    };
    let members = comparisons.into_iter().zip(arms).zip(adjusted).map(member).collect();
    Ok(Family { omnibus: omnibus(observations, scale, question, arms)?, members })
}

fn omnibus(
    observations: &[Observation],
    scale: Scale,
    question: &Question,
    arms: &[usize],
) -> Result<Option<Procedure>, Error> {
    let mut table: Vec<(usize, Vec<Vec<f64>>)> = Vec::new();
    for (place, &arm) in arms.iter().enumerate() {
        let answers = pair(observations, scale, &Question { treatment: arm, ..*question })?.answers;
        if place == 0 {
            table = answers.iter().map(|one| (one.input, vec![one.control.clone()])).collect();
        }
        table.retain_mut(|(input, row)| {
            let found = answers.iter().find(|one| one.input == *input);
            row.extend(found.map(|one| one.treatment.clone()));
            found.is_some()
        });
    }
    if arms.len() < 2 || table.len() < 2 {
        return Ok(None);
    }
    let single = table.iter().all(|(_, row)| row.iter().all(|values| values.len() == 1));
    let (name, test) = if scale == Scale::Binary && single {
        let passed = |(_, row): &(usize, Vec<Vec<f64>>)| row.iter().map(|v| v[0] == 1.0).collect();
        ("Cochran's Q", cochran(&table.iter().map(passed).collect::<Vec<_>>()))
    } else {
        let means = |(_, row): &(usize, Vec<Vec<f64>>)| row.iter().map(|v| mean(v)).collect();
        ("Friedman", friedman(&table.iter().map(means).collect::<Vec<_>>()))
    };
    let (statistic, p_value) = (test.statistic, Some(test.p_value));
    Ok(Some(Procedure { name, statistic, p_value, low: None, high: None }))
}
