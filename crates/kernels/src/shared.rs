//! A slice that several threads write, each its own part.

use std::marker::PhantomData;

/// A mutable slice that the pieces of one parallel region share.
pub(crate) struct SharedMut<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

#[expect(unsafe_code, reason = "the parts handed out do not overlap")]
// SAFETY: it is a `&mut [T]` whose parts are handed out by an unsafe function that demands that
// they do not overlap.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Shares a slice for the time of its borrow.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// Part `at..at + n`.
    ///
    /// # Safety
    /// While the part is in use, no other part that overlaps it is.
    ///
    /// # Panics
    /// If the part is not within the slice.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller answers for parts that do not overlap")]
    #[expect(clippy::mut_from_ref, reason = "that is its purpose; the function is unsafe")]
    pub(crate) unsafe fn slice(&self, at: usize, n: usize) -> &mut [T] {
        assert!(at <= self.len && n <= self.len - at, "part of a shared slice");
        // SAFETY: within the slice, and not handed out twice by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), n) }
    }
}
