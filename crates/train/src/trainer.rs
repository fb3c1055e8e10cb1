//! One step after the other.

use std::path::Path;

use mynah_kernels::{Isa, Pool};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, CheckpointError, Header};
use crate::config::Config;
use crate::data::{Order, Packer, Place, ShardError, TokenSource};
use crate::model::{Batch, Machine, Pass, first_weights};
use crate::optimiser::{Optimiser, Step};
use crate::schedule;
use crate::spike::Spikes;

/// Where a run is. With the seed it is the state of everything random, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How many steps are done.
    pub step: u64,
    /// How many of them moved the weights.
    pub moves: u64,
    /// Where the next batch begins.
    pub place: Place,
    /// How long it has taken.
    pub seconds: f64,
    spikes: Spikes,
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its number, from 1.
    pub step: u64,
    /// The mean loss of a token, in nats.
    pub loss: f64,
    /// The loss of all tokens over the bytes they stand for, in bits.
    pub bits_per_byte: f64,
    /// How long the gradient was.
    pub gradient: f64,
    /// What learning rates were multiplied by.
    pub rate: f64,
    /// Whether the loss jumped, and the weights were left as they were.
    pub skipped: bool,
}

/// Why a step could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The loss or the gradient is no number any more. The weights are those of before.
    #[error("step {step}: the {what} is {value}")]
    NotFinite {
        /// The step.
        step: u64,
        /// Which.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] ShardError),
}

/// What a run learns from.
pub struct Material<'s> {
    /// Documents to learn from.
    pub source: &'s dyn TokenSource,
    /// The token that begins and ends documents.
    pub begins: u32,
    /// How many bytes of text each token stands for.
    pub token_bytes: &'s [u32],
}

/// A model that is being trained.
pub struct Trainer<'s> {
    config: Config,
    machine: Machine,
    pass: Pass,
    optimiser: Optimiser,
    weights: Vec<f32>,
    average: Vec<f32>,
    gradient: Vec<f32>,
    losses: Vec<f32>,
    packer: Packer<'s>,
    token_bytes: &'s [u32],
    state: State,
}

impl<'s> Trainer<'s> {
    /// A model before its first step.
    ///
    /// # Panics
    /// If there are no documents.
    pub fn new(config: Config, material: &Material<'s>, isa: Isa, n_threads: usize) -> Self {
        let pass = Pass::new(&config, config.batch.at_a_time, n_threads);
        let weights = first_weights(&config, pass.layout());
        let average = if config.optimiser.average > 0.0 { weights.clone() } else { Vec::new() };
        let order = Order::Shuffled(config.seed);
        Self {
            machine: Machine { pool: Pool::for_long_regions(n_threads), isa },
            optimiser: Optimiser::new(&config, pass.layout(), n_threads),
            gradient: vec![0.0; weights.len()],
            losses: vec![0.0; config.tokens_per_step()],
            packer: Packer::new(material.source, order, material.begins, Place::default()),
            token_bytes: material.token_bytes,
            state: State::default(),
            config,
            pass,
            weights,
            average,
        }
    }

    /// What it is made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Adds to the time that it has taken.
    pub fn add_seconds(&mut self, seconds: f64) {
        self.state.seconds += seconds;
    }

    /// The weights to look at and to export: their mean, if one is kept.
    pub fn weights(&self) -> &[f32] {
        if self.average.is_empty() { &self.weights } else { &self.average }
    }

    /// What passes with [`Trainer::weights`] need.
    pub fn parts(&mut self) -> (&mut Pass, &mut Machine, &[f32]) {
        let weights = if self.average.is_empty() { &self.weights } else { &self.average };
        (&mut self.pass, &mut self.machine, weights)
    }

    /// Learns from one batch.
    ///
    /// # Errors
    /// If the data cannot be read, or what comes out are no numbers.
    pub fn step(&mut self) -> Result<StepReport, StepError> {
        let step = self.state.step + 1;
        let batch = self.packer.next(self.config.batch.sequences, self.config.model.context)?;
        self.learn(&batch);
        let (loss, bits_per_byte) = self.mean_loss(&batch);
        let gradient = self.optimiser.length(&mut self.machine, &self.gradient);
        for (what, value) in [("loss", loss), ("length of the gradient", gradient)] {
            if !value.is_finite() {
                return Err(StepError::NotFinite { step, what, value });
            }
        }
        let rate = schedule::factor(&self.config.schedule, self.state.step);
        let skipped = self.state.spikes.is_spike(loss);
        if !skipped {
            self.move_weights(rate, gradient);
        }
        self.state.step = step;
        self.state.place = self.packer.place();
        Ok(StepReport { step, loss, bits_per_byte, gradient, rate, skipped })
    }

    /// The gradient of the mean loss of a batch, some sequences at a time.
    fn learn(&mut self, batch: &Batch) {
        self.gradient.fill(0.0);
        let scale = 1.0 / batch.n_rows() as f32;
        let (all, some) = (self.config.batch.sequences, self.config.batch.at_a_time);
        for (part, first) in (0..all).step_by(some).enumerate() {
            let rows = first * batch.length..(first + some) * batch.length;
            let number = self.state.step * all as u64 + part as u64;
            let batch = batch.part(first, some);
            let (pass, machine) = (&mut self.pass, &mut self.machine);
            let losses = &mut self.losses[rows];
            let gradient = &mut self.gradient;
            pass.learn(machine, &self.weights, &batch, (scale, number), gradient, losses);
        }
    }

    fn mean_loss(&self, batch: &Batch) -> (f64, f64) {
        let sum: f64 = self.losses.iter().map(|&loss| f64::from(loss)).sum();
        let bytes: u64 =
            batch.targets.iter().map(|&token| u64::from(self.token_bytes[token as usize])).sum();
        let bits = sum / std::f64::consts::LN_2;
        (sum / batch.n_rows() as f64, bits / bytes.max(1) as f64)
    }

    fn move_weights(&mut self, rate: f64, gradient: f64) {
        self.state.moves += 1;
        let scale = (self.config.optimiser.clip / gradient).min(1.0) as f32;
        let step = Step { rate, scale, number: self.state.moves };
        let (layout, weights) = (self.pass.layout(), &mut self.weights);
        let machine = &mut self.machine;
        self.optimiser.step(machine, &self.config, layout, step, weights, &self.gradient);
        if !self.average.is_empty() {
            // Near the beginning the mean is over the steps there were.
            let n = self.state.moves as f64;
            let keep = self.config.optimiser.average.min((1.0 + n) / (10.0 + n)) as f32;
            let (pool, isa) = (&mut machine.pool, machine.isa);
            let average = &mut self.average;
            mynah_kernels::training::add_scaled(pool, isa, average, keep, 1.0 - keep, weights);
        }
    }

    /// Keeps everything in a file. `data` tells this data from other.
    ///
    /// # Errors
    /// If it cannot be written; the file before is kept.
    pub fn save(&self, path: &Path, data: &str) -> Result<(), CheckpointError> {
        let Optimiser { means, squares, .. } = &self.optimiser;
        let vectors: [&[f32]; 4] = [&self.weights, means, squares, &self.average];
        let header = Header {
            config: self.config.clone(),
            data: data.to_owned(),
            state: self.state,
            lengths: vectors.iter().map(|vector| vector.len() as u64).collect(),
        };
        checkpoint::write(path, &header, &vectors)
    }

    /// Goes on where a file was kept.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or belongs to another run.
    pub fn restore(
        &mut self,
        path: &Path,
        data: &str,
        material: &Material<'s>,
    ) -> Result<(), CheckpointError> {
        let (header, vectors) = checkpoint::read(path)?;
        header.check(path, &self.config, data)?;
        let places = [
            &mut self.weights,
            &mut self.optimiser.means,
            &mut self.optimiser.squares,
            &mut self.average,
        ];
        let fits = vectors.len() == places.len()
            && vectors.iter().zip(&places).all(|(vector, place)| vector.len() == place.len());
        if !fits {
            let problem = "its vectors are not those of the model".to_owned();
            return Err(CheckpointError::Damaged { path: path.to_owned(), problem });
        }
        for (place, vector) in places.into_iter().zip(vectors) {
            *place = vector;
        }
        self.state = header.state;
        let order = Order::Shuffled(self.config.seed);
        self.packer = Packer::new(material.source, order, material.begins, self.state.place);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
