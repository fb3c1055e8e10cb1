#![no_main]
//! Bodies of requests: the first byte says of which API. Whatever a body is, it is read or refused,
//! and a refusal is the client's fault.

use mynah_server::wire::{Kind, check};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    let kind = match kind % 4 {
        0 => Kind::Chat,
        1 => Kind::Completions,
        2 => Kind::Responses,
        _ => Kind::Messages,
    };
    if let Err(error) = check(kind, body) {
        assert_eq!(error.status().as_u16(), 400);
        // The message is one line of bounded length, whatever was sent.
        assert!(error.to_string().len() < 2 * body.len() + 1000);
    }
});
