//! Labelling pairs of answers blind: a person sees two answers and not which variant they come from.
//!
//! Order and sides are random and decided by a seed, so that a sitting that was interrupted goes on
//! where it was. What comes out feeds the paired comparison ([`preferences`]) and, as a file, the
//! calibration of a judge ([`crate::judge::Labels`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::{Comparison, Error, compare};
use crate::judge::{Choice, Label, Said};
use crate::outcome::{Observation, Question, Scale};
use crate::statistics::random::Generator;

/// An answer that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The variant that gave it, which is not shown.
    pub arm: String,
    /// The name of the input.
    pub input: String,
    /// Which wording of the prompt.
    pub wording: usize,
    /// Which repetition.
    pub repeat: usize,
    /// The answer.
    pub text: String,
}

/// Two answers to the same input, by their places in the list of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one on the left.
    pub left: usize,
    /// The one on the right.
    pub right: usize,
}

/// A key that a person pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The left answer is better, or the right one, or none.
    Prefer(Choice),
    /// Not now.
    Skip,
    /// Enough.
    Quit,
}

impl Key {
    /// What a key means: 1 or left, 2 or right, = or both alike, s to skip, q to end.
    pub fn of(key: char) -> Option<Self> {
        match key {
            '1' => Some(Self::Prefer(Choice::Left)),
            '2' => Some(Self::Prefer(Choice::Right)),
            '=' => Some(Self::Prefer(Choice::Tie)),
            's' | 'S' => Some(Self::Skip),
            'q' | 'Q' => Some(Self::Quit),
            _ => None,
        }
    }
}

/// A sitting.
#[derive(Clone, Debug)]
pub struct Sitting {
    answers: Vec<Shown>,
    pairs: Vec<Pair>,
    at: usize,
    done: usize,
}

impl Sitting {
    /// Pairs the answers of two arms, leaves out what is in `labels`, and shuffles the rest.
    ///
    /// Answers that say the same are no question, and are left out too; [`same`] counts them as ties.
    pub fn new(answers: Vec<Shown>, arms: [&str; 2], labels: &[Label], seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        let mut pairs = all_pairs(&answers, arms);
        // Drawn for every pair, labelled or not: what is left looks the same after a break.
        generator.shuffle(&mut pairs);
        for pair in &mut pairs {
            if generator.uniform() < 0.5 {
                *pair = Pair { left: pair.right, right: pair.left };
            }
        }
        let known: BTreeSet<_> = labels.iter().filter_map(|label| place_of(label, arms)).collect();
        let all = pairs.len();
        pairs.retain(|pair| !known.contains(&place(&answers[pair.left])));
        let done = all - pairs.len();
        pairs.retain(|pair| answers[pair.left].text.trim() != answers[pair.right].text.trim());
        Self { answers, pairs, at: 0, done }
    }

    /// The answers to be compared now; none if there are no more.
    pub fn now(&self) -> Option<(&Shown, &Shown)> {
        let pair = self.pairs.get(self.at)?;
        Some((&self.answers[pair.left], &self.answers[pair.right]))
    }

    /// Their places in the list that the sitting was made of.
    pub fn places(&self) -> Option<Pair> {
        self.pairs.get(self.at).copied()
    }

    /// How many pairs are labelled, and how many there are still.
    pub fn progress(&self) -> (usize, usize) {
        (self.done, self.pairs.len() - self.at)
    }

    /// Takes a preference, and goes on; the label is to be kept at once.
    pub fn prefer(&mut self, choice: Choice) -> Option<Label> {
        let (left, right) = self.now()?;
        let said = Said::Pair { left: left.arm.clone(), right: right.arm.clone(), choice };
        let (input, wording, repeat) = place(left);
        let label = Label { input, repeat, wording, said };
        self.at += 1;
        self.done += 1;
        Some(label)
    }

    /// Puts the pair at the end.
    pub fn skip(&mut self) {
        if self.at < self.pairs.len() {
            self.pairs[self.at..].rotate_left(1);
        }
    }
}

/// Pairs whose answers say the same, as ties: nobody has to be asked.
pub fn same(answers: &[Shown], arms: [&str; 2]) -> Vec<Label> {
    let is_same = |pair: &Pair| answers[pair.left].text.trim() == answers[pair.right].text.trim();
    let tie = |pair: Pair| {
        let (left, right) = (answers[pair.left].arm.clone(), answers[pair.right].arm.clone());
        let (input, wording, repeat) = place(&answers[pair.left]);
        let said = Said::Pair { left, right, choice: Choice::Tie };
        Label { input, repeat, wording, said }
    };
    all_pairs(answers, arms).into_iter().filter(is_same).map(tie).collect()
}

type Place = (String, usize, usize);

fn place(shown: &Shown) -> Place {
    (shown.input.clone(), shown.wording, shown.repeat)
}

/// Where a label stands, if it is of a pair of these arms.
fn place_of(label: &Label, arms: [&str; 2]) -> Option<Place> {
    preference(label, arms)?;
    Some((label.input.clone(), label.wording, label.repeat))
}

/// How far a label prefers the first of the arms to the second.
fn preference(label: &Label, [treatment, control]: [&str; 2]) -> Option<f64> {
    let Said::Pair { left, right, choice } = &label.said else { return None };
    if left == treatment && right == control {
        Some(choice.left_preferred())
    } else if left == control && right == treatment {
        Some(1.0 - choice.left_preferred())
    } else {
        None
    }
}

fn all_pairs(answers: &[Shown], [treatment, control]: [&str; 2]) -> Vec<Pair> {
    let mut places: BTreeMap<Place, [Option<usize>; 2]> = BTreeMap::new();
    for (at, shown) in answers.iter().enumerate() {
        let arm = [treatment, control].iter().position(|arm| *arm == shown.arm);
        if let Some(arm) = arm {
            places.entry(place(shown)).or_default()[arm] = Some(at);
        }
    }
    let pair = |found: [Option<usize>; 2]| Some(Pair { left: found[0]?, right: found[1]? });
    places.into_values().filter_map(pair).collect()
}

/// Compares how often people preferred the first of `arms` with a coin: the mean preference is
/// compared with 1/2, each input counted once.
///
/// `margin`: how far from 1/2 would matter. `seed` decides the random flips.
///
/// # Errors
/// If no label is of these arms.
pub fn preferences(
    labels: &[Label],
    arms: [&str; 2],
    margin: f64,
    seed: u64,
) -> Result<Comparison, Error> {
    let mut inputs: BTreeMap<&str, usize> = BTreeMap::new();
    let mut observations = Vec::new();
    for (repeat, label) in labels.iter().enumerate() {
        let Some(value) = preference(label, arms) else { continue };
        let next = inputs.len();
        let input = *inputs.entry(&label.input).or_insert(next);
        let seen = Observation { arm: 0, input, group: input, paraphrase: 0, repeat, value };
        observations.push(seen);
        observations.push(Observation { arm: 1, value: 0.5, ..seen });
    }
    let question =
        Question { treatment: 0, control: 1, margin, alpha: 0.05, lower_is_better: false };
    let scale = Scale::Continuous { low: Some(0.0), high: Some(1.0) };
    compare(&observations, scale, &question, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;

    const ARMS: [&str; 2] = ["loud", "plain"];

    fn answers(inputs: usize) -> Vec<Shown> {
        let one = |input: usize, arm: &str| Shown {
            arm: arm.to_owned(),
            input: format!("n{input}"),
            wording: 0,
            repeat: 0,
            text: if input == 3 { "the same".to_owned() } else { format!("{arm} {input}") },
        };
        (0..inputs).flat_map(|input| ARMS.map(|arm| one(input, arm))).collect()
    }

    /// Labels everything as one who likes loud answers.
    fn label(sitting: &mut Sitting, most: usize) -> Vec<Label> {
        let mut labels = Vec::new();
        while labels.len() < most
            && let Some((left, _)) = sitting.now()
        {
            let choice = if left.text.starts_with("loud") { Choice::Left } else { Choice::Right };
            labels.extend(sitting.prefer(choice));
        }
        labels
    }

    #[test]
    fn a_sitting_goes_on_where_it_was() {
        let mut whole = Sitting::new(answers(12), ARMS, &[], 5);
        assert_eq!(whole.progress(), (0, 11));
        let all = label(&mut whole, 100);
        let mut first = Sitting::new(answers(12), ARMS, &[], 5);
        let mut labels = label(&mut first, 4);
        let mut second = Sitting::new(answers(12), ARMS, &labels, 5);
        assert_eq!(second.progress(), (4, 7));
        labels.extend(label(&mut second, 100));
        assert_eq!(labels, all);
        assert_eq!(second.now(), None);
    }

    #[test]
    fn sides_are_random_and_nothing_is_asked_that_is_no_question() {
        let mut sitting = Sitting::new(answers(200), ARMS, &[], 1);
        let labels = label(&mut sitting, 1000);
        let is_left =
            |label: &&Label| matches!(&label.said, Said::Pair { left, .. } if left == "loud");
        let left = labels.iter().filter(is_left).count();
        // Four standard deviations of 199 coins.
        assert!(left.abs_diff(100) < 29, "{left}");
        assert!(labels.iter().all(|label| label.input != "n3"));
        let ties = same(&answers(200), ARMS);
        assert_eq!((ties.len(), ties[0].input.as_str()), (1, "n3"));
    }

    #[test]
    fn a_skipped_pair_comes_again_at_the_end() {
        let mut sitting = Sitting::new(answers(3), ARMS, &[], 2);
        let first = sitting.now().unwrap().0.input.clone();
        sitting.skip();
        assert_ne!(sitting.now().unwrap().0.input, first);
        let labels = label(&mut sitting, 3);
        assert_eq!(labels[2].input, first);
        sitting.skip();
        assert_eq!(sitting.prefer(Choice::Tie), None);
    }

    #[test]
    fn preferences_are_compared_with_a_coin() {
        let labels = label(&mut Sitting::new(answers(30), ARMS, &[], 3), 100);
        let seen = preferences(&labels, ARMS, 0.1, 1).unwrap();
        assert_eq!((seen.verdict, seen.treatment_mean, seen.inputs), (Verdict::Better, 1.0, 29));
        let turned = preferences(&labels, ["plain", "loud"], 0.1, 1).unwrap();
        assert_eq!(turned.verdict, Verdict::Worse);
        assert!(preferences(&labels, ["a", "b"], 0.1, 1).is_err());
        assert_eq!((Key::of('='), Key::of('x')), (Some(Key::Prefer(Choice::Tie)), None));
    }
}
