//! Keys and values of earlier tokens, in pages.
//!
//! A page holds sixteen positions of one layer. Keys lie dimension after dimension with the
//! sixteen positions side by side, so that attention scores sixteen positions at once; values lie
//! position after position. A sequence names its pages in order; sequences that begin alike share
//! pages.

use crate::arch::{LANES, Simd, entry};
use crate::buffer::Buffer;
use crate::isa::Isa;

/// How many positions a page holds.
pub const PAGE: usize = LANES;

/// How cached numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheFormat {
    /// Single precision: exact, for encoders and tests.
    F32,
    /// IEEE half precision.
    F16,
    /// Blocks of 32 numbers of one token as int8 with a scale.
    Q8_0,
}

/// How many numbers share a scale in `Q8_0`.
pub(crate) const SCALED: usize = 32;

/// The keys and values of one layer: `n_pages` pages.
pub struct LayerCache {
    pub(crate) format: CacheFormat,
    pub(crate) n_kv_heads: usize,
    pub(crate) head_dim: usize,
    /// `head_dim` rounded up to whole vectors; the rest stays zero.
    pub(crate) padded_dim: usize,
    n_pages: usize,
    keys: Buffer,
    values: Buffer,
}

impl LayerCache {
    /// A cache of zeros. Memory is taken when pages are first written.
    pub fn new(format: CacheFormat, n_pages: usize, n_kv_heads: usize, head_dim: usize) -> Self {
        let padded_dim = head_dim.next_multiple_of(SCALED);
        let bytes = n_pages * n_kv_heads * head_bytes(format, padded_dim);
        Self {
            format,
            n_kv_heads,
            head_dim,
            padded_dim,
            n_pages,
            keys: Buffer::zeroed(bytes),
            values: Buffer::zeroed(bytes),
        }
    }

    /// How many bytes a page takes, keys and values together.
    pub fn page_bytes(&self) -> usize {
        2 * self.n_kv_heads * head_bytes(self.format, self.padded_dim)
    }

    /// How many pages there are.
    pub fn n_pages(&self) -> usize {
        self.n_pages
    }

    /// The keys of one head in a page: in floating point `[padded_dim, 16]`; in `Q8_0`,
    /// `[padded_dim, 16]` int8, then `[padded_dim / 32, 16]` f32 scales.
    #[inline(always)]
    pub(crate) fn keys(&self, page: u32, head: usize) -> &[u8] {
        let n = head_bytes(self.format, self.padded_dim);
        &self.keys.bytes()[(page as usize * self.n_kv_heads + head) * n..][..n]
    }

    /// The values of one head in a page: in floating point `[16, padded_dim]`; in `Q8_0`,
    /// `[16, padded_dim]` int8, then `[16, padded_dim / 32]` f32 scales.
    #[inline(always)]
    pub(crate) fn values(&self, page: u32, head: usize) -> &[u8] {
        let n = head_bytes(self.format, self.padded_dim);
        &self.values.bytes()[(page as usize * self.n_kv_heads + head) * n..][..n]
    }

    /// Writes the key and value of one token, `[n_kv_heads, head_dim]` each, to slot `slot` of
    /// page `page`.
    ///
    /// # Panics
    /// If a length or number is out of range.
    pub fn write(&mut self, isa: Isa, page: u32, slot: usize, key: &[f32], value: &[f32]) {
        assert!((page as usize) < self.n_pages && slot < PAGE, "page {page} slot {slot}");
        assert_eq!(key.len(), self.n_kv_heads * self.head_dim, "length of the key");
        assert_eq!(value.len(), key.len(), "length of the value");
        let n = head_bytes(self.format, self.padded_dim);
        let first = page as usize * self.n_kv_heads;
        let keys = self.keys.bytes_mut()[first * n..].chunks_exact_mut(n);
        let values = self.values.bytes_mut()[first * n..].chunks_exact_mut(n);
        let heads = key.chunks_exact(self.head_dim).zip(value.chunks_exact(self.head_dim));
        for ((key, value), (keys, values)) in heads.zip(keys.zip(values)) {
            match self.format {
                CacheFormat::F32 => {
                    put_floats(keys, key, slot, PAGE);
                    put_floats(values, value, slot * self.padded_dim, 1);
                }
                CacheFormat::F16 => {
                    let values = &mut values[2 * slot * self.padded_dim..];
                    put_halfs(isa, keys, key, slot, values, value);
                }
                CacheFormat::Q8_0 => {
                    let (keys, scales) = keys.split_at_mut(self.padded_dim * PAGE);
                    put_rounded(keys, key, slot, PAGE, scales, slot, PAGE);
                    let (values, scales) = values.split_at_mut(self.padded_dim * PAGE);
                    let first = slot * self.padded_dim;
                    put_rounded(values, value, first, 1, scales, first / SCALED, 1);
                }
            }
        }
    }

    /// Copies the first `n` positions, at least, of page `from` to page `to`.
    ///
    /// # Panics
    /// If a page is out of range.
    pub fn copy_page(&mut self, from: u32, to: u32) {
        let n = self.n_kv_heads * head_bytes(self.format, self.padded_dim);
        let (from, to) = (from as usize * n, to as usize * n);
        self.keys.bytes_mut().copy_within(from..from + n, to);
        self.values.bytes_mut().copy_within(from..from + n, to);
    }
}

/// How many bytes the keys of one head take in a page.
fn head_bytes(format: CacheFormat, padded_dim: usize) -> usize {
    match format {
        CacheFormat::F32 => padded_dim * PAGE * 4,
        CacheFormat::F16 => padded_dim * PAGE * 2,
        CacheFormat::Q8_0 => padded_dim * PAGE + padded_dim / SCALED * PAGE * 4,
    }
}

entry! {
    fn put_halfs(isa; keys: &mut [u8], key: &[f32], slot: usize, values: &mut [u8], value: &[f32])
        = put_halfs_on;
}

/// Writes a key, one half to each dimension's sixteen positions, and a value, side by side.
#[inline(always)]
fn put_halfs_on<S: Simd>(
    s: S,
    keys: &mut [u8],
    key: &[f32],
    slot: usize,
    values: &mut [u8],
    value: &[f32],
) {
    let (keys, _) = keys.as_chunks_mut::<{ 2 * PAGE }>();
    for (keys, key) in keys.chunks_mut(LANES).zip(key.chunks(LANES)) {
        let halfs = to_halfs(s, key);
        for (keys, half) in keys.iter_mut().zip(halfs).take(key.len()) {
            [keys[2 * slot], keys[2 * slot + 1]] = half.to_le_bytes();
        }
    }
    let (values, _) = values.as_chunks_mut::<2>();
    for (values, value) in values.chunks_mut(LANES).zip(value.chunks(LANES)) {
        let halfs = to_halfs(s, value);
        for (to, half) in values.iter_mut().zip(halfs).take(value.len()) {
            *to = half.to_le_bytes();
        }
    }
}

/// Up to sixteen numbers as halfs.
#[inline(always)]
fn to_halfs<S: Simd>(s: S, numbers: &[f32]) -> [u16; LANES] {
    let mut all = [0.0; LANES];
    all[..numbers.len()].copy_from_slice(numbers);
    let mut halfs = [0; LANES];
    s.store_f16(s.load(&all), &mut halfs);
    halfs
}

/// Writes numbers as they are at `first`, `first + step`, ….
fn put_floats(to: &mut [u8], from: &[f32], first: usize, step: usize) {
    let (to, _) = to.as_chunks_mut::<4>();
    for (to, &x) in to[first..].iter_mut().step_by(step).zip(from) {
        *to = x.to_le_bytes();
    }
}

/// Writes int8 at `first`, `first + step`, … and a scale for every 32 of them.
fn put_rounded(
    to: &mut [u8],
    from: &[f32],
    first: usize,
    step: usize,
    scales: &mut [u8],
    first_scale: usize,
    scale_step: usize,
) {
    let (scales, _) = scales.as_chunks_mut::<4>();
    for (block, from) in from.chunks(SCALED).enumerate() {
        let largest = from.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        scales[first_scale + block * scale_step] = (largest / 127.0).to_le_bytes();
        for (i, x) in from.iter().enumerate() {
            to[first + (block * SCALED + i) * step] = (x * inverse).round_ties_even() as i8 as u8;
        }
    }
}
