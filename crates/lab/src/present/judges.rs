//! How far judges can be relied on.

use super::numbers::{clean, share};
use crate::judge::Judged;
use crate::results::{ModelResults, Results};

/// A line for each judge, and one for each variant that labels of people correct.
pub(crate) fn judge_notes(results: &Results, model: &ModelResults) -> Vec<String> {
    let mut notes = Vec::new();
    for judged in &model.judged {
        let check = clean(&results.experiment.checks[judged.check].name);
        notes.push(reliability(&check, judged));
        for one in &judged.calibrated {
            let arm = clean(&results.experiment.arms[one.arm].name);
            let by_judge = share(one.judged);
            notes.push(match one.corrected {
                Some((estimate, low, high)) => format!(
                    "{check}, {arm}: {by_judge} by the judge; corrected by {} labels {} ({} to {})",
                    one.labelled,
                    share(estimate),
                    share(low),
                    share(high)
                ),
                None => format!(
                    "{check}, {arm}: {} labels are too few to correct the judge",
                    one.labelled
                ),
            });
        }
    }
    notes
}

fn reliability(check: &str, judged: &Judged) -> String {
    let agreement = judged.reliability.agreement.map_or("unknown".to_owned(), share);
    let mut note = format!(
        "{check}: the judge was asked {} times; its agreement with itself (Krippendorff's alpha) is \
         {agreement}",
        judged.asked,
    );
    if let Some(first) = judged.reliability.first_preferred {
        note += &format!("; it preferred what stood first in {:.0} %", 100.0 * first);
    }
    if judged.unclear > 0 {
        note += &format!("; {} of its answers held no verdict", judged.unclear);
    }
    note
}
