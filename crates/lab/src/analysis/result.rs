//! What an analysis found.

use serde::Serialize;

use crate::outcome::Verdict;

/// What was counted as independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Each input: the verdict is about inputs like these.
    Input,
    /// Each group of inputs: the verdict is about groups like these.
    Group,
    /// Each repetition, because there is one input: the verdict is about that input alone.
    Repeat,
}

/// The comparison of two arms.
///
/// Ends of intervals that nothing bounds are infinite, and `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What may be said. Decided by the primary procedure alone.
    pub verdict: Verdict,
    /// Mean difference, treatment less control, each input counted once. On an ordinal scale:
    /// the chance that the treatment's grade is higher less the chance that it is lower.
    pub estimate: f64,
    /// Lower end of the interval of the difference that misses with chance alpha.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Lower end of the interval that decides on equivalence: two one-sided tests at alpha each.
    pub equivalence_low: f64,
    /// Its upper end.
    pub equivalence_high: f64,
    /// Chance of such a difference if there is none, two-sided.
    pub p_value: f64,
    /// The name of the primary procedure.
    pub method: &'static str,
    /// What was counted as independent.
    pub unit: Unit,
    /// Mean of the control, each input counted once.
    pub control_mean: f64,
    /// Mean of the treatment, each input counted once.
    pub treatment_mean: f64,
    /// Inputs that both arms answered.
    pub inputs: usize,
    /// Inputs that only one of the arms answered, and that were left out.
    pub inputs_left_out: usize,
    /// How many units there are.
    pub units: usize,
    /// Samples that were used, of both arms.
    pub samples: usize,
    /// The wealth won by betting against no difference, if looking early was allowed.
    pub e_value: Option<f64>,
    /// Further procedures, for the reader; the verdict does not depend on them.
    pub secondary: Vec<Procedure>,
    /// Variance of the true effects between inputs, apart from sampling noise; unknown with one
    /// sample of each input, or on an ordinal scale.
    pub effect_variance: Option<f64>,
    /// The effect on each input, in order of the inputs.
    pub per_input: Vec<InputEffect>,
}

/// What one procedure says; what it does not give is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Procedure {
    /// Its name.
    pub name: &'static str,
    /// The statistic or estimate.
    pub statistic: f64,
    /// The two-sided p-value.
    pub p_value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
}

/// The effect on one input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct InputEffect {
    /// The input.
    pub input: usize,
    /// Mean of the treatment less mean of the control.
    pub raw: f64,
    /// The same, drawn towards the mean of all inputs as far as it is noise. Absent where the noise
    /// is not known: one sample of each input, or an ordinal scale.
    pub shrunken: Option<f64>,
}
