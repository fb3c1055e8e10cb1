//! In which order the samples are drawn.

use serde::{Deserialize, Serialize};

use crate::statistics::random::Generator;

/// The size of a design: every arm answers every input in every wording, `repeats` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// How many variants are compared.
    pub arms: usize,
    /// How many inputs each of them answers.
    pub inputs: usize,
    /// How many wordings of each variant there are; 1 without paraphrases.
    pub paraphrases: usize,
    /// How many seeds each of those is sampled with.
    pub repeats: usize,
    /// How many inputs are answered before the next are begun.
    pub inputs_per_block: usize,
}

/// One sample that is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The block of time that the sample belongs to, from 0.
    pub block: usize,
    /// The input that is answered.
    pub input: usize,
    /// The variant that answers.
    pub arm: usize,
    /// The wording of the variant.
    pub paraphrase: usize,
    /// Which repetition.
    pub repeat: usize,
}

/// Lists every sample of `layout` in blocks, in an order that `seed` decides.
///
/// Inputs come in random order, so that those answered so far are at any time a random choice of
/// all: looking early relies on it. Within a block every arm answers the same inputs, in one
/// shuffled order of samples, so that a model that drifts with time drifts for all arms alike.
pub fn schedule(layout: &Layout, seed: u64) -> Vec<Cell> {
    let mut generator = Generator::new(seed);
    let mut inputs: Vec<usize> = (0..layout.inputs).collect();
    generator.shuffle(&mut inputs);
    let mut cells = Vec::new();
    for (block, inputs) in inputs.chunks(layout.inputs_per_block.max(1)).enumerate() {
        let start = cells.len();
        for &input in inputs {
            for arm in 0..layout.arms {
                for paraphrase in 0..layout.paraphrases {
                    for repeat in 0..layout.repeats {
                        cells.push(Cell { block, input, arm, paraphrase, repeat });
                    }
                }
            }
        }
        generator.shuffle(&mut cells[start..]);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout =
        Layout { arms: 3, inputs: 10, paraphrases: 2, repeats: 4, inputs_per_block: 4 };

    #[test]
    fn every_sample_is_drawn_once() {
        let mut cells = schedule(&LAYOUT, 1);
        assert_eq!(cells.len(), 3 * 10 * 2 * 4);
        cells.iter_mut().for_each(|cell| cell.block = 0);
        cells.sort_unstable();
        cells.dedup();
        assert_eq!(cells.len(), 3 * 10 * 2 * 4);
    }

    #[test]
    fn in_each_block_every_arm_answers_the_same_inputs() {
        let cells = schedule(&LAYOUT, 2);
        for block in 0..3 {
            let inputs = |arm: usize| {
                let mut inputs: Vec<usize> = cells
                    .iter()
                    .filter(|cell| cell.block == block && cell.arm == arm)
                    .map(|cell| cell.input)
                    .collect();
                inputs.sort_unstable();
                inputs
            };
            assert!(!inputs(0).is_empty());
            assert_eq!(inputs(0), inputs(1));
            assert_eq!(inputs(0), inputs(2));
        }
        assert!(cells.is_sorted_by_key(|cell| cell.block));
    }

    #[test]
    fn the_seed_decides_the_order() {
        assert_eq!(schedule(&LAYOUT, 3), schedule(&LAYOUT, 3));
        assert_ne!(schedule(&LAYOUT, 3), schedule(&LAYOUT, 4));
    }

    #[test]
    fn no_arm_comes_first_more_often() {
        let layout = Layout { arms: 2, inputs: 1, paraphrases: 1, repeats: 1, inputs_per_block: 1 };
        let first = (0..10_000).filter(|&seed| schedule(&layout, seed)[0].arm == 0).count();
        // Four standard deviations.
        assert!(first.abs_diff(5_000) < 200, "{first}");
    }
}
