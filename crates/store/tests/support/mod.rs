//! What the tests of the store share.

#![allow(dead_code, reason = "each test uses some of it")]

use std::time::{Duration, SystemTime};

use mynah_store::{Message, Role, Turn};

/// Noon of 1 March 2026 and so many seconds.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400 + seconds)
}

/// A turn in which everything is said that can be said.
pub(crate) fn turn(command: &str, prompt: &str, answer: &str) -> Turn {
    let options = serde_json::json!({ "temperature": 0.5, "top_k": 40, "seed": 7 });
    Turn {
        command: command.to_owned(),
        model: "smollm2-135m".to_owned(),
        fingerprint: Some("0123abcd".to_owned()),
        messages: vec![Message::new(Role::User, prompt)],
        answer: answer.to_owned(),
        sample: 0,
        seed: Some(7),
        temperature: Some(0.5),
        options: options.as_object().cloned().unwrap_or_default(),
        schema: None,
        input_tokens: Some(12),
        cached_tokens: Some(4),
        output_tokens: Some(34),
        first_token: Some(Duration::from_millis(20)),
        duration: Some(Duration::from_millis(750)),
        finish: "stop".to_owned(),
        at: at(1),
    }
}

/// Makes a database of SQL text.
pub(crate) fn open_file(path: &std::path::Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}
