//! The two ways in, the edges of the years, and what other parsers would let pass.

use proptest::prelude::*;

use super::{MAX_MILLISECONDS, from_milliseconds, from_rfc3339};
use crate::vectors;

/// JavaScript and Python are held against the same.
#[test]
fn timestamps_are_what_the_vectors_say() {
    for vector in vectors::of("milliseconds") {
        let milliseconds = vector["milliseconds"].as_i64().unwrap();
        let written = from_milliseconds(milliseconds);
        assert_eq!(written.as_deref(), vector["utc"].as_str(), "{vector}");
    }
    for vector in vectors::of("instants") {
        let written = from_rfc3339(vector["text"].as_str().unwrap());
        assert_eq!(written.as_deref(), vector["utc"].as_str(), "{vector}");
    }
    for outside in [i64::MIN, i64::MAX] {
        assert_eq!(from_milliseconds(outside), None, "{outside}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_itself(milliseconds in 0..=MAX_MILLISECONDS) {
        let written = from_milliseconds(milliseconds).unwrap();
        prop_assert_eq!(written.len(), 24);
        prop_assert_eq!(from_rfc3339(&written), Some(written));
    }

    #[test]
    fn later_is_written_as_later(
        earlier in 0..MAX_MILLISECONDS, more in 1..100_000_000_000_i64,
    ) {
        let later = (earlier + more).min(MAX_MILLISECONDS);
        prop_assert!(from_milliseconds(earlier) < from_milliseconds(later));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}|[-+0-9TZ:.]{0,40}") {
        if let Some(written) = from_rfc3339(&text) {
            prop_assert_eq!(written.len(), 24);
        }
    }
}
