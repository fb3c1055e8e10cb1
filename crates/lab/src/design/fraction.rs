//! Fractions of a crossing of two-level factors, with what cannot be told apart.

use serde::Serialize;

use super::Factor;

/// More factors than this make too many fractions to choose from.
const MOST_FACTORS: usize = 12;

/// A regular fraction 2^(factors - generators).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fraction {
    /// The arms: the level, 0 or 1, of each factor.
    pub arms: Vec<Vec<usize>>,
    /// Products of factors that are the same in all arms: the defining relation.
    pub words: Vec<String>,
    /// The length of the shortest word: 3 mixes effects with interactions of two factors, 4 mixes
    /// interactions with each other, from 5 on effects and interactions of two are clear.
    pub resolution: usize,
    /// For each effect and each interaction of two factors, what it cannot be told apart from.
    pub aliases: Vec<Alias>,
}

/// An effect, and those of at most two factors that the fraction mixes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// A factor, or two joined by " x ".
    pub effect: String,
    /// The effects mixed with it; empty if it is clear of them.
    pub mixed_with: Vec<String>,
}

/// Why there is no such fraction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FractionError {
    /// Regular fractions exist for two levels only.
    #[error("factor {name} has {levels} levels; a fraction needs two, cross it fully instead")]
    Levels {
        /// The factor.
        name: String,
        /// How many levels it has.
        levels: usize,
    },
    /// The number of arms is not 2 to some power, or effects would be mixed with each other.
    #[error("{factors} factors have no fraction of {arms} arms that keeps them apart")]
    Arms {
        /// How many factors there are.
        factors: usize,
        /// How many arms were asked for.
        arms: usize,
    },
    /// Too many factors to search.
    #[error("{factors} factors are more than {limit}")]
    Factors {
        /// How many factors there are.
        factors: usize,
        /// How many are allowed.
        limit: usize,
    },
}

/// Chooses the best regular fraction of `arms` arms: of the highest resolution, then with the
/// fewest short words.
///
/// Source: Box, Hunter & Hunter 2005, *Statistics for Experimenters*, chapter 6; the criterion is
/// minimum aberration (Fries & Hunter 1980).
pub fn fraction(factors: &[Factor], arms: usize) -> Result<Fraction, FractionError> {
    let count = factors.len();
    if let Some(factor) = factors.iter().find(|factor| factor.levels.len() != 2) {
        let (name, levels) = (factor.name.clone(), factor.levels.len());
        return Err(FractionError::Levels { name, levels });
    }
    if count > MOST_FACTORS {
        return Err(FractionError::Factors { factors: count, limit: MOST_FACTORS });
    }
    let none = FractionError::Arms { factors: count, arms };
    let base = arms.trailing_zeros() as usize;
    if !arms.is_power_of_two() || base > count {
        return Err(none);
    }
    let words = best_words(count, base).ok_or(none)?;
    let resolution = words.iter().map(|word| word.count_ones() as usize).min();
    Ok(Fraction {
        arms: (0..arms).map(|arm| levels(arm, base, &words, count)).collect(),
        words: words.iter().map(|&word| name(word, factors)).collect(),
        resolution: resolution.unwrap_or(count + 1),
        aliases: aliases(&words, factors),
    })
}

/// The words of the best defining relation; the first `count - base` of them are the generators.
fn best_words(count: usize, base: usize) -> Option<Vec<u32>> {
    let choices: Vec<u32> = (1u32..1 << base).filter(|set| set.count_ones() >= 2).collect();
    let added = count - base;
    let mut best: Option<(Vec<usize>, Vec<u32>)> = None;
    let mut chosen: Vec<usize> = (0..added).collect();
    if added > choices.len() {
        return None;
    }
    loop {
        let generators: Vec<u32> = chosen
            .iter()
            .enumerate()
            .map(|(place, &choice)| choices[choice] | 1 << (base + place))
            .collect();
        let words = span(&generators);
        // How many words of each length: the first to have fewer is better.
        let lengths = (1..=count)
            .map(|length| words.iter().filter(|word| word.count_ones() as usize == length).count())
            .collect();
        if best.as_ref().is_none_or(|(fewest, _)| lengths < *fewest) {
            best = Some((lengths, words));
        }
        if !advance(&mut chosen, choices.len()) {
            return best.map(|(_, words)| words);
        }
    }
}

/// Moves to the next choice of places below `end`, in order; false after the last.
fn advance(chosen: &mut [usize], end: usize) -> bool {
    let count = chosen.len();
    for place in (0..count).rev() {
        if chosen[place] + (count - place) < end {
            chosen[place] += 1;
            for later in place + 1..count {
                chosen[later] = chosen[later - 1] + 1;
            }
            return true;
        }
    }
    false
}

/// All products of the generators, which come first.
fn span(generators: &[u32]) -> Vec<u32> {
    let product = |set: usize| {
        let members = generators.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
        members.fold(0, |product, (_, word)| product ^ word)
    };
    let single = (0..generators.len()).map(|place| 1 << place);
    let several = (1..1usize << generators.len()).filter(|set| !set.is_power_of_two());
    single.chain(several).map(product).collect()
}

/// The levels of one arm: the base factors count in binary, the others are products of them.
fn levels(arm: usize, base: usize, words: &[u32], count: usize) -> Vec<usize> {
    let generated = |place: usize| {
        let set = words[place] as usize & ((1 << base) - 1);
        // A product of levels -1 and 1 is 1 if an even number of them is -1.
        let low = (set & !arm).count_ones();
        usize::from(low.is_multiple_of(2))
    };
    let level = |factor: usize| {
        if factor < base { arm >> factor & 1 } else { generated(factor - base) }
    };
    (0..count).map(level).collect()
}

fn name(word: u32, factors: &[Factor]) -> String {
    let members = factors.iter().enumerate().filter(|(place, _)| word >> place & 1 == 1);
    members.map(|(_, factor)| factor.name.as_str()).collect::<Vec<_>>().join(" x ")
}

fn aliases(words: &[u32], factors: &[Factor]) -> Vec<Alias> {
    let single = (0..factors.len()).map(|place| 1u32 << place);
    let pairs = (0..factors.len())
        .flat_map(|first| (first + 1..factors.len()).map(move |second| 1 << first | 1 << second));
    let alias = |effect: u32| Alias {
        effect: name(effect, factors),
        mixed_with: words
            .iter()
            .map(|word| word ^ effect)
            .filter(|other| (1..=2).contains(&other.count_ones()))
            .map(|other| name(other, factors))
            .collect(),
    };
    single.chain(pairs).map(alias).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(count: usize) -> Vec<Factor> {
        let name = |index: usize| char::from(b'A' + index as u8).to_string();
        (0..count)
            .map(|index| Factor { name: name(index), levels: vec!["-".into(), "+".into()] })
            .collect()
    }

    #[test]
    fn resolutions_are_those_of_the_textbook() {
        // Box, Hunter & Hunter 2005, table 6.22: factors, arms, resolution.
        for (count, arms, resolution) in [
            (3, 4, 3),
            (4, 8, 4),
            (5, 16, 5),
            (5, 8, 3),
            (6, 16, 4),
            (7, 8, 3),
            (7, 16, 4),
            (8, 16, 4),
            (6, 32, 6),
            (7, 32, 4),
            (8, 64, 5),
        ] {
            let fraction = fraction(&factors(count), arms).unwrap();
            assert_eq!(fraction.resolution, resolution, "{count} factors in {arms} arms");
        }
    }

    #[test]
    fn levels_are_balanced_and_effects_uncorrelated() {
        let fraction = fraction(&factors(7), 16).unwrap();
        let sign = |arm: &Vec<usize>, factor: usize| arm[factor] as i32 * 2 - 1;
        for first in 0..7 {
            assert_eq!(fraction.arms.iter().map(|arm| sign(arm, first)).sum::<i32>(), 0);
            for second in 0..first {
                let products = fraction.arms.iter().map(|arm| sign(arm, first) * sign(arm, second));
                assert_eq!(products.sum::<i32>(), 0);
            }
        }
    }

    #[test]
    fn declared_aliases_are_equal_in_every_arm() {
        let fraction = fraction(&factors(5), 8).unwrap();
        let value = |effect: &str, arm: &Vec<usize>| -> i32 {
            let factor = |name: &str| usize::from(name.as_bytes()[0] - b'A');
            effect.split(" x ").map(|name| arm[factor(name)] as i32 * 2 - 1).product()
        };
        let mut mixed = 0;
        for alias in &fraction.aliases {
            for other in &alias.mixed_with {
                mixed += 1;
                assert!(
                    fraction.arms.iter().all(|arm| value(&alias.effect, arm) == value(other, arm))
                );
            }
        }
        assert!(mixed > 0);
    }

    #[test]
    fn what_has_no_fraction_is_refused() {
        assert!(matches!(fraction(&factors(5), 12), Err(FractionError::Arms { .. })));
        assert!(matches!(fraction(&factors(5), 4), Err(FractionError::Arms { .. })));
        let mut three = factors(4);
        three[2].levels.push("more".into());
        assert!(matches!(fraction(&three, 8), Err(FractionError::Levels { levels: 3, .. })));
        assert_eq!(fraction(&factors(3), 8).unwrap().resolution, 4);
    }
}
