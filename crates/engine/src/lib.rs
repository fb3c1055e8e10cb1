//! Sequences in flight: batching, prefix cache, sampling, constraints.
