//! A JSON document that shows whether it is whole: version and SHA-256 of the content stand
//! before the content.
//!
//! It is read by the letter as it was written, so that no detail of JSON (the order of
//! fields, the digits of a number) can make a good file look damaged, or the other way.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const VERSION: &str = "1";
const BEFORE_VERSION: &str = "{\"version\":";
const BEFORE_DIGEST: &str = ",\"sha256\":\"";
const BEFORE_CONTENT: &str = "\",\"content\":";
const END: &str = "}\n";

/// Why a document cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnsealError {
    /// The file is cut off, or has other bytes than were written.
    Damaged,
    /// The file is whole, and of another form than this Tidegate writes.
    OtherVersion,
}

pub(super) fn seal<T: Serialize>(content: &T) -> serde_json::Result<Vec<u8>> {
    let content = serde_json::to_string_pretty(content)?;
    let digest = digest(content.as_bytes());
    let parts = [
        BEFORE_VERSION,
        VERSION,
        BEFORE_DIGEST,
        &digest,
        BEFORE_CONTENT,
        &content,
        END,
    ];
    Ok(parts.concat().into_bytes())
}

pub(super) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UnsealError> {
    let text = std::str::from_utf8(bytes).map_err(|_| UnsealError::Damaged)?;
    let whole = || {
        let text = text.strip_prefix(BEFORE_VERSION)?.strip_suffix(END)?;
        let text = text.strip_prefix(VERSION)?.strip_prefix(BEFORE_DIGEST)?;
        let (said, content) = text.split_once(BEFORE_CONTENT)?;
        (said == digest(content.as_bytes())).then_some(content)
    };
    match whole() {
        Some(content) => serde_json::from_str(content).map_err(|_| UnsealError::OtherVersion),
        None if is_of_another_version(text) => Err(UnsealError::OtherVersion),
        None => Err(UnsealError::Damaged),
    }
}

/// Of a later form nothing is known but that it is JSON and has its version in it.
fn is_of_another_version(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u64,
    }
    serde_json::from_str(text).is_ok_and(|record: Versioned| record.version.to_string() != VERSION)
}

/// SHA-256 in hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_sealed_is_json_and_reads_back() {
        let content = json!({"b": [1.1e-7, null], "a": "\",\"content\":"});
        let bytes = seal(&content).unwrap();
        assert_eq!(unseal::<Value>(&bytes), Ok(content.clone()));
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&read["version"], &read["content"]), (&json!(1), &content));
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_seen() {
        let bytes = seal(&json!({"a": 12})).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(unseal::<Value>(&bytes[..length]), Err(UnsealError::Damaged));
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(unseal::<Value>(&changed).is_err(), "byte {place}");
        }
        let doubled = [bytes.clone(), bytes].concat();
        assert_eq!(unseal::<Value>(&doubled), Err(UnsealError::Damaged));
        assert_eq!(unseal::<Value>(&[0; 64]), Err(UnsealError::Damaged));
    }

    #[test]
    fn another_version_is_not_taken_for_damage() {
        for text in ["{\"version\":2,\"x\":[]}", "{\"z\":1,\"version\":10}"] {
            assert_eq!(
                unseal::<Value>(text.as_bytes()),
                Err(UnsealError::OtherVersion)
            );
        }
        // Whole, but not what is looked for: a field that this version does not know.
        let sealed_text = seal(&json!("a text")).unwrap();
        assert_eq!(unseal::<u64>(&sealed_text), Err(UnsealError::OtherVersion));
        let cut = "{\"version\":2,\"x\":[";
        assert_eq!(unseal::<Value>(cut.as_bytes()), Err(UnsealError::Damaged));
    }
}
