//! The packed form of each block format: which planes of bits, which scales.
//!
//! Every format stores `w = d * (u - OFFSET) + m` with an unsigned number `u` of a few bits, a
//! scale `d` and perhaps a minimum `m` for each half block of sixteen. The file formats are
//! described in [`crate::format`].

use crate::arch::{LANES, Simd};

/// How a superblock of sixteen rows lies in memory.
pub(crate) trait Layout {
    /// How many blocks of 32 columns share a header.
    const BLOCKS: usize = 1;
    /// Bytes of the header: the scales of sixteen rows.
    const HEADER: usize;
    /// Bytes of the numbers of one block: sixteen rows, 32 columns.
    const QUANTS: usize;
    /// What is subtracted from a stored number: zero or a power of two.
    const OFFSET: i32 = 0;
    /// Whether there are minimums.
    const MINIMUMS: bool = false;
    /// Whether the halves of a block have scales of their own.
    const HALVES: bool = false;
    /// The greatest stored number.
    const MOST: u32;

    /// The eight quads of columns of a block as unsigned bytes: byte `4 * lane + i` of quad j is
    /// column `4 * j + i` of row `lane`.
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8];

    /// Scale and minimum of the sixteen rows, for the first and the last sixteen columns of block
    /// `block` of a superblock; the same twice unless `HALVES`.
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2];
}

/// Bytes of a superblock of sixteen rows.
pub(crate) const fn superblock_bytes<L: Layout>() -> usize {
    L::HEADER + L::BLOCKS * L::QUANTS
}

/// `bytes[at..at + N]` as an array.
#[inline(always)]
fn array<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    match bytes[at..].first_chunk() {
        Some(array) => array,
        None => unreachable!("a packed matrix has whole superblocks"),
    }
}

/// Sixteen half-precision numbers at `bytes[at..]`.
#[inline(always)]
fn halfs<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F {
    let raw: &[u8; 32] = array(bytes, at);
    let (pairs, _) = raw.as_chunks::<2>();
    s.load_f16(&std::array::from_fn(|i| u16::from_le_bytes(pairs[i])))
}

/// Sixteen signed bytes at `bytes[at..]`.
#[inline(always)]
fn signed<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F {
    s.load_i8(&array::<LANES>(bytes, at).map(|b| b as i8))
}

/// Sixteen unsigned bytes at `bytes[at..]`.
#[inline(always)]
fn unsigned<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F {
    s.load_u8(array(bytes, at))
}

/// The 64 bytes of plane `i`.
#[inline(always)]
fn plane<S: Simd>(s: S, quants: &[u8], i: usize) -> S::B {
    s.load_bytes(array(quants, 64 * i))
}

/// Four planes of two nibbles each: the low ones are quads 0 to 3, the high ones 4 to 7.
#[inline(always)]
fn nibbles<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
    let planes =
        [plane(s, quants, 0), plane(s, quants, 1), plane(s, quants, 2), plane(s, quants, 3)];
    [
        s.bits::<0>(planes[0], 15),
        s.bits::<0>(planes[1], 15),
        s.bits::<0>(planes[2], 15),
        s.bits::<0>(planes[3], 15),
        s.bits::<4>(planes[0], 15),
        s.bits::<4>(planes[1], 15),
        s.bits::<4>(planes[2], 15),
        s.bits::<4>(planes[3], 15),
    ]
}

/// Two planes of four pairs of bits each, moved up by four: quads 0 to 3, then 4 to 7.
#[inline(always)]
fn pairs_high<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
    let (a, b) = (plane(s, quants, 0), plane(s, quants, 1));
    [
        s.bits_up::<4>(a, 0x30),
        s.bits_up::<2>(a, 0x30),
        s.bits::<0>(a, 0x30),
        s.bits::<2>(a, 0x30),
        s.bits_up::<4>(b, 0x30),
        s.bits_up::<2>(b, 0x30),
        s.bits::<0>(b, 0x30),
        s.bits::<2>(b, 0x30),
    ]
}

/// Two planes of four pairs of bits each: quads 0 to 3, then 4 to 7.
#[inline(always)]
fn pairs<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
    let (a, b) = (plane(s, quants, 0), plane(s, quants, 1));
    [
        s.bits::<0>(a, 3),
        s.bits::<2>(a, 3),
        s.bits::<4>(a, 3),
        s.bits::<6>(a, 3),
        s.bits::<0>(b, 3),
        s.bits::<2>(b, 3),
        s.bits::<4>(b, 3),
        s.bits::<6>(b, 3),
    ]
}

/// One plane of eight bits: bit j, moved to bit 4, belongs to quad j.
#[inline(always)]
fn fifth_bits<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
    let v = plane(s, quants, 0);
    [
        s.bits_up::<4>(v, 16),
        s.bits_up::<3>(v, 16),
        s.bits_up::<2>(v, 16),
        s.bits_up::<1>(v, 16),
        s.bits::<0>(v, 16),
        s.bits::<1>(v, 16),
        s.bits::<2>(v, 16),
        s.bits::<3>(v, 16),
    ]
}

/// One plane of eight bits: bit j, moved to bit 2, belongs to quad j.
#[inline(always)]
fn third_bits<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
    let v = plane(s, quants, 0);
    [
        s.bits_up::<2>(v, 4),
        s.bits_up::<1>(v, 4),
        s.bits::<0>(v, 4),
        s.bits::<1>(v, 4),
        s.bits::<2>(v, 4),
        s.bits::<3>(v, 4),
        s.bits::<4>(v, 4),
        s.bits::<5>(v, 4),
    ]
}

#[inline(always)]
fn join<S: Simd>(s: S, a: [S::B; 8], b: [S::B; 8]) -> [S::B; 8] {
    let mut out = a;
    for i in 0..8 {
        out[i] = s.or(a[i], b[i]);
    }
    out
}

/// One scale of half precision a row.
#[inline(always)]
fn simple_scale<S: Simd>(s: S, header: &[u8]) -> [(S::F, S::F); 2] {
    [(halfs(s, header, 0), s.splat(0.0)); 2]
}

/// A scale and a minimum of half precision a row.
#[inline(always)]
fn scale_and_minimum<S: Simd>(s: S, header: &[u8]) -> [(S::F, S::F); 2] {
    [(halfs(s, header, 0), halfs(s, header, 32)); 2]
}

/// Scale and minimum of half precision for the superblock; six-bit factors for each block.
#[inline(always)]
fn k_scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
    let factors = 64 + 32 * block;
    let d = s.mul(halfs(s, header, 0), unsigned(s, header, factors));
    let m = s.mul(halfs(s, header, 32), unsigned(s, header, factors + LANES));
    [(d, s.sub(s.splat(0.0), m)); 2]
}

/// Scale of half precision for the superblock; signed factors for each half block.
#[inline(always)]
fn half_block_scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
    let d = halfs(s, header, 0);
    let low = signed(s, header, 32 + LANES * 2 * block);
    let high = signed(s, header, 32 + LANES * (2 * block + 1));
    [(s.mul(d, low), s.splat(0.0)), (s.mul(d, high), s.splat(0.0))]
}

pub(crate) struct Q4_0;
impl Layout for Q4_0 {
    const HEADER: usize = 32;
    const QUANTS: usize = 256;
    const MOST: u32 = 15;
    const OFFSET: i32 = 8;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        nibbles(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        simple_scale(s, header)
    }
}

pub(crate) struct Q4_1;
impl Layout for Q4_1 {
    const HEADER: usize = 64;
    const QUANTS: usize = 256;
    const MOST: u32 = 15;
    const MINIMUMS: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        nibbles(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        scale_and_minimum(s, header)
    }
}

/// Nibbles, then the plane of fifth bits.
#[inline(always)]
fn five_bits<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
    join(s, nibbles(s, quants), fifth_bits(s, &quants[256..]))
}

pub(crate) struct Q5_0;
impl Layout for Q5_0 {
    const HEADER: usize = 32;
    const QUANTS: usize = 320;
    const MOST: u32 = 31;
    const OFFSET: i32 = 16;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        five_bits(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        simple_scale(s, header)
    }
}

pub(crate) struct Q5_1;
impl Layout for Q5_1 {
    const HEADER: usize = 64;
    const QUANTS: usize = 320;
    const MOST: u32 = 31;
    const MINIMUMS: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        five_bits(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        scale_and_minimum(s, header)
    }
}

pub(crate) struct Q8_0;
impl Layout for Q8_0 {
    const HEADER: usize = 32;
    const QUANTS: usize = 512;
    const MOST: u32 = 255;
    const OFFSET: i32 = 128;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        let mut quads = [plane(s, quants, 0); 8];
        for (i, quad) in quads.iter_mut().enumerate() {
            *quad = plane(s, quants, i);
        }
        quads
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        simple_scale(s, header)
    }
}

pub(crate) struct Q2K;
impl Layout for Q2K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 64 + 256;
    const QUANTS: usize = 128;
    const MOST: u32 = 3;
    const MINIMUMS: bool = true;
    const HALVES: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        pairs(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
        [q2_scales(s, header, 2 * block), q2_scales(s, header, 2 * block + 1)]
    }
}

/// Scale and minimum of half block `i` of a superblock: four-bit factors of half-precision numbers.
#[inline(always)]
fn q2_scales<S: Simd>(s: S, header: &[u8], i: usize) -> (S::F, S::F) {
    let factors: &[u8; LANES] = array(header, 64 + LANES * i);
    let scale = s.mul(halfs(s, header, 0), s.load_u8(&factors.map(|f| f & 15)));
    let minimum = s.mul(halfs(s, header, 32), s.load_u8(&factors.map(|f| f >> 4)));
    (scale, s.sub(s.splat(0.0), minimum))
}

pub(crate) struct Q3K;
impl Layout for Q3K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 32 + 256;
    const QUANTS: usize = 128 + 64;
    const MOST: u32 = 7;
    const OFFSET: i32 = 4;
    const HALVES: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        join(s, pairs(s, quants), third_bits(s, &quants[128..]))
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
        half_block_scales(s, header, block)
    }
}

pub(crate) struct Q4K;
impl Layout for Q4K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 64 + 256;
    const QUANTS: usize = 256;
    const MOST: u32 = 15;
    const MINIMUMS: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        nibbles(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
        k_scales(s, header, block)
    }
}

pub(crate) struct Q5K;
impl Layout for Q5K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 64 + 256;
    const QUANTS: usize = 320;
    const MOST: u32 = 31;
    const MINIMUMS: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        five_bits(s, quants)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
        k_scales(s, header, block)
    }
}

pub(crate) struct Q6K;
impl Layout for Q6K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 32 + 256;
    const QUANTS: usize = 256 + 128;
    const MOST: u32 = 63;
    const OFFSET: i32 = 32;
    const HALVES: bool = true;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        join(s, nibbles(s, quants), pairs_high(s, &quants[256..]))
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
        half_block_scales(s, header, block)
    }
}

/// The sixteen values of `IQ4_NL` and `IQ4_XS`, plus 128. Source: ggml's `kvalues_iq4nl`.
const IQ4_VALUES: [u8; 16] =
    [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

/// Nibbles that name values of a table.
#[inline(always)]
fn looked_up<S: Simd>(s: S, quants: &[u8], table: &[u8; 16]) -> [S::B; 8] {
    let mut quads = nibbles(s, quants);
    for quad in &mut quads {
        *quad = s.lookup(*quad, table);
    }
    quads
}

pub(crate) struct Iq4Nl;
impl Layout for Iq4Nl {
    const HEADER: usize = 32;
    const QUANTS: usize = 256;
    const MOST: u32 = 241;
    const OFFSET: i32 = 128;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        looked_up(s, quants, &IQ4_VALUES)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        simple_scale(s, header)
    }
}

pub(crate) struct Iq4Xs;
impl Layout for Iq4Xs {
    const BLOCKS: usize = 8;
    const HEADER: usize = 32 + 128;
    const QUANTS: usize = 256;
    const MOST: u32 = 241;
    const OFFSET: i32 = 128;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        looked_up(s, quants, &IQ4_VALUES)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], block: usize) -> [(S::F, S::F); 2] {
        let factors = signed(s, header, 32 + LANES * block);
        [(s.mul(halfs(s, header, 0), factors), s.splat(0.0)); 2]
    }
}

/// The sixteen values of a four-bit float, E2M1, doubled, plus 16.
/// Source: Open Compute Project, "Microscaling Formats (MX) Specification" 1.0, 5.3.3.
const MXFP4_VALUES: [u8; 16] = [16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4];

pub(crate) struct Mxfp4;
impl Layout for Mxfp4 {
    const HEADER: usize = 16;
    const QUANTS: usize = 256;
    const MOST: u32 = 28;
    const OFFSET: i32 = 16;
    #[inline(always)]
    fn quants<S: Simd>(s: S, quants: &[u8]) -> [S::B; 8] {
        looked_up(s, quants, &MXFP4_VALUES)
    }
    #[inline(always)]
    fn scales<S: Simd>(s: S, header: &[u8], _: usize) -> [(S::F, S::F); 2] {
        let exponents: &[u8; LANES] = array(header, 0);
        // Half of 2^(e - 127), since the values of the table are doubled; the two smallest are
        // not normal numbers.
        let scales = exponents.map(|e| {
            let e = u32::from(e);
            f32::from_bits(if e < 2 { 0x0020_0000 << e } else { (e - 1) << 23 })
        });
        [(s.load(&scales), s.splat(0.0)); 2]
    }
}
