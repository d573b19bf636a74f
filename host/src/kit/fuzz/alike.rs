//! Whether two values say the same thing in different writing: a number and the text of it, or
//! the same digits in a unit ten, a hundred or a thousand times as large; a time in milliseconds
//! and as RFC 3339 has it, a word in another case or with other signs in it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::json::Json;

/// The most digits that a number is compared by; one of more is compared as text.
const MAX_DIGITS: usize = 64;

/// The fewest digits by which a number is recognised in another unit: fewer are alike by chance.
const MIN_DIGITS: usize = 3;

/// Milliseconds since 1970 that a number may stand for: from 2001 to 2286.
const MILLISECONDS: std::ops::Range<i64> = 1_000_000_000_000..10_000_000_000_000;

/// Seconds since 1970 of the same time.
const SECONDS: std::ops::Range<i64> = 1_000_000_000..10_000_000_000;

/// All that a value can be recognised by. Nothing for null, a list or an object.
pub(super) fn marks(value: &Json) -> BTreeSet<String> {
    let mut marks = BTreeSet::new();
    match value {
        Json::Bool(is) => drop(marks.insert(format!("is {is}"))),
        Json::Literal(number) => of_number(number, &mut marks),
        Json::Text(text) => {
            marks.insert(format!("text {}", text.trim().to_lowercase()));
            if text.contains(char::is_alphabetic) {
                let bare = text.chars().filter(|c| c.is_alphanumeric());
                marks.insert(format!("bare {}", bare.collect::<String>().to_lowercase()));
            }
            of_number(text.trim(), &mut marks);
            if let Ok(time) = text.trim().parse::<Timestamp>() {
                marks.insert(format!("time {}", time.as_millisecond()));
            }
        }
        Json::Null | Json::Array(_) | Json::Object(_) => {}
    }
    marks
}

/// Whether both say the same.
pub(super) fn alike(a: &Json, b: &Json) -> bool {
    !marks(a).is_disjoint(&marks(b))
}

fn of_number(text: &str, marks: &mut BTreeSet<String>) {
    if let Some(number) = canonical(text) {
        marks.insert(format!("number {number}"));
        if let Some((digits, _)) = number.split_once('e')
            && digits.trim_start_matches('-').len() >= MIN_DIGITS
        {
            marks.insert(format!("digits {digits}"));
        }
    }
    if let Ok(whole) = text.parse::<i64>() {
        if MILLISECONDS.contains(&whole) {
            marks.insert(format!("time {whole}"));
        } else if SECONDS.contains(&whole) {
            marks.insert(format!("time {}", whole * 1000));
        }
    }
}

/// A decimal in its one form: its digits without zeros around them, and the power of ten.
fn canonical(text: &str) -> Option<String> {
    let number = Decimal::parse(text)?;
    let digits = format!("{}{}", number.whole, number.fraction);
    let power = i64::from(number.power) - i64::try_from(number.fraction.len()).ok()?;
    let trimmed = digits.trim_end_matches('0');
    let power = power + i64::try_from(digits.len() - trimmed.len()).ok()?;
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() {
        return Some("0".into());
    }
    let sign = if number.negative { "-" } else { "" };
    Some(format!("{sign}{trimmed}e{power}"))
}

/// A decimal number in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) whole: String,
    pub(super) fraction: String,
    pub(super) power: i32,
}

impl Decimal {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = whole.len() + fraction.len() <= MAX_DIGITS;
        let is_number = fits && !whole.is_empty() && digits(whole) && digits(fraction);
        is_number.then(|| Self {
            negative,
            whole: whole.to_owned(),
            fraction: fraction.to_owned(),
            power,
        })
    }

    /// As JSON writes it: without zeros before the first digit.
    pub(super) fn text(&self) -> String {
        let whole = self.whole.trim_start_matches('0');
        let mut text = String::from(if self.negative { "-" } else { "" });
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if !self.fraction.is_empty() {
            text.push('.');
            text.push_str(&self.fraction);
        }
        if self.power != 0 {
            text.push_str(&format!("e{}", self.power));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Json {
        Json::Literal(text.into())
    }

    fn text(text: &str) -> Json {
        Json::Text(text.into())
    }

    #[test]
    fn a_number_is_itself_in_any_writing() {
        for (a, b) in [
            (number("42400.0"), text("42400")),
            (number("9.51e-6"), text("0.00000951")),
            (number("1e9"), text("1000000000")),
            (number("-0.0"), number("0")),
            (number("1250"), text("1.25")),
            (number("-4235050"), text("-42350.5")),
            (text("BTC-USD"), text("btc-usd")),
            (text("BTC/USD"), text("btcusd")),
            (number("1708264800000"), text("2024-02-18T14:00:00.000Z")),
            (number("1708264800"), text("2024-02-18T14:00:00Z")),
            (Json::Bool(true), Json::Bool(true)),
        ] {
            assert!(alike(&a, &b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn what_is_near_or_of_another_kind_is_not_alike() {
        for (a, b) in [
            (number("42400.01"), text("42400")),
            (number("1"), number("-1")),
            (number("10"), number("1")),
            (number("1250"), number("-1.25")),
            (number("1250"), number("1.3")),
            (Json::Null, Json::Null),
            (text("a"), text("ab")),
            (Json::Bool(true), text("true")),
            (number("1708264800001"), text("2024-02-18T14:00:00.000Z")),
        ] {
            assert!(!alike(&a, &b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_number_is_read_in_its_parts_and_written_as_json_has_it() {
        for (read, written) in [
            ("-12.50", "-12.50"),
            ("007", "7"),
            ("1e-5", "1e-5"),
            ("0.5", "0.5"),
        ] {
            assert_eq!(Decimal::parse(read).unwrap().text(), written);
        }
        for wrong in ["", "-", ".5", "1e", "1.2.3", "0x1", "NaN", "+1"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }
}
