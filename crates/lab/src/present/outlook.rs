//! What a design can show, before it is run.

use super::numbers::{difference, unit};
use crate::execute::Outlook;
use crate::experiment::Experiment;
use crate::outcome::Scale;

/// Says in a few lines whether an experiment is worth its samples.
pub fn outlook_text(experiment: &Experiment, outlook: Option<&Outlook>) -> String {
    let scale = experiment.checks[0].check.scale();
    let Some(outlook) = outlook else {
        return "The pilot does not tell what this design can show: it needs two inputs at least, \
                and several samples of each.\n"
            .to_owned();
    };
    let shown = |value: f64| {
        let text = difference(scale, value);
        format!("{}{}", text.trim_start_matches('+'), unit(scale))
    };
    let margin = experiment.question.margin;
    let mut text = if outlook.hopeless {
        format!(
            "This design is hopeless: it finds a difference of {} four times in five, and {} is \
             what matters.\n",
            shown(outlook.detectable),
            shown(margin)
        )
    } else if margin > 0.0 {
        format!(
            "This design is worth running: it finds a difference of {} four times in five, and {} \
             is what matters.\n",
            shown(outlook.detectable),
            shown(margin)
        )
    } else {
        format!(
            "This design finds a difference of {} four times in five.\n",
            shown(outlook.detectable)
        )
    };
    let variances = &outlook.variances;
    let points = if scale == Scale::Binary { " (shares, squared)" } else { "" };
    text.push_str(&format!(
        "\n  variance between inputs  {:.4}{points}\n  variance within inputs   {:.4} and {:.4}\n",
        variances.between, variances.treatment, variances.control
    ));
    let best = &outlook.plan.best;
    text.push_str(&format!(
        "  best split of {} samples: {} inputs x 2 x {} seeds, which finds {}\n",
        outlook.samples,
        best.inputs,
        best.seeds,
        shown(best.detectable)
    ));
    if margin > 0.0 {
        text.push_str(&format!(
            "  enough for {}: {} samples, each of an input of its own\n",
            shown(margin),
            outlook.plan.samples_needed
        ));
    }
    text
}
