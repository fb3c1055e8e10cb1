//! Fetches models and keeps them: catalogue, mirrors, checksums, cache folder, memory maps.
