//! Memory for packed weights and caches: zeroed, aligned to a cache line, in large pages where the
//! operating system offers them.

#[cfg(unix)]
use memmap2::MmapMut;

/// Zeroed bytes, aligned to 64. Memory is taken from the operating system when first written.
pub struct Buffer {
    #[cfg(unix)]
    map: Option<MmapMut>,
    #[cfg(not(unix))]
    lines: Vec<Line>,
}

#[cfg(not(unix))]
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Buffer {
    /// `n` zeroed bytes.
    ///
    /// # Panics
    /// If the operating system refuses the address space.
    #[cfg(unix)]
    #[expect(clippy::expect_used, reason = "like a Vec, it panics when memory cannot be had")]
    pub fn zeroed(n: usize) -> Self {
        if n == 0 {
            return Self { map: None };
        }
        let map = MmapMut::map_anon(n).expect("out of address space");
        // Walking page tables costs a tenth of a decode step on small pages. Where large ones
        // are not to be had, small ones do.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Self { map: Some(map) }
    }

    /// `n` zeroed bytes.
    #[cfg(not(unix))]
    pub fn zeroed(n: usize) -> Self {
        Self { lines: vec![Line([0; 64]); n.div_ceil(64)] }
    }

    /// The bytes.
    #[cfg(unix)]
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// The bytes.
    #[cfg(unix)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or_default()
    }

    /// The bytes.
    #[cfg(not(unix))]
    #[expect(unsafe_code, reason = "lines are bytes")]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: a `Line` is 64 bytes without padding.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * 64) }
    }

    /// The bytes.
    #[cfg(not(unix))]
    #[expect(unsafe_code, reason = "lines are bytes")]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let n = self.lines.len() * 64;
        // SAFETY: a `Line` is 64 bytes without padding.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), n) }
    }
}
