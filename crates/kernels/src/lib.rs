//! Arithmetic on slices for each processor, and the thread pool.
