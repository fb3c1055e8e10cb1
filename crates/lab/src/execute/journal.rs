//! Samples in the store.

use std::time::SystemTime;

use mynah_store::{Cell as StoredCell, Message, Role, State, Store, Turn};

use super::{Journal, Sample};
use crate::design::Cell;
use crate::experiment::Experiment;
use crate::respond::{Answer, Finish, Identity, Prompt};
use crate::results::Ended;

/// Keeps nothing.
pub struct Unkept;

impl Journal for Unkept {
    fn begin(&mut self, _: &Experiment, _: &str, _: &Identity) -> Result<Vec<Sample>, String> {
        Ok(Vec::new())
    }

    fn keep(&mut self, _: usize, _: &Sample, _: &Prompt) -> Result<(), String> {
        Ok(())
    }

    fn end(&mut self, _: &Ended) -> Result<(), String> {
        Ok(())
    }
}

/// Keeps samples in a store, each in a transaction of its own.
pub struct Kept<'s> {
    store: &'s mut Store,
    /// Whether the newest run of the same design and model goes on.
    resume: bool,
    run: Option<Run>,
}

/// What is written with every sample of a run.
struct Run {
    id: String,
    arms: Vec<String>,
    n_inputs: usize,
    repeats: usize,
    model: Identity,
    temperature: Option<f64>,
    options: serde_json::Map<String, serde_json::Value>,
}

impl<'s> Kept<'s> {
    /// Keeps samples in `store`; with `resume` the newest run of the same design and model goes on.
    pub fn new(store: &'s mut Store, resume: bool) -> Self {
        Self { store, resume, run: None }
    }
}

impl Journal for Kept<'_> {
    fn begin(
        &mut self,
        experiment: &Experiment,
        design: &str,
        model: &Identity,
    ) -> Result<Vec<Sample>, String> {
        let told = |error: mynah_store::Error| error.to_string();
        // One design may be run by several models, and several times by each.
        let prefix = format!("{}-{}-", short(design), short(&fingerprint(model)));
        let earlier = self.store.experiments(Some(design)).map_err(told)?;
        let number = |id: &str| id.strip_prefix(&prefix)?.parse::<u64>().ok();
        let newest = earlier.iter().filter_map(|run| number(&run.id)).max();
        let resumed = newest.filter(|_| self.resume);
        let id = format!("{prefix}{}", resumed.unwrap_or_else(|| newest.map_or(1, |n| n + 1)));
        let sampling =
            serde_json::to_value(&experiment.sampling).map_err(|error| error.to_string())?;
        self.run = Some(Run {
            id: id.clone(),
            arms: experiment.arms.iter().map(|arm| arm.name.clone()).collect(),
            n_inputs: experiment.inputs.len(),
            repeats: experiment.repeats,
            model: model.clone(),
            temperature: experiment.sampling.temperature.map(f64::from),
            options: sampling.as_object().cloned().unwrap_or_default(),
        });
        if resumed.is_some() {
            self.store.set_state(&id, State::Running, None, SystemTime::now()).map_err(told)?;
            return self.samples(&id);
        }
        let begun = mynah_store::Experiment {
            id,
            name: experiment.name.clone(),
            design_hash: design.to_owned(),
            design: serde_json::to_string(experiment).map_err(|error| error.to_string())?,
            state: State::Running,
            result: None,
            created: SystemTime::now(),
            ended: None,
        };
        self.store.begin_experiment(&begun).map_err(told)?;
        Ok(Vec::new())
    }

    fn keep(&mut self, place: usize, sample: &Sample, prompt: &Prompt) -> Result<(), String> {
        let Some(run) = &self.run else { return Err("no run was begun".to_owned()) };
        let Sample { cell, seed, answer, .. } = sample;
        let system = prompt.system.iter().map(|text| Message::new(Role::System, text.as_str()));
        let user = Message::new(Role::User, prompt.user.as_str());
        let turn = Turn {
            command: "try".to_owned(),
            model: run.model.name.clone(),
            fingerprint: Some(fingerprint(&run.model)),
            messages: system.chain([user]).collect(),
            answer: answer.text.clone(),
            sample: cell.repeat as u32,
            seed: Some(*seed),
            temperature: run.temperature,
            options: run.options.clone(),
            schema: None,
            input_tokens: answer.prompt_tokens,
            cached_tokens: None,
            output_tokens: answer.tokens,
            first_token: None,
            duration: None,
            finish: finish_name(answer.finish).to_owned(),
            at: SystemTime::now(),
        };
        let cell = StoredCell {
            arm: run.arms.get(cell.arm).cloned().unwrap_or_default(),
            input: cell.input.to_string(),
            // Wordings are numbered through, one after the other.
            repeat: (cell.paraphrase * run.repeats + cell.repeat) as u32,
        };
        let sample = mynah_store::Sample {
            cell,
            block: sample.cell.block as u32,
            position: place as u32,
            turn,
            checks: None,
        };
        self.store.record_sample(&run.id, &sample).map_err(|error| error.to_string()).map(|_| ())
    }

    fn end(&mut self, ended: &Ended) -> Result<(), String> {
        let Some(run) = &self.run else { return Ok(()) };
        let state = match ended {
            Ended::Complete | Ended::Answered => State::Finished,
            Ended::Budget | Ended::Interrupted => State::Running,
        };
        let written = self.store.set_state(&run.id, state, None, SystemTime::now());
        written.map_err(|error| error.to_string())
    }
}

impl Kept<'_> {
    /// The samples of a run; what does not fit the design is left out, and drawn again.
    fn samples(&self, id: &str) -> Result<Vec<Sample>, String> {
        let Some(run) = &self.run else { return Ok(Vec::new()) };
        let kept = self.store.samples_of(id).map_err(|error| error.to_string())?;
        let sample = |kept: mynah_store::Kept| {
            let mynah_store::Sample { cell, block, turn, .. } = kept.sample;
            let number = cell.repeat as usize;
            let cell = Cell {
                block: block as usize,
                input: cell.input.parse().ok().filter(|&input: &usize| input < run.n_inputs)?,
                arm: run.arms.iter().position(|arm| *arm == cell.arm)?,
                paraphrase: number / run.repeats,
                repeat: number % run.repeats,
            };
            let answer = Answer {
                text: turn.answer,
                finish: finish_named(&turn.finish)?,
                prompt_tokens: turn.input_tokens,
                tokens: turn.output_tokens,
                cost: None,
                fingerprint: None,
            };
            Some(Sample { cell, seed: turn.seed?, answer, outcomes: Vec::new() })
        };
        Ok(kept.into_iter().filter_map(sample).collect())
    }
}

fn fingerprint(model: &Identity) -> String {
    format!("{}@{}", model.name, model.fingerprint)
}

/// Twelve hexadecimal digits that tell texts apart.
fn short(text: &str) -> String {
    let hash = crate::design::hash(&text).unwrap_or_default();
    hash.chars().take(12).collect()
}

fn finish_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Filtered => "filtered",
    }
}

fn finish_named(name: &str) -> Option<Finish> {
    [Finish::Stop, Finish::Length, Finish::Filtered]
        .into_iter()
        .find(|one| finish_name(*one) == name)
}
