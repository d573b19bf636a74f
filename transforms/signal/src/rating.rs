//! What an alert's label and figure say, in the words that the public gets.
//!
//! Neither is ever a reason to reject an alert: upstream invents new labels without notice.

use tidegate_sdk::PublicData;
use tidegate_sdk::number::Number;
use tidegate_sdk::payload::string;

use super::parse_float::parse_float;

/// Where the market is expected to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PublicData)]
pub(crate) enum Direction {
    Bullish,
    Bearish,
}

impl Direction {
    /// Reads `triggerLabel`, given as JSON text.
    pub(crate) fn of(label: Option<&str>) -> Self {
        let Some(label) = label.and_then(string) else {
            return Self::Bearish;
        };
        if label.starts_with("reversal_oversold") {
            return Self::Bullish;
        }
        if label.starts_with("reversal_overbought") {
            return Self::Bearish;
        }
        match label.strip_prefix("level_") {
            Some(level) if parse_float(level) < 0.0 => Self::Bearish,
            Some(_) => Self::Bullish,
            None => Self::Bearish,
        }
    }
}

/// How pronounced the signal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PublicData)]
pub(crate) enum Strength {
    Weak,
    Moderate,
    Strong,
    Extreme,
}

impl Strength {
    /// Reads `triggerValue`, given as JSON text: a number, or a string around one.
    pub(crate) fn of(value: Option<&str>) -> Self {
        let number = value.and_then(|json| match string(json) {
            Some(text) => Number::parse(text.trim()),
            None => Number::parse(json),
        });
        match number {
            None => Self::Moderate,
            Some(number) if number.magnitude_is_at_least(150) => Self::Extreme,
            Some(number) if number.magnitude_is_at_least(80) => Self::Strong,
            Some(number) if number.magnitude_is_at_least(30) => Self::Moderate,
            Some(_) => Self::Weak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(label: &str) -> Direction {
        Direction::of(Some(&format!("\"{label}\"")))
    }

    #[test]
    fn the_beginning_of_the_label_decides_the_direction() {
        assert_eq!(direction("reversal_oversold"), Direction::Bullish);
        assert_eq!(direction("reversal_oversold_2"), Direction::Bullish);
        assert_eq!(direction("reversal_overbought"), Direction::Bearish);
        assert_eq!(direction("reversal_overbought_strong"), Direction::Bearish);
        for other in [
            "",
            "level",
            "Level_3",
            " level_3",
            "reversal",
            "reversal_",
            "x_level_3",
        ] {
            assert_eq!(direction(other), Direction::Bearish, "{other}");
        }
    }

    #[test]
    fn a_level_below_zero_is_bearish_and_any_other_bullish() {
        for below in [
            "-1",
            "-3",
            "-0.5",
            "-150",
            "-1e2",
            "-1E+2",
            "-0.0000001",
            "-03",
            "-00.5",
            " -3 ",
            "-1e400",
            "-Infinity",
            "-.5",
            "-1.",
            "-3x",
            "-1,5",
            "\\ufeff-3",
        ] {
            assert_eq!(
                direction(&format!("level_{below}")),
                Direction::Bearish,
                "{below}"
            );
        }
        for other in [
            "", "0", "-0", "-00", "-0.0", "-0e5", "1", "3", "0.5", "+1", "1e400", "abc", "-",
            "--1", "-abc", "-inf", "-NaN", "-.", "-0x10",
            // Too small for a double, so it is zero.
            "-1e-400", "- 3", "-e", "-0e",
        ] {
            assert_eq!(
                direction(&format!("level_{other}")),
                Direction::Bullish,
                "{other}"
            );
        }
    }

    #[test]
    fn a_label_that_is_no_text_is_like_any_other_label() {
        for json in [
            None,
            Some("3"),
            Some("true"),
            Some("[\"level_3\"]"),
            Some("{}"),
        ] {
            assert_eq!(Direction::of(json), Direction::Bearish, "{json:?}");
        }
        let lone_surrogate = "\"level_3\\ud800\"";
        assert_eq!(Direction::of(Some(lone_surrogate)), Direction::Bearish);
        assert_eq!(Direction::of(Some(r#""\u006cevel_3""#)), Direction::Bullish);
    }

    #[test]
    fn strength_changes_exactly_at_the_bounds() {
        for (value, strength) in [
            ("0", Strength::Weak),
            ("-0", Strength::Weak),
            ("29.999999999999999999999", Strength::Weak),
            ("30", Strength::Moderate),
            ("3e1", Strength::Moderate),
            ("79.99", Strength::Moderate),
            ("80", Strength::Strong),
            ("80.0", Strength::Strong),
            ("149.999999999999999999999", Strength::Strong),
            ("150", Strength::Extreme),
            ("1500e-1", Strength::Extreme),
            ("1e400", Strength::Extreme),
            ("1e-400", Strength::Weak),
            ("1e99999999999999999999", Strength::Extreme),
        ] {
            let minus = format!("-{}", value.trim_start_matches('-'));
            for json in [
                value.to_owned(),
                format!("\"{value}\""),
                format!("\" {value}\\n\""),
            ] {
                assert_eq!(Strength::of(Some(&json)), strength, "{json}");
            }
            assert_eq!(Strength::of(Some(&minus)), strength, "{minus}");
            assert_eq!(
                Strength::of(Some(&format!("\"{minus}\""))),
                strength,
                "{minus}"
            );
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_moderate() {
        assert_eq!(Strength::of(None), Strength::Moderate);
        for json in [
            "\"\"",
            "\"abc\"",
            "\"NaN\"",
            "\"Infinity\"",
            "\"0x96\"",
            "\"1_000\"",
            "\"150,0\"",
            "\"+150\"",
            "true",
            "[150]",
            "{\"value\":150}",
        ] {
            assert_eq!(Strength::of(Some(json)), Strength::Moderate, "{json}");
        }
    }
}
