//! What the SDKs of all languages agree on, from `vectors.json`.

use serde_json::Value;

/// The vectors about one thing, none of which may be lost.
pub(crate) fn of(about: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../vectors.json")).unwrap();
    let vectors = all[about].as_array().unwrap();
    assert!(!vectors.is_empty(), "{about}");
    vectors.clone()
}
