//! Keys and values of earlier tokens, in pages.
//!
//! A page holds sixteen positions. Keys lie dimension after dimension with the
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

/// How many pages of a layer lie side by side before those of the next layer: enough that attention
/// reads long runs, few enough that a cache takes memory for no more than 128 positions in advance.
const CHUNK: usize = 8;

/// The keys and values of all layers: `n_pages` pages in each.
///
/// They are one stretch of memory, `[chunks of 8 pages, layers, 8 pages, 2, n_kv_heads]`, so that
/// memory in large pages is taken for positions that are used and not for each layer's own first
/// positions.
pub struct Cache {
    pub(crate) format: CacheFormat,
    n_layers: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) head_dim: usize,
    /// `head_dim` rounded up to whole vectors; the rest stays zero.
    pub(crate) padded_dim: usize,
    n_pages: usize,
    buffer: Buffer,
}

/// The keys and values of one layer of a [`Cache`].
#[derive(Clone, Copy)]
pub struct LayerCache<'c> {
    pub(crate) cache: &'c Cache,
    layer: usize,
}

impl Cache {
    /// A cache of zeros. Memory is taken when pages are first written.
    ///
    /// # Panics
    /// If its size in bytes is beyond the address space.
    pub fn new(
        format: CacheFormat,
        n_layers: usize,
        n_pages: usize,
        n_kv_heads: usize,
        head_dim: usize,
    ) -> Self {
        let padded_dim = head_dim.next_multiple_of(SCALED);
        let mut cache = Self {
            format,
            n_layers,
            n_kv_heads,
            head_dim,
            padded_dim,
            n_pages,
            buffer: Buffer::zeroed(0),
        };
        cache.buffer = Buffer::zeroed(n_pages.next_multiple_of(CHUNK) * cache.page_bytes());
        cache
    }

    /// How many bytes a page takes, keys and values of all layers together.
    pub fn page_bytes(&self) -> usize {
        self.n_layers * self.layer_page_bytes()
    }

    /// How many pages there are.
    pub fn n_pages(&self) -> usize {
        self.n_pages
    }

    /// How many layers there are.
    pub fn n_layers(&self) -> usize {
        self.n_layers
    }

    /// The part of layer `layer`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer(&self, layer: usize) -> LayerCache<'_> {
        assert!(layer < self.n_layers, "layer {layer} of {}", self.n_layers);
        LayerCache { cache: self, layer }
    }

    /// How many bytes a page takes in one layer.
    fn layer_page_bytes(&self) -> usize {
        2 * self.n_kv_heads * head_bytes(self.format, self.padded_dim)
    }

    /// Where the keys of a page of a layer begin; its values follow them.
    #[inline(always)]
    fn place(&self, layer: usize, page: usize) -> usize {
        let page = (page / CHUNK * self.n_layers + layer) * CHUNK + page % CHUNK;
        page * self.layer_page_bytes()
    }

    /// Writes the key and value of one token in layer `layer`, `[n_kv_heads, head_dim]` each, to
    /// slot `slot` of page `page`.
    ///
    /// # Panics
    /// If a length or number is out of range.
    pub fn write(
        &mut self,
        isa: Isa,
        layer: usize,
        page: u32,
        slot: usize,
        key: &[f32],
        value: &[f32],
    ) {
        assert!((page as usize) < self.n_pages && slot < PAGE, "page {page} slot {slot}");
        assert!(layer < self.n_layers, "layer {layer} of {}", self.n_layers);
        assert_eq!(key.len(), self.n_kv_heads * self.head_dim, "length of the key");
        assert_eq!(value.len(), key.len(), "length of the value");
        let (format, padded_dim) = (self.format, self.padded_dim);
        let n = head_bytes(format, padded_dim);
        let (place, n_bytes) = (self.place(layer, page as usize), self.layer_page_bytes());
        let page = &mut self.buffer.bytes_mut()[place..][..n_bytes];
        let (keys, values) = page.split_at_mut(n_bytes / 2);
        let heads = key.chunks_exact(self.head_dim).zip(value.chunks_exact(self.head_dim));
        let of_heads = keys.chunks_exact_mut(n).zip(values.chunks_exact_mut(n));
        for ((key, value), (keys, values)) in heads.zip(of_heads) {
            match format {
                CacheFormat::F32 => {
                    put_floats(keys, key, slot, PAGE);
                    put_floats(values, value, slot * padded_dim, 1);
                }
                CacheFormat::F16 => {
                    let values = &mut values[2 * slot * padded_dim..];
                    put_halfs(isa, keys, key, slot, values, value);
                }
                CacheFormat::Q8_0 => {
                    let (keys, scales) = keys.split_at_mut(padded_dim * PAGE);
                    put_rounded(keys, key, slot, PAGE, scales, slot, PAGE);
                    let (values, scales) = values.split_at_mut(padded_dim * PAGE);
                    let first = slot * padded_dim;
                    put_rounded(values, value, first, 1, scales, first / SCALED, 1);
                }
            }
        }
    }

    /// Copies page `from` to page `to` in every layer.
    ///
    /// # Panics
    /// If a page is out of range.
    pub fn copy_page(&mut self, from: u32, to: u32) {
        let (from, to) = (from as usize, to as usize);
        assert!(from.max(to) < self.n_pages, "pages {from} and {to} of {}", self.n_pages);
        let n = self.layer_page_bytes();
        for layer in 0..self.n_layers {
            let (from, to) = (self.place(layer, from), self.place(layer, to));
            self.buffer.bytes_mut().copy_within(from..from + n, to);
        }
    }
}

impl LayerCache<'_> {
    /// Keys, or values, of one head in a page.
    #[inline(always)]
    fn head(&self, page: u32, head: usize) -> &[u8] {
        let n = head_bytes(self.cache.format, self.cache.padded_dim);
        let place = self.cache.place(self.layer, page as usize) + head * n;
        &self.cache.buffer.bytes()[place..][..n]
    }

    /// The keys of one head in a page: in floating point `[padded_dim, 16]`; in `Q8_0`,
    /// `[padded_dim, 16]` int8, then `[padded_dim / 32, 16]` f32 scales.
    #[inline(always)]
    pub(crate) fn keys(&self, page: u32, head: usize) -> &[u8] {
        self.head(page, head)
    }

    /// The values of one head in a page: in floating point `[16, padded_dim]`; in `Q8_0`,
    /// `[16, padded_dim]` int8, then `[16, padded_dim / 32]` f32 scales.
    #[inline(always)]
    pub(crate) fn values(&self, page: u32, head: usize) -> &[u8] {
        self.head(page, self.cache.n_kv_heads + head)
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
