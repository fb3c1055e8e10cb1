//! Estimates corrected for a judge's errors, from a few answers that a person labelled too.

use super::Interval;
use super::distribution::normal_quantile;
use super::summary::{mean, variance};

/// An estimate and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corrected {
    /// The corrected estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The interval that misses with chance alpha.
    pub interval: Interval,
}

/// A count of successes and of trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Successes.
    pub successes: u64,
    /// Trials.
    pub trials: u64,
}

impl Count {
    fn share(self) -> f64 {
        self.successes as f64 / self.trials as f64
    }

    /// The share with z²/4 successes of z²/2 trials added (Agresti & Coull 1998), and its variance.
    fn padded(self, z2: f64) -> (f64, f64) {
        let trials = self.trials as f64 + z2;
        let share = (self.successes as f64 + z2 / 2.0) / trials;
        (share, share * (1.0 - share) / trials)
    }
}

/// The true pass rate behind a judge's pass rate, for a judge that errs at known rates.
///
/// `judged`: what the judge passed of all answers. `sensitivity`: what it passed of answers that a
/// person passed. `specificity`: what it failed of answers that a person failed. Absent if the
/// judge does no better than chance, or a count is empty.
/// Sources: Rogan & Gladen 1978; Lang & Reiczigel 2014 (the interval, which also allows for not
/// knowing the error rates exactly).
pub fn rogan_gladen(
    judged: Count,
    sensitivity: Count,
    specificity: Count,
    alpha: f64,
) -> Option<Corrected> {
    if judged.trials == 0 || sensitivity.trials == 0 || specificity.trials == 0 {
        return None;
    }
    let youden = sensitivity.share() + specificity.share() - 1.0;
    if youden <= 0.0 {
        return None;
    }
    let estimate = ((judged.share() + specificity.share() - 1.0) / youden).clamp(0.0, 1.0);
    let z = normal_quantile(1.0 - alpha / 2.0);
    // Error rates get one success and one failure more, the judged share z² / 2 of each.
    let adjusted = |count: Count| {
        let trials = count.trials as f64 + 2.0;
        let share = (count.successes as f64 + 1.0) / trials;
        (share, share * (1.0 - share) / trials)
    };
    let ((p, p_variance), (se, se_variance), (sp, sp_variance)) =
        (judged.padded(z * z), adjusted(sensitivity), adjusted(specificity));
    let youden = se + sp - 1.0;
    if youden <= 0.0 {
        return None;
    }
    let centre = (p + sp - 1.0) / youden;
    let square = p_variance + se_variance * centre.powi(2) + sp_variance * (1.0 - centre).powi(2);
    let standard_error = square.sqrt() / youden;
    let shift = 2.0 * z * z * (centre * se_variance - (1.0 - centre) * sp_variance);
    let end = |side: f64| (centre + shift + side * z * standard_error).clamp(0.0, 1.0);
    Some(Corrected {
        estimate,
        standard_error,
        interval: Interval { low: end(-1.0), high: end(1.0) },
    })
}

/// The mean of what a person would say, from a judge's view of many answers and a person's of few.
///
/// `labelled`: for each labelled answer the person's value and the judge's. `judged`: the judge's
/// values of answers that nobody labelled. The judge's values count as far as they follow the
/// person's (the power tuning of PPI++), so that a useless judge does no harm. Inputs of which
/// several answers are labelled go in as one value. Absent with fewer than two in either.
/// Sources: Angelopoulos et al. 2023, "Prediction-powered inference"; 2023, "PPI++", example 6.1.
pub fn prediction_powered(
    labelled: &[(f64, f64)],
    judged: &[f64],
    alpha: f64,
) -> Option<Corrected> {
    let (n, large) = (labelled.len() as f64, judged.len() as f64);
    if labelled.len() < 2 || judged.len() < 2 {
        return None;
    }
    let (truth, seen): (Vec<f64>, Vec<f64>) = labelled.iter().copied().unzip();
    let (truth_mean, seen_mean) = (mean(&truth), mean(&seen));
    let covariance =
        labelled.iter().map(|(t, s)| (t - truth_mean) * (s - seen_mean)).sum::<f64>() / (n - 1.0);
    let all: Vec<f64> = seen.iter().chain(judged).copied().collect();
    let spread = variance(&all);
    let trust = if spread > 0.0 {
        (covariance / ((1.0 + n / large) * spread)).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let rest: Vec<f64> = labelled.iter().map(|(truth, seen)| truth - trust * seen).collect();
    let estimate = mean(&rest) + trust * mean(judged);
    let standard_error = (variance(&rest) / n + trust * trust * variance(judged) / large).sqrt();
    // Few labels: t and not z, as the labelled part dominates the error.
    let reach = super::distribution::student_quantile(1.0 - alpha / 2.0, n - 1.0) * standard_error;
    let interval = Interval { low: estimate - reach, high: estimate + reach };
    Some(Corrected { estimate, standard_error, interval })
}
