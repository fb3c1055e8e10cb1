//! Experiments and their samples: what the laboratory keeps and goes on from.

use std::collections::HashSet;
use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::time::{from_milliseconds, from_text, to_text};
use crate::turns::{chain, insert_turn};
use crate::{Error, Store, Turn};

/// An experiment: what was planned before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// What it is known by; the caller chooses it, for instance from the design's hash and the time.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// The hash of the design, which was taken before the first sample.
    pub design_hash: String,
    /// The design as JSON.
    pub design: String,
    /// How far it has come.
    pub state: State,
    /// What came out, as JSON, once it is known.
    pub result: Option<String>,
    /// When it was begun.
    pub created: SystemTime,
    /// When it ended.
    pub ended: Option<SystemTime>,
}

/// How far an experiment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Samples are being drawn, or it was interrupted and can go on.
    Running,
    /// Every sample was drawn that the design asks for, or its question is answered.
    Finished,
    /// A person gave it up.
    Stopped,
    /// It cannot go on.
    Failed,
}

impl State {
    const ALL: [Self; 4] = [Self::Running, Self::Finished, Self::Stopped, Self::Failed];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.name() == name).unwrap_or(Self::Failed)
    }
}

/// The cell of a design that a sample fills. No two samples of an experiment have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// The name of the arm.
    pub arm: String,
    /// What identifies the input within the experiment.
    pub input: String,
    /// Which of the samples of this arm and input it is, from 0.
    pub repeat: u32,
}

/// A sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it fills.
    pub cell: Cell,
    /// The block of time that it was drawn in.
    pub block: u32,
    /// Its place in the order of all samples.
    pub position: u32,
    /// What was asked and answered, by what, and how.
    pub turn: Turn,
    /// What the checks said of the answer, as JSON.
    pub checks: Option<String>,
}

/// A sample that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What it is known by in this file.
    pub id: SampleId,
    /// The sample.
    pub sample: Sample,
}

/// What a sample is known by in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleId(pub i64);

const EXPERIMENT: &str = "select id, name, design_hash, design_json, state, result_json, \
     created_utc, ended_utc from mynah_experiments";

impl Store {
    /// Begins an experiment. If one with this identifier is there it is left as it is, and `false`
    /// comes back.
    pub fn begin_experiment(&mut self, experiment: &Experiment) -> Result<bool, Error> {
        let sql = "insert into mynah_experiments values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   on conflict (id) do nothing";
        self.change("begin an experiment", |transaction| {
            let n = transaction.execute(
                sql,
                params![
                    experiment.id,
                    experiment.name,
                    experiment.design_hash,
                    experiment.design,
                    experiment.state.name(),
                    experiment.result,
                    to_text(experiment.created),
                    experiment.ended.map(to_text),
                ],
            )?;
            Ok(n > 0)
        })
    }

    /// The experiment with this identifier.
    pub fn experiment(&self, id: &str) -> Result<Option<Experiment>, Error> {
        let sql = format!("{EXPERIMENT} where id = ?1");
        self.read("read an experiment", |connection| {
            connection.query_row(&sql, [id], read_experiment).optional()
        })
    }

    /// The experiments, newest first; with a hash only those of that design.
    pub fn experiments(&self, design_hash: Option<&str>) -> Result<Vec<Experiment>, Error> {
        let sql = format!(
            "{EXPERIMENT} where ?1 is null or design_hash = ?1 order by created_utc desc, id desc"
        );
        self.read("read the experiments", |connection| {
            connection.prepare(&sql)?.query_map([design_hash], read_experiment)?.collect()
        })
    }

    /// Says that an experiment has ended, or runs again, and what came out.
    ///
    /// # Errors
    /// If there is no such experiment or it cannot be written.
    pub fn set_state(
        &mut self,
        id: &str,
        state: State,
        result: Option<&str>,
        at: SystemTime,
    ) -> Result<(), Error> {
        let sql =
            "update mynah_experiments set state = ?2, result_json = coalesce(?3, result_json),
                   ended_utc = ?4 where id = ?1";
        let ended = (state != State::Running).then(|| to_text(at));
        let n = self.change("end an experiment", |transaction| {
            transaction.execute(sql, params![id, state.name(), result, ended])
        })?;
        if n == 0 { Err(self.absent("experiment", id)) } else { Ok(()) }
    }

    /// Keeps a sample. `false` if its cell is filled already: then nothing is changed.
    ///
    /// # Errors
    /// If there is no such experiment or it cannot be written.
    pub fn record_sample(&mut self, experiment: &str, sample: &Sample) -> Result<bool, Error> {
        Ok(self.record_samples(experiment, std::slice::from_ref(sample))? == 1)
    }

    /// Keeps samples in one transaction. Returns how many were new: a cell that is filled stays as
    /// it is.
    ///
    /// # Errors
    /// If there is no such experiment or they cannot be written; then none is kept.
    pub fn record_samples(&mut self, experiment: &str, samples: &[Sample]) -> Result<usize, Error> {
        let Some(Experiment { name, .. }) = self.experiment(experiment)? else {
            return Err(self.absent("experiment", experiment));
        };
        self.change("keep a sample", |transaction| {
            let mut is_filled = transaction.prepare_cached(
                "select 1 from mynah_samples
                 where experiment_id = ?1 and arm = ?2 and input = ?3 and repeat = ?4",
            )?;
            let mut insert = transaction.prepare_cached(
                "insert into mynah_samples (experiment_id, arm, input, repeat, block, position,
                    turn_id, checks_json)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            let mut n_new = 0;
            for Sample { cell, block, position, turn, checks } in samples {
                let Cell { arm, input, repeat } = cell;
                if is_filled.exists(params![experiment, arm, input, repeat])? {
                    continue;
                }
                let id = insert_turn(transaction, Some(experiment), Some(&name), turn)?.turn;
                insert.execute(params![
                    experiment, arm, input, repeat, block, position, id, checks
                ])?;
                n_new += 1;
            }
            Ok(n_new)
        })
    }

    /// The cells of an experiment that are filled.
    pub fn filled_cells(&self, experiment: &str) -> Result<HashSet<Cell>, Error> {
        let sql = "select arm, input, repeat from mynah_samples where experiment_id = ?1";
        let cell =
            |row: &Row<'_>| Ok(Cell { arm: row.get(0)?, input: row.get(1)?, repeat: row.get(2)? });
        self.read("read the samples", |connection| {
            connection.prepare(sql)?.query_map([experiment], cell)?.collect()
        })
    }

    /// The samples of an experiment in the order in which they were planned.
    pub fn samples_of(&self, experiment: &str) -> Result<Vec<Kept>, Error> {
        let sql = "select s.id, s.arm, s.input, s.repeat, s.block, s.position, s.checks_json,
                m.command, t.model, m.fingerprint, m.sample, m.seed, m.temperature, t.options_json,
                c.content, t.input_tokens, t.token_details ->> 'cached_tokens', t.output_tokens,
                m.first_token_ms, m.duration_ms, m.finish, t.datetime_utc, t.tip_message_hash
             from mynah_samples as s
             join turns as t on t.id = s.turn_id
             join mynah_turns as m on m.turn_id = s.turn_id
             left join schemas as c on c.id = t.schema_id
             where s.experiment_id = ?1 order by s.position, s.id";
        self.read("read the samples", |connection| {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([experiment])?;
            let mut samples = Vec::new();
            while let Some(row) = rows.next()? {
                let mut kept = read_sample(row)?;
                let tip: Option<String> = row.get(22)?;
                let turn = &mut kept.sample.turn;
                turn.messages = chain(connection, tip.as_deref())?;
                turn.answer = turn.messages.pop().map_or(String::new(), |answer| answer.text);
                samples.push(kept);
            }
            Ok(samples)
        })
    }

    /// Replaces what the checks said of a sample: answers can be judged again without being drawn
    /// again.
    ///
    /// # Errors
    /// If there is no such sample or it cannot be written.
    pub fn set_checks(&mut self, sample: SampleId, checks: &str) -> Result<(), Error> {
        let n = self.change("keep what the checks said", |transaction| {
            let sql = "update mynah_samples set checks_json = ?2 where id = ?1";
            transaction.execute(sql, params![sample.0, checks])
        })?;
        if n == 0 { Err(self.absent("sample", &sample.0.to_string())) } else { Ok(()) }
    }
}

fn read_experiment(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    let state: String = row.get(4)?;
    Ok(Experiment {
        id: row.get(0)?,
        name: row.get(1)?,
        design_hash: row.get(2)?,
        design: row.get(3)?,
        state: State::named(&state),
        result: row.get(5)?,
        created: read_time(row, 6)?,
        ended: row.get::<_, Option<String>>(7)?.as_deref().and_then(from_text),
    })
}

/// A sample without its messages.
fn read_sample(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    let count = |column| row.get(column).map(|n: Option<i64>| n.map(|n| n as u64));
    let time = |column| row.get(column).map(|ms: Option<f64>| ms.and_then(from_milliseconds));
    let turn = Turn {
        command: row.get(7)?,
        model: row.get(8)?,
        fingerprint: row.get(9)?,
        messages: Vec::new(),
        answer: String::new(),
        sample: row.get(10)?,
        seed: row.get::<_, Option<i64>>(11)?.map(i64::cast_unsigned),
        temperature: row.get(12)?,
        options: json(row.get(13)?)
            .and_then(|options| match options {
                serde_json::Value::Object(map) => Some(map),
                _ => None,
            })
            .unwrap_or_default(),
        schema: json(row.get(14)?),
        input_tokens: count(15)?,
        cached_tokens: count(16)?,
        output_tokens: count(17)?,
        first_token: time(18)?,
        duration: time(19)?,
        finish: row.get(20)?,
        at: read_time(row, 21)?,
    };
    let cell = Cell { arm: row.get(1)?, input: row.get(2)?, repeat: row.get(3)? };
    let sample =
        Sample { cell, block: row.get(4)?, position: row.get(5)?, turn, checks: row.get(6)? };
    Ok(Kept { id: SampleId(row.get(0)?), sample })
}

pub(crate) fn read_time(row: &Row<'_>, column: usize) -> rusqlite::Result<SystemTime> {
    let text: String = row.get(column)?;
    Ok(from_text(&text).unwrap_or(SystemTime::UNIX_EPOCH))
}
