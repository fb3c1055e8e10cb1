//! Runs of training: where each is, what was measured, what the model wrote.

use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::experiments::read_time;
use crate::time::{from_text, to_text};
use crate::{Error, State, Store};

/// A run of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// What it is known by; the caller chooses it.
    pub id: String,
    /// What the model is called.
    pub name: String,
    /// Where the model is.
    pub folder: String,
    /// Where its randomness begins.
    pub seed: u64,
    /// The effective configuration, as TOML.
    pub config: String,
    /// How many steps it is to have.
    pub steps: u64,
    /// How far it has come.
    pub state: State,
    /// What was measured on held-out text at its end.
    pub bits_per_byte: Option<f64>,
    /// When it was begun.
    pub created: SystemTime,
    /// When it ended.
    pub ended: Option<SystemTime>,
}

/// What was measured after a step; what is not known stays as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrainingPoint {
    /// After this step.
    pub step: u64,
    /// How long the run had taken.
    pub seconds: Option<f64>,
    /// The loss of a token, in nats.
    pub loss: Option<f64>,
    /// The loss of all tokens over the bytes they stand for, in bits.
    pub bits_per_byte: Option<f64>,
    /// The same of held-out text.
    pub held_out_bits_per_byte: Option<f64>,
}

const TRAINING: &str = "select id, name, folder, seed, config_toml, steps, state, bits_per_byte, \
     created_utc, ended_utc from mynah_trainings";

impl Store {
    /// Begins a run, or goes on with one after `done` steps: what was kept of later ones is taken
    /// out.
    pub fn begin_training(&mut self, training: &Training, done: u64) -> Result<(), Error> {
        let insert = "insert into mynah_trainings values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            on conflict (id) do update set name = ?2, folder = ?3, seed = ?4, config_toml = ?5,
                steps = ?6, state = ?7, bits_per_byte = ?8, ended_utc = ?10";
        self.change("begin a training", |transaction| {
            transaction.execute(
                insert,
                params![
                    training.id,
                    training.name,
                    training.folder,
                    training.seed.cast_signed(),
                    training.config,
                    whole(training.steps),
                    training.state.name(),
                    training.bits_per_byte,
                    to_text(training.created),
                    training.ended.map(to_text),
                ],
            )?;
            for table in ["mynah_training_points", "mynah_training_samples"] {
                let sql = format!("delete from {table} where training_id = ?1 and step > ?2");
                transaction.execute(&sql, params![training.id, whole(done)])?;
            }
            Ok(())
        })
    }

    /// Keeps what was measured after a step.
    ///
    /// # Errors
    /// If there is no such run or it cannot be written.
    pub fn record_training_point(&mut self, id: &str, point: &TrainingPoint) -> Result<(), Error> {
        let sql = "insert into mynah_training_points values (?1, ?2, ?3, ?4, ?5, ?6)
            on conflict (training_id, step) do update set seconds = coalesce(?3, seconds),
                loss = coalesce(?4, loss), bits_per_byte = coalesce(?5, bits_per_byte),
                held_out_bits_per_byte = coalesce(?6, held_out_bits_per_byte)";
        let TrainingPoint { step, seconds, loss, bits_per_byte, held_out_bits_per_byte } = *point;
        self.change("keep what a step came to", |transaction| {
            let values =
                params![id, whole(step), seconds, loss, bits_per_byte, held_out_bits_per_byte];
            transaction.execute(sql, values).map(drop)
        })
    }

    /// Keeps what the model wrote after a step.
    ///
    /// # Errors
    /// If there is no such run or it cannot be written.
    pub fn record_training_sample(
        &mut self,
        id: &str,
        step: u64,
        prompt: &str,
        text: &str,
    ) -> Result<(), Error> {
        let sql = "insert into mynah_training_samples select ?1, ?2, count(*), ?3, ?4
            from mynah_training_samples where training_id = ?1 and step = ?2";
        self.change("keep a sample", |transaction| {
            transaction.execute(sql, params![id, whole(step), prompt, text]).map(drop)
        })
    }

    /// Says that a run has ended, and what was measured on held-out text.
    ///
    /// # Errors
    /// If there is no such run or it cannot be written.
    pub fn end_training(
        &mut self,
        id: &str,
        state: State,
        bits_per_byte: Option<f64>,
        at: SystemTime,
    ) -> Result<(), Error> {
        let sql = "update mynah_trainings set state = ?2, bits_per_byte = ?3, ended_utc = ?4
            where id = ?1";
        let n = self.change("end a training", |transaction| {
            transaction.execute(sql, params![id, state.name(), bits_per_byte, to_text(at)])
        })?;
        if n == 0 { Err(self.absent("training", id)) } else { Ok(()) }
    }

    /// The run with this identifier.
    pub fn training(&self, id: &str) -> Result<Option<Training>, Error> {
        let sql = format!("{TRAINING} where id = ?1");
        self.read("read a training", |connection| {
            connection.query_row(&sql, [id], read_training).optional()
        })
    }
}

/// SQLite has no unsigned integers.
fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn read_training(row: &Row<'_>) -> rusqlite::Result<Training> {
    let state: String = row.get(6)?;
    Ok(Training {
        id: row.get(0)?,
        name: row.get(1)?,
        folder: row.get(2)?,
        seed: row.get::<_, i64>(3)?.cast_unsigned(),
        config: row.get(4)?,
        steps: row.get::<_, i64>(5)?.max(0) as u64,
        state: State::named(&state),
        bits_per_byte: row.get(7)?,
        created: read_time(row, 8)?,
        ended: row.get::<_, Option<String>>(9)?.as_deref().and_then(from_text),
    })
}
