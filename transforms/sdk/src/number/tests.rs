//! Exactness, the grammar, and exponents that would need more memory than there is.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::{MAX_PLAIN, Number, is_plain};
use crate::vectors;

fn plain(text: &str) -> Option<String> {
    Number::parse(text)?.plain()
}

/// JavaScript and Python are held against the same.
#[test]
fn decimals_are_what_the_vectors_say() {
    for vector in vectors::of("decimals") {
        let text = vector["text"].as_str().unwrap();
        assert_eq!(plain(text).as_deref(), vector["plain"].as_str(), "{vector}");
    }
}

#[test]
fn what_is_plain_is_known_by_its_looks() {
    let longest = "1".repeat(MAX_PLAIN);
    for text in ["0", "7", "-7", "10", "0.5", "-0.5", "42350.25", &longest] {
        assert!(is_plain(text), "{text}");
        assert_eq!(plain(text).as_deref(), Some(text));
    }
    let too_long = "1".repeat(MAX_PLAIN + 1);
    for text in [
        "", "-", "-0", "0.0", "-0.0", "1.0", "1.50", "00", "01", "-01", "1.", ".5", "1e3", "1E3",
        "+1", " 1", "1 ", "--1", "1.2.3", "1-2", "١", "NaN", &too_long,
    ] {
        assert!(!is_plain(text), "{text}");
    }
}

#[test]
fn what_would_be_too_long_is_refused_before_it_is_written() {
    for text in [
        "1e999999999",
        "-1e999999999",
        "1e-999999999",
        "1e9223372036854775807",
        "1e-9223372036854775808",
        "1e99999999999999999999999999",
        "123e-99999999999999999999",
    ] {
        assert!(Number::parse(text).is_some(), "{text}");
        assert_eq!(plain(text), None, "{text}");
    }
}

#[test]
fn magnitudes_compare_exactly() {
    for (text, bound, expected) in [
        ("150", 150, true),
        ("-150", 150, true),
        ("149.99999999999999999999", 150, false),
        ("150.00000000000000000001", 150, true),
        ("15", 150, false),
        ("1500", 150, true),
        ("2", 150, false),
        ("0", 30, false),
        ("0", 0, true),
        ("1e400", 150, true),
        ("1e-400", 30, false),
        ("9", 30, false),
        ("100", 100, true),
        ("99.9", 100, false),
    ] {
        let number = Number::parse(text).unwrap();
        assert_eq!(
            number.magnitude_is_at_least(bound),
            expected,
            "{text} {bound}"
        );
    }
}

/// A number, with the same number written in another way.
fn two_spellings() -> impl Strategy<Value = (String, String)> {
    (any::<i64>(), 0..30_i32, 0..5_usize).prop_map(|(value, scale, zeros)| {
        let sign = if value < 0 { "-" } else { "" };
        let digits = value.unsigned_abs();
        let whole = digits / 1_000_000;
        let fraction = digits % 1_000_000;
        let exponent = 6 - scale;
        (
            format!("{sign}{digits}e-{scale}"),
            format!("{sign}{whole}.{fraction:06}{:0<zeros$}E{exponent:+}", ""),
        )
    })
}

proptest! {
    #[test]
    fn spellings_of_one_number_are_written_alike((one, other) in two_spellings()) {
        prop_assert_eq!(Number::parse(&one), Number::parse(&other));
        prop_assert_eq!(plain(&one), plain(&other));
    }

    #[test]
    fn what_is_written_is_canonical_and_reads_back((text, _) in two_spellings()) {
        let number = Number::parse(&text).unwrap();
        if let Some(written) = number.plain() {
            prop_assert!(written.len() <= MAX_PLAIN);
            prop_assert!(!written.contains(['e', 'E', '+']));
            prop_assert!(!written.starts_with("-0") || written.starts_with("-0."));
            if written.contains('.') {
                prop_assert!(!written.ends_with('0') && !written.ends_with('.'));
            }
            let again = Number::parse(&written).unwrap();
            prop_assert_eq!(again.plain(), Some(written));
            prop_assert_eq!(again, number);
        }
    }

    /// Both ways: what looks plain is what would be written, and what is written looks so.
    #[test]
    fn plain_is_what_is_written(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][-+]?[0-9])?|[-0-9.e]{0,8}") {
        let written = plain(&text);
        prop_assert_eq!(is_plain(&text), written.as_ref() == Some(&text), "{}", text);
        if let Some(written) = written {
            prop_assert!(is_plain(&written), "{}", written);
        }
    }

    #[test]
    fn integers_compare_as_integers(value in any::<i32>(), bound in any::<u32>()) {
        let number = Number::parse(&value.to_string()).unwrap();
        let expected = value.unsigned_abs().cmp(&bound) != Ordering::Less;
        prop_assert_eq!(number.magnitude_is_at_least(bound), expected);
        prop_assert_eq!(number.is_negative(), value < 0);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+0-9.eE ]{0,40}|.{0,20}") {
        if let Some(number) = Number::parse(&text) {
            let _ = number.plain();
            let _ = number.magnitude_is_at_least(80);
        }
    }

    #[test]
    fn what_floats_read_as_is_what_is_written(value in any::<f64>()) {
        let text = format!("{value:e}");
        if let Some(written) = value.is_finite().then(|| plain(&text)).flatten() {
            prop_assert_eq!(written.parse::<f64>().unwrap(), value);
        }
    }
}
