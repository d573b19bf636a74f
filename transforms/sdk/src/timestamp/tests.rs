//! The two ways in, the edges of the years, and what other parsers would let pass.

use proptest::prelude::*;

use super::{MAX_MILLISECONDS, from_milliseconds, from_rfc3339};

#[test]
fn milliseconds_are_written_with_three_decimals() {
    for (milliseconds, expected) in [
        (1_708_264_800_000, "2024-02-18T14:00:00.000Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (MAX_MILLISECONDS, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(from_milliseconds(milliseconds).as_deref(), Some(expected));
    }
    for outside in [-1, MAX_MILLISECONDS + 1, i64::MIN, i64::MAX] {
        assert_eq!(from_milliseconds(outside), None, "{outside}");
    }
}

#[test]
fn rfc3339_is_turned_to_utc_and_cut_at_the_millisecond() {
    for (text, expected) in [
        ("2026-02-19T12:00:00.000Z", "2026-02-19T12:00:00.000Z"),
        ("2026-02-19T12:00:00Z", "2026-02-19T12:00:00.000Z"),
        ("2026-02-19t12:00:00z", "2026-02-19T12:00:00.000Z"),
        (
            "2026-02-19T12:00:00.9999999999999Z",
            "2026-02-19T12:00:00.999Z",
        ),
        ("2026-02-19T12:00:00.5+05:30", "2026-02-19T06:30:00.500Z"),
        ("2026-02-19T23:30:00-01:00", "2026-02-20T00:30:00.000Z"),
        ("2026-02-19T12:00:00-00:00", "2026-02-19T12:00:00.000Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(from_rfc3339(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn anything_else_is_refused() {
    for text in [
        "",
        "2026-02-19",
        "2026-02-19T12:00:00",
        "2026-02-19T12:00Z",
        "2026-02-19 12:00:00Z",
        "20260219T120000Z",
        "2026-02-30T12:00:00Z",
        "2026-02-19T24:00:00Z",
        "2026-02-19T12:60:00Z",
        "2026-02-19T12:00:00.Z",
        "2026-02-19T12:00:00+05",
        "2026-02-19T12:00:00+0530",
        "2026-02-19T12:00:00+24:00",
        "2026-02-19T12:00:00\u{2212}01:00",
        " 2026-02-19T12:00:00Z",
        "2026-02-19T12:00:00Z ",
        "2026-02-19T12:00:00Z[UTC]",
        "+2026-02-19T12:00:00Z",
        "2026-W08-4T12:00:00Z",
        "1708264800000",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-00:01",
    ] {
        assert_eq!(from_rfc3339(text), None, "{text}");
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
