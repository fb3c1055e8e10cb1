//! The keys and values of all layers.

use mynah_kernels::{Cache, CacheFormat};

use crate::architecture::Architecture;

/// The keys and values of all layers, in pages of sixteen positions. A page has the same number in
/// every layer. Which sequence uses which page is not known here.
pub struct KvCache {
    pub(super) cache: Cache,
    n_kv_heads: usize,
    head_dim: usize,
}

impl KvCache {
    /// A cache of `n_pages` pages. Memory is taken when a page is first written.
    pub fn new(architecture: &Architecture, format: CacheFormat, n_pages: usize) -> Self {
        let Architecture { n_kv_heads, head_dim, .. } = *architecture;
        let n_layers = architecture.layers.len();
        let cache = Cache::new(format, n_layers, n_pages, n_kv_heads, head_dim);
        Self { cache, n_kv_heads, head_dim }
    }

    /// How many pages there are.
    pub fn n_pages(&self) -> usize {
        self.cache.n_pages()
    }

    /// How many bytes a page takes in all layers together.
    pub fn page_bytes(&self) -> usize {
        self.cache.page_bytes()
    }

    /// Copies page `from` to page `to` in every layer: for a sequence that goes its own way in the
    /// middle of a page.
    ///
    /// # Panics
    /// If a page is out of range.
    pub fn copy_page(&mut self, from: u32, to: u32) {
        self.cache.copy_page(from, to);
    }

    /// Whether it was made for a model of this shape.
    pub(super) fn fits(&self, a: &Architecture) -> bool {
        (self.cache.n_layers(), self.n_kv_heads, self.head_dim)
            == (a.layers.len(), a.n_kv_heads, a.head_dim)
    }
}
