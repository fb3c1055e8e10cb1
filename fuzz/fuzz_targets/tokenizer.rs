#![no_main]
//! See `tokenizer` in crates/model/tests/hostile/entry.rs.

#[allow(dead_code, reason = "one target uses one of its functions")]
#[path = "../../crates/model/tests/hostile/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entry::tokenizer(bytes);
});
