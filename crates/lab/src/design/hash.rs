//! The fingerprint of a design, taken before the first sample.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A design that cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("the design cannot be written as JSON: {0}")]
pub struct Unhashable(#[from] serde_json::Error);

/// The SHA-256, in hexadecimal, of `design` as canonical JSON: no spaces, keys in order.
///
/// Printed before the first sample and in the report, it shows that the question was not changed
/// after the answers were seen.
pub fn hash(design: &impl Serialize) -> Result<String, Unhashable> {
    let mut text = String::new();
    write_canonical(&serde_json::to_value(design)?, &mut text)?;
    let mut hexadecimal = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        for half in [byte >> 4, byte & 15] {
            hexadecimal.extend(char::from_digit(u32::from(half), 16));
        }
    }
    Ok(hexadecimal)
}

/// Writes `value` with the keys of every object in order of their UTF-8 bytes.
fn write_canonical(value: &Value, text: &mut String) -> Result<(), Unhashable> {
    match value {
        Value::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for (place, key) in keys.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                text.push_str(&serde_json::to_string(key)?);
                text.push(':');
                write_canonical(&entries[key], text)?;
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_canonical(item, text)?;
            }
            text.push(']');
        }
        plain => text.push_str(&serde_json::to_string(plain)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_matter_and_every_value_does() {
        let one = hash(&json!({"b": [1, {"d": 2, "c": 3}], "a": "x"})).unwrap();
        assert_eq!(one, hash(&json!({"a": "x", "b": [1, {"c": 3, "d": 2}]})).unwrap());
        assert_ne!(one, hash(&json!({"a": "x", "b": [1, {"c": 3, "d": 2.5}]})).unwrap());
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_text() {
        // printf '{"a":[1,null],"b":"\\"é"}' | sha256sum
        assert_eq!(
            hash(&json!({"b": "\"é", "a": [1, null]})).unwrap(),
            "3e53cba5c746ec7168f65c9e9cd9193116188025df374944be171443c77be226"
        );
    }
}
