//! Exponentials and sums that give the same bits on every machine.
//!
//! `f32::exp` and `f64::ln` of the standard library call the platform's
//! mathematics library, whose last bit differs between operating systems and
//! versions, and one bit is enough to choose another token. So the hot
//! exponential is written here from additions, multiplications and shifts, which
//! IEEE 754 fixes to the bit, and the few scalar logarithms come from the `libm`
//! crate, which is compiled from source like everything else.
//!
//! A sum over the vocabulary is cut into blocks of [`BLOCK`] values. Inside a
//! block 16 running sums are kept, so that a compiler may use vectors of any
//! width without changing the order of the additions; the blocks are then added
//! in `f64`, in order.

/// How many logits share one maximum and one partial sum.
pub(crate) const BLOCK: usize = 128;

/// Running values per block; a multiple of every vector width.
const LANES: usize = 16;

/// Below this argument the exponential is taken as zero (it would be denormal).
const EXP_FLOOR: f32 = -87.0;

/// Calculates `e^x` for `x <= 0`, with a relative error below `2e-7`.
///
/// Returns 0 below -87 and for negative infinity. Source: Moshier, Cephes 2.2,
/// `expf`: the argument is split into `n ln 2 + r`, and `e^r` is a polynomial.
#[inline(always)]
#[expect(
    clippy::excessive_precision,
    reason = "the constants are written as their source has them"
)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_375;
    const LN_2_LOW: f32 = -2.121_944_40e-4;
    // Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the sum.
    const ROUNDER: f32 = 12_582_912.0;
    let clamped = if x > EXP_FLOOR { x } else { EXP_FLOOR };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_15e-4;
    p = p * r + 1.398_199_951e-3;
    p = p * r + 8.333_451_907e-3;
    p = p * r + 4.166_579_589e-2;
    p = p * r + 1.666_666_546e-1;
    p = p * r + 5.000_000_120e-1;
    p = p * r * r + r + 1.0;
    let power_of_two = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x > EXP_FLOOR { p * power_of_two } else { 0.0 }
}

/// Writes the maximum of each block of [`BLOCK`] logits and says where the first bad value is.
///
/// `maxima`: cleared, then one value per block. A bad value is NaN or positive
/// infinity; negative infinity means "never" and is allowed.
pub(crate) fn block_maxima(logits: &[f32], maxima: &mut Vec<f32>) -> Result<(), usize> {
    maxima.clear();
    let (blocks, rest) = logits.as_chunks::<BLOCK>();
    let mut bad = 0;
    for block in blocks {
        let (max, bad_in_block) = block_maximum(block);
        maxima.push(max);
        bad |= bad_in_block;
    }
    if !rest.is_empty() {
        maxima.push(max_of(rest));
        bad |= u32::from(rest.iter().any(|&x| !is_usable(x)));
    }
    if bad == 0 {
        return Ok(());
    }
    Err(logits.iter().position(|&x| !is_usable(x)).unwrap_or(0))
}

/// The maximum of a block, and 0 if all its values are usable.
#[inline(always)]
fn block_maximum(block: &[f32; BLOCK]) -> (f32, u32) {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut bad = [0_u32; LANES];
    for row in block.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let x = row[lane];
            lanes[lane] = if x > lanes[lane] { x } else { lanes[lane] };
            bad[lane] |= u32::from(!is_usable(x));
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] = if other > lanes[lane] { other } else { lanes[lane] };
            bad[lane] |= bad[lane + width];
        }
        width /= 2;
    }
    (lanes[0], bad[0])
}

#[inline(always)]
fn is_usable(x: f32) -> bool {
    x < f32::INFINITY
}

/// The largest value of a slice without NaN; negative infinity where it is empty.
pub(crate) fn max_of(values: &[f32]) -> f32 {
    values.iter().fold(f32::NEG_INFINITY, |best, &x| if x > best { x } else { best })
}

/// Adds `e^((x - max) * scale)` over one block.
#[inline(always)]
fn block_exp_sum(block: &[f32; BLOCK], max: f32, scale: f32) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    for row in block.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            lanes[lane] += exp((row[lane] - max) * scale);
        }
    }
    f64::from(add_lanes(&lanes))
}

/// Calls `each` with the sum of `e^((x - max) * scale)` over each block, and adds them.
#[inline(always)]
fn for_each_exp_sum(logits: &[f32], max: f32, scale: f32, mut each: impl FnMut(f64)) -> f64 {
    let (blocks, rest) = logits.as_chunks::<BLOCK>();
    let mut total = 0.0;
    for block in blocks {
        let sum = block_exp_sum(block, max, scale);
        each(sum);
        total += sum;
    }
    if !rest.is_empty() {
        // What is missing from the last block adds nothing.
        let mut block = [f32::NEG_INFINITY; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let sum = block_exp_sum(&block, max, scale);
        each(sum);
        total += sum;
    }
    total
}

/// Adds 16 values pairwise: distance 8, then 4, 2 and 1.
#[inline(always)]
fn add_lanes(lanes: &[f32; LANES]) -> f32 {
    let mut sums = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Adds `e^((x - max) * scale)` over all logits; `sums` gets the partial sum of each block.
pub(crate) fn exp_sums(logits: &[f32], max: f32, scale: f32, sums: &mut Vec<f64>) -> f64 {
    sums.clear();
    for_each_exp_sum(logits, max, scale, |sum| sums.push(sum))
}

/// Adds `e^(x - max)` over all logits without keeping the partial sums.
pub(crate) fn exp_sum(logits: &[f32], max: f32) -> f64 {
    for_each_exp_sum(logits, max, 1.0, |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0_f64;
        for step in 0..200_000 {
            let x = -86.99 * f64::from(step) / 200_000.0;
            let got = f64::from(exp(x as f32));
            let want = libm::exp(f64::from(x as f32));
            worst = worst.max(((got - want) / want).abs());
        }
        assert!(worst < 2e-7, "{worst}");
    }

    #[test]
    fn exponential_at_its_ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::MIN), 0.0);
        assert_eq!(exp(-87.0), 0.0);
        assert!(exp(-86.9) > 0.0);
    }

    #[test]
    fn exponential_has_the_same_bits_everywhere() {
        // Pinned: a change of compiler or machine must not change them.
        let bits = [-0.1, -0.5, -1.0, -2.5, -10.0, -33.3, -80.0].map(|x| exp(x).to_bits());
        assert_eq!(
            bits,
            [
                0x3f67_a36d,
                0x3f1b_4598,
                0x3ebc_5ab2,
                0x3da8_1c2e,
                0x383e_6bce,
                0x2778_b2ea,
                0x05bf_ecba
            ]
        );
    }

    #[test]
    fn block_maxima_of_every_length() {
        let values: Vec<f32> = (0..300).map(|i| ((i * 7919) % 1009) as f32 - 500.0).collect();
        let mut maxima = Vec::new();
        for length in 0..values.len() {
            block_maxima(&values[..length], &mut maxima).unwrap();
            let want: Vec<f32> = values[..length]
                .chunks(BLOCK)
                .map(|b| b.iter().copied().fold(f32::NEG_INFINITY, f32::max))
                .collect();
            assert_eq!(maxima, want, "length {length}");
        }
    }

    #[test]
    fn bad_values_are_found_wherever_they_are() {
        let mut maxima = Vec::new();
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY] {
            for at in [0, 1, 15, 16, 127, 128, 250, 299] {
                let mut values = vec![0.5_f32; 300];
                values[at] = bad;
                assert_eq!(block_maxima(&values, &mut maxima), Err(at));
            }
        }
        assert_eq!(block_maxima(&[f32::NEG_INFINITY, f32::MAX], &mut maxima), Ok(()));
    }

    #[test]
    fn sums_agree_with_f64() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 7919) % 1009) as f32 / 100.0).collect();
        let max = max_of(&values);
        let want: f64 = values.iter().map(|&x| libm::exp(f64::from(x - max) * 0.5)).sum();
        let mut sums = Vec::new();
        let got = exp_sums(&values, max, 0.5, &mut sums);
        assert!((got / want - 1.0).abs() < 1e-6);
        assert_eq!(sums.iter().sum::<f64>(), got);
        assert_eq!(sums.len(), 8);
    }
}
