//! Every tensor format against ggml, on hostile input, and there and back.
//!
//! `fixtures/formats/cases.json` is written by `dev/reference/format_cases.py`, which has the same
//! generator of inputs as this file.

use std::collections::BTreeMap;

use mynah_kernels::format::{Format, dequantize, has_nonfinite_scale, quantize, quantize_weighted};
use serde::Deserialize;

const NUMBERS: usize = 1 << 16;
const RANDOM_BLOCKS: usize = 512;

#[derive(Deserialize)]
struct Cases {
    formats: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    /// Hash of the values of random blocks.
    random_values: String,
    /// A block that ggml wrote, in hexadecimal digits, and the bits of its values.
    block: String,
    values: Vec<String>,
    /// For each set of numbers, ggml's summed squared error, plain and weighted.
    squared_error: BTreeMap<String, f64>,
    weighted_error: BTreeMap<String, f64>,
    /// For each set of numbers, the hash of ggml's bytes, if mynah writes the same.
    bytes: Option<BTreeMap<String, String>>,
}

/// Every format with what ggml makes of it.
fn cases() -> Vec<(Format, Case)> {
    let text = include_str!("../../../fixtures/formats/cases.json");
    let cases: Cases = serde_json::from_str(text).expect("the fixture is JSON");
    assert_eq!(cases.formats.len(), Format::ALL.len());
    cases
        .formats
        .into_iter()
        .map(|(name, case)| (Format::from_name(&name).expect("a known format"), case))
        .collect()
}

/// `SplitMix64` (Steele, Lea & Flood 2014).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..=n / 8).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(n);
        bytes
    }
}

/// A nearly normal number around 0.
fn bell(u: u64) -> f32 {
    let sum: u64 = [0, 16, 32, 48].iter().map(|shift| (u >> shift) & 0xFFFF).sum();
    (sum as i64 - 131_070) as f32 * 2.0_f32.powi(-20)
}

fn bells() -> Vec<f32> {
    let mut stream = Stream(1);
    (0..NUMBERS).map(|_| bell(stream.next())).collect()
}

/// Numbers of which one in 2^k is 2^k times as large as most, up to k = 12.
fn tails() -> Vec<f32> {
    let mut stream = Stream(2);
    let sizes: Vec<u64> = (0..NUMBERS).map(|_| stream.next()).collect();
    let one = |size: u64| size.trailing_zeros().min(12) as i32;
    sizes.into_iter().map(|size| bell(stream.next()) * 2.0_f32.powi(one(size) - 3)).collect()
}

fn sets() -> [(&'static str, Vec<f32>); 2] {
    [("bell", bells()), ("tails", tails())]
}

fn importances() -> Vec<f32> {
    let mut stream = Stream(3);
    let one = |u: u64| (u >> 40) as f32 * 2.0_f32.powi(-24);
    (0..NUMBERS).map(|_| one(stream.next())).map(|part| part * part).collect()
}

/// FNV-1a over 32-bit words.
fn fnv(words: impl Iterator<Item = u32>) -> String {
    let hash = words.fold(0xCBF2_9CE4_8422_2325_u64, |hash, word| {
        (hash ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    format!("{hash:016x}")
}

/// The bits of a number, one NaN standing for all.
fn bits(x: f32) -> u32 {
    if x.is_nan() { 0x7FC0_0000 } else { x.to_bits() }
}

fn decoded(format: Format, blocks: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; blocks.len() / format.block_bytes() * format.block_len()];
    dequantize(format, blocks, &mut out);
    out
}

fn encoded(format: Format, numbers: &[f32], importance: Option<&[f32]>) -> Vec<u8> {
    let mut blocks = vec![0xA5; format.bytes_for(numbers.len()).expect("whole blocks")];
    quantize_weighted(format, numbers, importance, &mut blocks);
    blocks
}

fn squared_error(x: &[f32], y: &[f32], w: Option<&[f32]>) -> f64 {
    let one = |i: usize| {
        let error = f64::from(x[i]) - f64::from(y[i]);
        w.map_or(1.0, |w| f64::from(w[i])) * error * error
    };
    assert_eq!(x.len(), y.len());
    (0..x.len()).map(one).sum()
}

fn is_plain(format: Format) -> bool {
    format.block_len() == 1
}

#[test]
fn values_of_a_block_are_ggmls_to_the_bit() {
    for (format, case) in cases() {
        let block: Vec<u8> = (0..case.block.len() / 2)
            .map(|i| u8::from_str_radix(&case.block[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let values = decoded(format, &block);
        assert_eq!(values.len(), format.block_len(), "{format}");
        for (i, (got, expected)) in values.into_iter().zip(&case.values).enumerate() {
            assert_eq!(format!("{:08x}", bits(got)), *expected, "{format}, number {i}");
        }
    }
}

#[test]
fn values_of_random_bytes_are_ggmls_to_the_bit() {
    for (format, case) in cases() {
        let n = RANDOM_BLOCKS * format.block_bytes();
        let mut blocks = Stream(1000 + u64::from(format.ggml_type())).bytes(n);
        if format == Format::MXFP4 {
            // The one exponent that the specification and ggml read differently.
            blocks.iter_mut().step_by(17).filter(|e| **e == 255).for_each(|e| *e = 254);
        }
        let values = decoded(format, &blocks);
        assert_eq!(fnv(values.into_iter().map(bits)), case.random_values, "{format}");
    }
}

#[test]
fn simple_formats_write_ggmls_bytes() {
    let mut compared = 0;
    for (format, case) in cases() {
        let Some(bytes) = case.bytes else { continue };
        for (name, numbers) in sets() {
            let blocks = encoded(format, &numbers, None);
            assert_eq!(fnv(blocks.into_iter().map(u32::from)), bytes[name], "{format}, {name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 8 * 2);
}

/// The bound that is asked for is 1 % in the root; what is reached is no worse at all.
#[test]
fn errors_are_no_larger_than_ggmls() {
    for (format, case) in cases() {
        for (name, numbers) in sets() {
            let error =
                squared_error(&numbers, &decoded(format, &encoded(format, &numbers, None)), None);
            let theirs = case.squared_error[name];
            assert!(error <= theirs * (1.0 + 1e-9), "{format}, {name}: {error} > {theirs}");
        }
    }
}

#[test]
fn weighted_errors_are_no_larger_than_ggmls() {
    let importance = importances();
    for (format, case) in cases() {
        for (name, numbers) in sets() {
            let values = decoded(format, &encoded(format, &numbers, Some(&importance)));
            let error = squared_error(&numbers, &values, Some(&importance));
            let theirs = case.weighted_error[name];
            assert!(error.sqrt() <= 1.01 * theirs.sqrt(), "{format}, {name}: {error} > {theirs}");
        }
    }
}

#[test]
fn importance_moves_errors_to_where_they_count_less() {
    let searched = Format::ALL.into_iter().filter(|&f| !is_plain(f) && f != Format::Q8_0);
    for format in searched {
        let (numbers, importance) = (bells(), importances());
        let values = decoded(format, &encoded(format, &numbers, None));
        let plain = squared_error(&numbers, &values, Some(&importance));
        let values = decoded(format, &encoded(format, &numbers, Some(&importance)));
        let weighted = squared_error(&numbers, &values, Some(&importance));
        assert!(weighted < plain, "{format}: {weighted} >= {plain}");
    }
}

#[test]
fn writing_read_numbers_again_loses_little_more() {
    for format in Format::ALL {
        let numbers = bells();
        let first = decoded(format, &encoded(format, &numbers, None));
        let second = decoded(format, &encoded(format, &first, None));
        let lost = squared_error(&numbers, &first, None);
        let lost_more = squared_error(&first, &second, None);
        if matches!(format, Format::F32 | Format::F16 | Format::BF16 | Format::MXFP4) {
            assert_eq!(lost_more, 0.0, "{format}");
        } else {
            assert!(lost_more < 0.5 * lost, "{format}: {lost_more} after {lost}");
        }
    }
}

#[test]
fn blocks_without_variety_stay_as_they_are() {
    for format in Format::ALL {
        let n = 2 * 256;
        // The step between the two codes around 0 when the largest number is 2.
        let step = if matches!(format, Format::IQ4_NL | Format::IQ4_XS) { 0.02 } else { 0.002 };
        assert_eq!(
            decoded(format, &encoded(format, &vec![0.0; n], None)),
            vec![0.0; n],
            "{format}"
        );
        let mut spike = vec![0.0; n];
        spike[300] = -2.0;
        let values = decoded(format, &encoded(format, &spike, None));
        for (i, (value, x)) in values.iter().zip(&spike).enumerate() {
            assert!((value - x).abs() < step, "{format}, number {i}: {value}");
        }
        for alike in [-0.75, 0.75] {
            let values = decoded(format, &encoded(format, &vec![alike; n], None));
            assert!(values.iter().all(|v| (v - alike).abs() < 0.002), "{format}: {values:?}");
        }
    }
}

/// Half precision cannot hold the scale that suits these numbers; a larger one still serves.
#[test]
fn tiny_numbers_do_not_vanish() {
    let numbers: Vec<f32> = bells().iter().map(|x| x * 1e-5).collect();
    let nothing = squared_error(&numbers, &vec![0.0; numbers.len()], None);
    for format in [Format::Q3_K, Format::Q4_K, Format::Q5_K, Format::Q6_K, Format::IQ4_XS] {
        let values = decoded(format, &encoded(format, &numbers, None));
        let error = squared_error(&numbers, &values, None);
        assert!(error < 0.3 * nothing, "{format}: {error} of {nothing}");
    }
}

#[test]
fn any_bits_are_numbers_and_importances() {
    let mut stream = Stream(4);
    let mut random =
        |n: usize| -> Vec<f32> { (0..n).map(|_| f32::from_bits(stream.next() as u32)).collect() };
    let edges = [0.0, -0.0, 1e-45, -1e-38, f32::MAX, f32::MIN, 1e30, -1e-30, 65504.0, 1e9];
    for format in Format::ALL {
        let (numbers, importance) = (random(64 * 256), random(64 * 256));
        encoded(format, &numbers, None);
        encoded(format, &numbers, Some(&importance));
        let mixed: Vec<f32> =
            (0..64 * 256).map(|i| edges[(i * 7 + i / 256) % edges.len()]).collect();
        encoded(format, &mixed, None);
        for edge in edges {
            let alike = vec![edge; 512];
            encoded(format, &alike, Some(&importance[..512]));
            encoded(format, &alike, None);
        }
        for weight in [0.0, -1.0, f32::NAN, f32::INFINITY, f32::MAX, 1e-45] {
            let values = decoded(format, &encoded(format, &bells()[..512], Some(&[weight; 512])));
            assert!(values.iter().all(|v| v.abs() < 1.0), "{format}, {weight}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_not_hidden() {
    for format in Format::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut numbers = bells()[..3 * 256].to_vec();
            numbers[300] = bad;
            let blocks = encoded(format, &numbers, None);
            let block = 300 / format.block_len();
            assert_eq!(has_nonfinite_scale(format, &blocks), Some(block), "{format}, {bad}");
            let values = decoded(format, &blocks);
            for (i, value) in values.iter().enumerate() {
                let finite = i / format.block_len() != block;
                assert_eq!(value.is_finite(), finite, "{format}, {bad}, number {i}");
            }
        }
        // Finite, but not for the format's scale.
        if !matches!(format, Format::F32 | Format::BF16 | Format::MXFP4) {
            let blocks = encoded(format, &[1e30; 256], None);
            assert_eq!(has_nonfinite_scale(format, &blocks), Some(0), "{format}");
        }
    }
}

/// Where each format keeps its half-precision scales.
fn scales_at(format: Format) -> &'static [usize] {
    match format {
        Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => &[0, 2],
        Format::Q2_K => &[80, 82],
        Format::Q3_K => &[108],
        Format::Q6_K => &[208],
        _ => &[0],
    }
}

#[test]
fn scales_that_are_not_finite_are_found() {
    for format in Format::ALL {
        let size = format.block_bytes();
        for count in [1, 511, 512, 513, 2000] {
            // Every byte 0x3B: no exponent is full, in any format and at any place.
            let clean = vec![0x3B; count * size];
            assert_eq!(has_nonfinite_scale(format, &clean), None, "{format}");
            for first in [0, 1, 510, 511, 512, 1999].into_iter().filter(|&first| first < count) {
                for (at, bytes) in spoilers(format) {
                    let mut blocks = clean.clone();
                    for bad in [first, count - 1] {
                        blocks[bad * size + at..][..bytes.len()].copy_from_slice(&bytes);
                    }
                    let found = has_nonfinite_scale(format, &blocks);
                    assert_eq!(found, Some(first), "{format}: {count} blocks, {bytes:x?}");
                }
            }
        }
    }
}

/// Bytes that spoil a block of 0x3B: place and content.
fn spoilers(format: Format) -> Vec<(usize, Vec<u8>)> {
    match format {
        Format::F32 => [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0xFF80_0001)]
            .map(|x| (0, x.to_le_bytes().to_vec()))
            .to_vec(),
        Format::BF16 => [[0x80, 0x7F], [0x80, 0xFF], [0x81, 0x7F], [0xFF, 0xFF]]
            .map(|bytes| (0, bytes.to_vec()))
            .to_vec(),
        Format::MXFP4 => vec![(0, vec![255])],
        _ => {
            let one = |&at: &usize| {
                [[0x00, 0x7C], [0x00, 0xFC], [0x01, 0x7C], [0xFF, 0xFF]]
                    .map(|bytes| (at, bytes.to_vec()))
            };
            scales_at(format).iter().flat_map(one).collect()
        }
    }
}

/// The largest finite scales, on either side of zero, are not refused.
#[test]
fn scales_that_are_finite_are_not_found() {
    for format in Format::ALL {
        for largest in [[0xFF, 0x7B], [0xFF, 0xFB], [0x00, 0x00], [0x01, 0x80]] {
            let mut block = vec![0xFF; format.block_bytes()];
            match format {
                Format::F32 => block.copy_from_slice(&f32::MAX.to_le_bytes()),
                Format::BF16 => block.copy_from_slice(&[0x7F, 0x7F]),
                Format::MXFP4 => block[0] = 254,
                _ => scales_at(format)
                    .iter()
                    .for_each(|&at| block[at..at + 2].copy_from_slice(&largest)),
            }
            assert_eq!(has_nonfinite_scale(format, &block), None, "{format}");
            if format != Format::MXFP4 {
                assert!(decoded(format, &block).iter().all(|x| x.is_finite()), "{format}");
            }
        }
    }
}

#[test]
fn the_largest_mxfp4_exponent_is_nan() {
    let mut block = [0x21; 17];
    block[0] = 255;
    assert!(decoded(Format::MXFP4, &block).iter().all(|x| x.is_nan()));
}

#[test]
fn wrong_lengths_are_refused() {
    let refused =
        |call: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(call).is_err();
    for format in Format::ALL {
        let (n, size) = (format.block_len(), format.block_bytes());
        let long = vec![0; 2 * size];
        for (numbers, bytes) in [(n, 2 * size), (2 * n, size), (n, size - 1), (n + 1, size)] {
            assert!(
                refused(&|| dequantize(format, &long[..bytes], &mut vec![0.0; numbers])),
                "{format}: read {numbers} from {bytes}"
            );
            assert!(
                refused(&|| quantize(format, &vec![0.0; numbers], &mut vec![0; bytes])),
                "{format}: write {numbers} to {bytes}"
            );
        }
        let short = vec![1.0; n - 1];
        assert!(
            refused(&|| quantize_weighted(format, &vec![0.0; n], Some(&short), &mut vec![0; size])),
            "{format}: importances"
        );
        assert!(refused(&|| _ = has_nonfinite_scale(format, &long[..=size])), "{format}: scan");
        dequantize(format, &[], &mut []);
        quantize(format, &[], &mut []);
        assert_eq!(has_nonfinite_scale(format, &[]), None);
    }
}
