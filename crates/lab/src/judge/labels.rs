//! What people said of some of the answers: one JSON object a line.
//!
//! Of single answers: `{"input": "n1", "arm": "capitals", "repeat": 0, "pass": true}`. Of pairs:
//! `{"input": "n1", "repeat": 0, "left": "capitals", "right": "plain", "choice": "left"}`, where the
//! choice is left, right, tie or neither; `mynah label` writes these. Inputs and arms go by their
//! names; `repeat` and `wording` are 0 if absent.

use serde::{Deserialize, Serialize};

/// A file of labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(pub Vec<Label>);

/// One person's word on one answer, or on two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The name of the input that was answered.
    pub input: String,
    /// Which repetition of the answer.
    #[serde(default)]
    pub repeat: usize,
    /// Which wording of the prompt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wording: usize,
    /// What was said.
    #[serde(flatten)]
    pub said: Said,
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Said {
    /// Of one answer.
    Single {
        /// The arm that gave it.
        arm: String,
        /// Whether it will do.
        pass: bool,
    },
    /// Of two answers.
    Pair {
        /// The arm whose answer was shown on the left.
        left: String,
        /// The arm whose answer was shown on the right.
        right: String,
        /// Which is better.
        choice: Choice,
    },
}

/// Which of two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// Both are alike.
    Tie,
    /// Neither will do; in a comparison the same as alike.
    Neither,
}

impl Choice {
    /// 1 if the left answer was preferred, 0 if the right one, 1/2 if none.
    pub fn left_preferred(self) -> f64 {
        match self {
            Self::Left => 1.0,
            Self::Right => 0.0,
            Self::Tie | Self::Neither => 0.5,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A line that is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LabelFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Labels {
    /// Reads labels; empty lines are passed over.
    ///
    /// # Errors
    /// If a line is none, or there is no label at all.
    pub fn read(text: &str) -> Result<Self, LabelFault> {
        let one = |(place, line): (usize, &str)| {
            let reason = |error: serde_json::Error| match error.classify() {
                serde_json::error::Category::Data => {
                    "it needs input, and arm and pass, or left, right and choice".to_owned()
                }
                _ => format!("not JSON: {error}"),
            };
            serde_json::from_str(line)
                .map_err(|error| LabelFault { line: place + 1, reason: reason(error) })
        };
        let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let labels: Vec<Label> =
            lines.filter(|(_, line)| !line.trim().is_empty()).map(one).collect::<Result<_, _>>()?;
        if labels.is_empty() {
            return Err(LabelFault { line: 1, reason: "there is no label in it".to_owned() });
        }
        Ok(Self(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_wrong_lines_named() {
        let labels = Labels::read(
            "{\"input\": \"a\", \"arm\": \"x\", \"pass\": true}\n\n\
             {\"input\": \"b\", \"repeat\": 2, \"left\": \"x\", \"right\": \"y\", \"choice\": \"tie\"}\n",
        )
        .unwrap();
        let [first, second] = &labels.0[..] else { panic!("{labels:?}") };
        assert_eq!(first.said, Said::Single { arm: "x".to_owned(), pass: true });
        assert_eq!((second.repeat, second.input.as_str()), (2, "b"));
        let written = serde_json::to_string(second).unwrap();
        assert_eq!(serde_json::from_str::<Label>(&written).unwrap(), *second);
        for (text, line) in [("{}", 1), ("\n{\"input\": 3}", 2), ("x", 1), ("", 1)] {
            assert_eq!(Labels::read(text).unwrap_err().line, line, "{text}");
        }
    }
}
