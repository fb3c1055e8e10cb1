//! Arithmetic on slices for each processor, and the thread pool.

pub mod format;
