//! The desk at which samples are given out and taken in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Company, ExecuteError, Sample, Tally};
use crate::analysis::{Monitor, input_difference};
use crate::check::{Answered, Outcome, Tools};
use crate::design::{Cell, schedule};
use crate::experiment::Experiment;
use crate::outcome::Question;
use crate::respond::{Answer, Desk, Prompt, Request, RespondError};
use crate::results::{EARLY_SHARE, Ended, observation};

/// Failures that are let pass before their share is looked at.
const FEW_FAILURES: usize = 5;

/// The state of a run.
pub(super) struct Floor<'r> {
    experiment: &'r Experiment,
    pub(super) company: Company<'r>,
    /// The samples to draw, in order.
    cells: Vec<Cell>,
    samples: Vec<Option<Sample>>,
    /// The first place that was not asked for yet.
    next: usize,
    /// Rendered once for all repeats.
    prompts: HashMap<(usize, usize, usize), Arc<Prompt>>,
    inputs: Inputs,
    pub(super) monitor: Option<Monitor>,
    asked: usize,
    drawn: usize,
    tokens: u64,
    pub(super) resumed: usize,
    pub(super) failures: usize,
    pub(super) cost: f64,
    /// What the dearest request cost.
    dearest: f64,
    ended: Option<Ended>,
    pub(super) error: Option<ExecuteError>,
}

/// Inputs in the order in which they are begun.
#[derive(Default)]
struct Inputs {
    order: Vec<usize>,
    /// How many samples of an input are missing.
    missing: BTreeMap<usize, usize>,
    /// The places of an input's samples.
    places: BTreeMap<usize, Vec<usize>>,
    /// Those that a request failed on: they will never be complete.
    given_up: HashSet<usize>,
    /// The first one that was not looked at yet.
    next: usize,
}

impl<'r> Floor<'r> {
    pub(super) fn new(experiment: &'r Experiment, company: Company<'r>) -> Self {
        let cells = affordable(experiment);
        let mut inputs = Inputs::default();
        for (place, cell) in cells.iter().enumerate() {
            let places = inputs.places.entry(cell.input).or_insert_with(|| {
                inputs.order.push(cell.input);
                Vec::new()
            });
            places.push(place);
            *inputs.missing.entry(cell.input).or_default() += 1;
        }
        let question = &experiment.question;
        let early = Question { alpha: question.alpha * EARLY_SHARE, ..*question };
        // A judge looks at the answers when all are there.
        let can_watch = experiment.early && experiment.checks[0].check.judge().is_none();
        let monitor =
            can_watch.then(|| Monitor::new(experiment.checks[0].check.scale(), &early).ok());
        Self {
            experiment,
            company,
            samples: vec![None; cells.len()],
            cells,
            next: 0,
            prompts: HashMap::new(),
            inputs,
            monitor: monitor.flatten(),
            asked: 0,
            drawn: 0,
            tokens: 0,
            resumed: 0,
            failures: 0,
            cost: 0.0,
            dearest: 0.0,
            ended: None,
            error: None,
        }
    }

    /// Takes in what an earlier run drew.
    pub(super) fn resume(&mut self, kept: Vec<Sample>) -> Result<(), ExecuteError> {
        let same = |cell: &Cell| (cell.arm, cell.paraphrase, cell.input, cell.repeat);
        let places: HashMap<_, usize> =
            self.cells.iter().enumerate().map(|(place, cell)| (same(cell), place)).collect();
        for sample in kept {
            let Some(&place) = places.get(&same(&sample.cell)) else { continue };
            if sample.seed == self.experiment.seed_of(&self.cells[place])
                && self.samples[place].is_none()
            {
                self.resumed += 1;
                self.take(place, sample.answer)?;
            }
        }
        self.tell();
        Ok(())
    }

    /// Why sampling ended.
    pub(super) fn ended(&self) -> Ended {
        match &self.ended {
            Some(ended) => ended.clone(),
            None if self.cells.len() < full_size(self.experiment) => Ended::Budget,
            None => Ended::Complete,
        }
    }

    /// The samples, and what judges of them need.
    pub(super) fn into_samples(self) -> (Vec<Sample>, &'r mut dyn Tools) {
        (self.samples.into_iter().flatten().collect(), self.company.tools)
    }

    /// Has the checks look at an answer, and looks at the question if that completes an input.
    fn take(&mut self, place: usize, answer: Answer) -> Result<(), ExecuteError> {
        let cell = self.cells[place];
        let prompt = self.prompt(&cell);
        let input = &self.experiment.inputs[cell.input].fields;
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.experiment.checks.len());
        for checked in &self.experiment.checks {
            if checked.check.judge().is_some() {
                // Filled in when all answers are there.
                outcomes.push(Outcome::measured(0.5));
                continue;
            }
            let answered = Answered { prompt: &prompt, input, answer: &answer };
            let outcome = checked
                .check
                .check(&answered, self.company.tools)
                .map_err(|reason| ExecuteError::Check { check: checked.name.clone(), reason })?;
            outcomes.push(outcome);
        }
        let seed = self.experiment.seed_of(&cell);
        self.samples[place] = Some(Sample { cell, seed, answer, outcomes });
        if let Some(missing) = self.inputs.missing.get_mut(&cell.input) {
            *missing -= 1;
        }
        self.look();
        Ok(())
    }

    /// Looks at the inputs that are complete, in the order in which they were begun: those whose
    /// answers are short are complete earlier, and must not be looked at earlier.
    fn look(&mut self) {
        let Some(monitor) = &mut self.monitor else { return };
        while let Some(&input) = self.inputs.order.get(self.inputs.next) {
            if self.inputs.given_up.contains(&input) {
                self.inputs.next += 1;
                continue;
            }
            if self.inputs.missing.get(&input) != Some(&0) {
                return;
            }
            self.inputs.next += 1;
            let places = self.inputs.places.get(&input).into_iter().flatten();
            let of_input = places.filter_map(|&place| self.samples[place].as_ref());
            let observations: Vec<_> =
                of_input.map(|sample| observation(self.experiment, sample, 0)).collect();
            let scale = self.experiment.checks[0].check.scale();
            let question = &self.experiment.question;
            if let Some(difference) = input_difference(&observations, scale, question) {
                monitor.observe(difference);
            }
            if monitor.state().answered.is_some()
                && self.ended.is_none()
                && self.inputs.next < self.inputs.order.len()
            {
                self.ended = Some(Ended::Answered);
            }
        }
    }

    fn prompt(&mut self, cell: &Cell) -> Arc<Prompt> {
        let key = (cell.arm, cell.paraphrase, cell.input);
        let prompt =
            self.prompts.entry(key).or_insert_with(|| Arc::new(self.experiment.prompt(cell)));
        Arc::clone(prompt)
    }

    fn tell(&mut self) {
        let tally = Tally {
            samples: self.resumed + self.drawn,
            of: self.cells.len(),
            tokens: self.tokens,
            cost: self.cost,
            failures: self.failures,
        };
        self.company.observer.tally(&tally);
    }

    fn spend(&mut self, cost: f64) {
        self.cost += cost;
        self.dearest = self.dearest.max(cost);
    }

    /// Requests that are neither answered nor given up.
    fn out(&self) -> usize {
        self.asked - self.drawn - self.failures
    }

    /// Whether the samples that are out, and one more, may cost more than what is left: as much as
    /// the dearest so far, each.
    fn is_spent(&self) -> bool {
        let Some(most) = self.experiment.budget.cost else { return false };
        self.cost + self.dearest * (self.out() + 1) as f64 > most
    }

    /// Whether what an answer costs is to be learned from the request that is out, before more are.
    fn is_learning_the_price(&self) -> bool {
        self.experiment.budget.cost.is_some() && self.drawn == 0 && self.out() > 0
    }
}

/// The samples that the budget allows: of whole inputs, since half of one says nothing.
fn affordable(experiment: &Experiment) -> Vec<Cell> {
    let mut cells = schedule(&experiment.layout(), experiment.seed);
    let per_input = experiment.arms.len() * experiment.samples_per_input();
    let Some(most) = experiment.budget.samples.filter(|&most| most < cells.len()) else {
        return cells;
    };
    // Whichever inputs the schedule begins with: their order is random.
    let (most, mut begun) = ((most / per_input).max(1), HashSet::new());
    for cell in &cells {
        if begun.len() == most {
            break;
        }
        begun.insert(cell.input);
    }
    cells.retain(|cell| begun.contains(&cell.input));
    cells
}

fn full_size(experiment: &Experiment) -> usize {
    experiment.inputs.len() * experiment.arms.len() * experiment.samples_per_input()
}

impl Desk for Floor<'_> {
    fn next(&mut self) -> Option<Request> {
        if self.is_stopped() {
            return None;
        }
        if self.is_spent() {
            self.ended = Some(Ended::Budget);
            return None;
        }
        if self.is_learning_the_price() {
            return None;
        }
        while self.samples.get(self.next)?.is_some() {
            self.next += 1;
        }
        let (id, cell) = (self.next, self.cells[self.next]);
        self.next += 1;
        self.asked += 1;
        let prompt = self.prompt(&cell);
        Some(Request { id, prompt, seed: self.experiment.seed_of(&cell), repeat: cell.repeat })
    }

    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError> {
        self.drawn += 1;
        self.spend(answer.cost.unwrap_or(0.0));
        self.tokens += answer.tokens.unwrap_or(0);
        let prompt = self.prompt(&self.cells[id].clone());
        // Kept before it is checked: a check that fails must not cost the sample.
        let (cell, seed) = (self.cells[id], self.experiment.seed_of(&self.cells[id]));
        let bare = Sample { cell, seed, answer: answer.clone(), outcomes: Vec::new() };
        self.company.journal.keep(id, &bare, &prompt).map_err(RespondError::Journal)?;
        if let Err(error) = self.take(id, answer) {
            let reason = error.to_string();
            self.error = Some(error);
            return Err(RespondError::Responder(reason));
        }
        self.tell();
        Ok(())
    }

    fn failed(&mut self, id: usize, reason: &str, cost: f64) -> Result<(), RespondError> {
        self.failures += 1;
        self.spend(cost);
        self.inputs.given_up.insert(self.cells[id].input);
        self.look();
        self.tell();
        if self.failures > FEW_FAILURES.max(self.asked / 10) {
            let (failed, asked) = (self.failures, self.asked);
            return Err(RespondError::Failures { failed, asked, reason: reason.to_owned() });
        }
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        if self.ended.is_none() && self.company.observer.is_interrupted() {
            self.ended = Some(Ended::Interrupted);
        }
        matches!(self.ended, Some(Ended::Answered | Ended::Interrupted))
    }
}
