//! Judgements by people who did not know which arm an answer came from.

use std::time::SystemTime;

use rusqlite::{Row, params};

use crate::time::{from_text, to_text};
use crate::{Error, SampleId, Store};

/// What a person said of two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The answer that was shown first or on the left.
    pub left: SampleId,
    /// The other one.
    pub right: SampleId,
    /// What was asked of the person, such as `better`.
    pub criterion: String,
    /// Who judged.
    pub person: String,
    /// What they said.
    pub choice: Choice,
    /// What they remarked.
    pub note: Option<String>,
    /// When.
    pub at: SystemTime,
}

/// Which of two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// Both alike.
    Tie,
    /// None of them will do.
    Neither,
}

impl Choice {
    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Tie => "tie",
            Self::Neither => "neither",
        }
    }

    fn named(name: &str) -> Self {
        [Self::Left, Self::Right, Self::Tie]
            .into_iter()
            .find(|choice| choice.name() == name)
            .unwrap_or(Self::Neither)
    }
}

impl Store {
    /// Keeps a judgement; the same person's earlier one of the same pair is replaced.
    ///
    /// # Errors
    /// If one of the samples is not there or it cannot be written.
    pub fn record_label(&mut self, label: &Label) -> Result<(), Error> {
        let sql = "insert into mynah_labels (left_sample, right_sample, criterion, person, choice,
                note, datetime_utc)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             on conflict do update set choice = excluded.choice, note = excluded.note,
                datetime_utc = excluded.datetime_utc";
        self.change("keep a judgement", |transaction| {
            transaction
                .execute(
                    sql,
                    params![
                        label.left.0,
                        label.right.0,
                        label.criterion,
                        label.person,
                        label.choice.name(),
                        label.note,
                        to_text(label.at),
                    ],
                )
                .map(drop)
        })
    }

    /// The judgements of an experiment's samples, oldest first.
    pub fn labels_of(&self, experiment: &str) -> Result<Vec<Label>, Error> {
        let sql = "select l.left_sample, l.right_sample, l.criterion, l.person, l.choice, l.note,
                l.datetime_utc
             from mynah_labels as l join mynah_samples as s on s.id = l.left_sample
             where s.experiment_id = ?1
             order by l.datetime_utc, l.left_sample, l.right_sample, l.person";
        self.read("read the judgements", |connection| {
            connection.prepare(sql)?.query_map([experiment], read_label)?.collect()
        })
    }
}

fn read_label(row: &Row<'_>) -> rusqlite::Result<Label> {
    let (choice, at): (String, String) = (row.get(4)?, row.get(6)?);
    Ok(Label {
        left: SampleId(row.get(0)?),
        right: SampleId(row.get(1)?),
        criterion: row.get(2)?,
        person: row.get(3)?,
        choice: Choice::named(&choice),
        note: row.get(5)?,
        at: from_text(&at).unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
