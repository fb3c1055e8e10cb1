//! How numbers are stored in a file: the tensor types of GGML, and how to read and write them.
//!
//! A tensor is a run of blocks; a block holds a fixed number of numbers in a fixed number of bytes.
//! This module does not know what file a block came from, and it does not multiply: the kernels
//! that compute on blocks are tested against [`dequantize`].
//!
//! | format | numbers | bytes | bits each | fields in order | value |
//! |---|---|---|---|---|---|
//! | F32 | 1 | 4 | 32 | IEEE single | |
//! | F16 | 1 | 2 | 16 | IEEE half | |
//! | BF16 | 1 | 2 | 16 | upper half of a single | |
//! | `Q4_0` | 32 | 18 | 4.5 | scale, nibbles | `d·(q - 8)` |
//! | `Q4_1` | 32 | 20 | 5 | scale, offset, nibbles | `d·q + m` |
//! | `Q5_0` | 32 | 22 | 5.5 | scale, fifth bits (`u32`), nibbles | `d·(q - 16)` |
//! | `Q5_1` | 32 | 24 | 6 | scale, offset, fifth bits (`u32`), nibbles | `d·q + m` |
//! | `Q8_0` | 32 | 34 | 8.5 | scale, 32 `i8` | `d·q` |
//! | `Q2_K` | 256 | 84 | 2.625 | 16 bytes of sub-scale and sub-minimum (4 bits each), pairs of bits, scale, minimum | `d·s·q - m·t` |
//! | `Q3_K` | 256 | 110 | 3.4375 | third bits, pairs of bits, 16 sub-scales (6 bits), scale | `d·(s - 32)·(q - 4)` |
//! | `Q4_K` | 256 | 144 | 4.5 | scale, minimum, 8 sub-scales and 8 sub-minima (6 bits), nibbles | `d·s·q - m·t` |
//! | `Q5_K` | 256 | 176 | 5.5 | as `Q4_K`, fifth bits before the nibbles | `d·s·q - m·t` |
//! | `Q6_K` | 256 | 210 | 6.5625 | nibbles, pairs of high bits, 16 `i8` sub-scales, scale | `d·s·(q - 32)` |
//! | `IQ4_NL` | 32 | 18 | 4.5 | scale, nibbles | `d·table[q]` |
//! | `IQ4_XS` | 256 | 136 | 4.25 | scale, high bits of 8 sub-scales (`u16`), their low nibbles, nibbles | `d·(s - 32)·table[q]` |
//! | MXFP4 | 32 | 17 | 4.25 | exponent byte, nibbles | `2^(e - 127)·E2M1[q]` |
//!
//! Scales, offsets and minima are half-precision, all numbers little-endian. The nibbles of 32
//! numbers are 16 bytes, the first half of the numbers in the low nibbles; in `Q4_K` and `Q5_K` those
//! of 64 numbers are 32 bytes, in `Q6_K` those of 128 are 64 bytes, split the same way. Pairs of bits
//! of 128 numbers are 32 bytes, number `i` in byte `i % 32` from bit `2·(i / 32)` on. Third and
//! fifth bits of 256 numbers are 32 bytes, number `i` in bit `i / 32` of byte `i % 32`; in `Q5_0` and
//! `Q5_1`, bit `i`. How the 6-bit fields are packed stands at the functions that unpack them.
//!
//! Sources: the block structures in ggml's `ggml-common.h` and the `dequantize_row_*` functions in
//! its `ggml-quants.c`; for MXFP4 the Open Compute Project's "Microscaling Formats (MX)
//! Specification" 1.0.

mod affine;
mod blocks;
mod codec;
mod iq4;
mod legacy;
mod mxfp4;
mod nonfinite;
mod plain;
mod search;
mod symmetric;

pub use codec::{dequantize, quantize, quantize_weighted};
pub use nonfinite::has_nonfinite_scale;

/// A tensor type: how a run of numbers is stored.
///
/// Source: ggml's `enum ggml_type`; the numbers are part of the GGUF file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the field's own")]
#[allow(non_camel_case_types, reason = "the names are the field's own")]
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
}

impl Format {
    /// Every format, in the order of declaration.
    pub const ALL: [Self; 16] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
        Self::MXFP4,
    ];

    /// The number of this format in a GGUF file, its name, numbers per block and bytes per block.
    const fn facts(self) -> (u32, &'static str, usize, usize) {
        match self {
            Self::F32 => (0, "F32", 1, 4),
            Self::F16 => (1, "F16", 1, 2),
            Self::BF16 => (30, "BF16", 1, 2),
            Self::Q4_0 => (2, "Q4_0", 32, 18),
            Self::Q4_1 => (3, "Q4_1", 32, 20),
            Self::Q5_0 => (6, "Q5_0", 32, 22),
            Self::Q5_1 => (7, "Q5_1", 32, 24),
            Self::Q8_0 => (8, "Q8_0", 32, 34),
            Self::Q2_K => (10, "Q2_K", 256, 84),
            Self::Q3_K => (11, "Q3_K", 256, 110),
            Self::Q4_K => (12, "Q4_K", 256, 144),
            Self::Q5_K => (13, "Q5_K", 256, 176),
            Self::Q6_K => (14, "Q6_K", 256, 210),
            Self::IQ4_NL => (20, "IQ4_NL", 32, 18),
            Self::IQ4_XS => (23, "IQ4_XS", 256, 136),
            Self::MXFP4 => (39, "MXFP4", 32, 17),
        }
    }

    /// The number of this format in a GGUF file.
    pub const fn ggml_type(self) -> u32 {
        self.facts().0
    }

    /// The format with this number in a GGUF file, if mynah reads it.
    pub fn from_ggml_type(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.ggml_type() == number)
    }

    /// The name as GGUF tools write it, such as `Q4_K`.
    pub const fn name(self) -> &'static str {
        self.facts().1
    }

    /// The format of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(name))
    }

    /// How many numbers one block holds.
    pub const fn block_len(self) -> usize {
        self.facts().2
    }

    /// How many bytes one block takes.
    pub const fn block_bytes(self) -> usize {
        self.facts().3
    }

    /// How many bytes `n` numbers take; `None` if `n` is not a whole number of blocks or the
    /// product overflows.
    pub fn bytes_for(self, n: usize) -> Option<usize> {
        if !n.is_multiple_of(self.block_len()) {
            return None;
        }
        (n / self.block_len()).checked_mul(self.block_bytes())
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
