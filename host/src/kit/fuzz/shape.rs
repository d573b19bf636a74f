//! The shape of a value: whether another one could stand in the same field of the same kind of
//! event.

use jiff::Timestamp;
use jiff::civil::Date;

use super::alike::Decimal;
use super::json::Json;

/// How far a number or a length goes and still counts as of the same shape.
pub(super) const MAX_DIGITS: usize = 9;
const MAX_LENGTH: usize = 64;

/// Whether `right` is of the shape of `left`: an event that has it is of the same kind.
pub(super) fn is_in_shape(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Bool(_), Json::Bool(_)) => true,
        (Json::Literal(left), Json::Literal(right)) => {
            match (Decimal::parse(left), Decimal::parse(right)) {
                (Some(left), Some(right)) => numbers_in_shape(&left, &right),
                _ => false,
            }
        }
        (Json::Text(left), Json::Text(right)) => {
            if let (Some(own), Some(varied)) = (Decimal::parse(left), Decimal::parse(right)) {
                let is_plain = serde_json::from_str::<serde_json::Number>(right).is_ok();
                return numbers_in_shape(&own, &varied) && (is_plain || begins_with_zero(left));
            }
            if is_moment(left) {
                return is_moment(right) && mask(left) == mask(right);
            }
            let has_marks = |mark: char| !left.contains(mark) || right.contains(mark);
            !right.is_empty()
                && right.len() <= MAX_LENGTH.max(left.len())
                && right.is_ascii()
                && Decimal::parse(left).is_none()
                && STRUCTURE.into_iter().all(has_marks)
        }
        (Json::Array(_), Json::Array(_)) => true,
        _ => false,
    }
}

/// Signs that make a text an address or a path: one without them is none.
const STRUCTURE: [char; 3] = ['@', ':', '/'];

/// Whether a text is a moment or a day.
fn is_moment(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok() || is_day(text)
}

/// Whether a text is a day, as `2026-02-19`.
pub(super) fn is_day(text: &str) -> bool {
    const LENGTH: usize = 10;
    text.len() == LENGTH && text.parse::<Date>().is_ok()
}

/// Where the digits and the letters of a text stand.
fn mask(text: &str) -> String {
    let kind = |c: char| match c {
        c if c.is_ascii_digit() => '0',
        c if c.is_alphabetic() => 'a',
        c => c,
    };
    text.chars().map(kind).collect()
}

fn begins_with_zero(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

/// Whether both are whole numbers and an integer of some usual width holds the one that was taken
/// and not the one that was refused: whoever reads such an integer refuses the larger as none.
pub(super) fn is_beyond_a_type(taken: &Json, refused: &Json) -> bool {
    const WIDTHS: [u32; 8] = [7, 8, 15, 16, 31, 32, 53, 63];
    let whole = |value: &Json| match value {
        Json::Literal(text) | Json::Text(text) => text.parse::<i128>().ok(),
        _ => None,
    };
    let (Some(taken), Some(refused)) = (whole(taken), whole(refused)) else {
        return false;
    };
    let holds = |width: u32, number: i128| (-(1_i128 << width)..1 << width).contains(&number);
    WIDTHS
        .iter()
        .any(|width| holds(*width, taken) && !holds(*width, refused))
}

fn numbers_in_shape(left: &Decimal, right: &Decimal) -> bool {
    let fits = right.whole.len() <= MAX_DIGITS.max(left.whole.len()) && right.power <= left.power;
    fits && (left.negative || !right.negative)
        && (right.fraction.is_empty() || !left.fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::super::vary::ill_typed;
    use super::*;

    #[test]
    fn a_number_that_an_integer_does_not_hold_is_beyond_it() {
        let number = |text: &str| Json::Literal(text.into());
        for (taken, refused, beyond) in [
            ("2", "300", true),
            ("300", "2", false),
            ("35", "70000", true),
            ("500", "900", false),
            ("70000", "4000000", false),
            ("1.5", "70000", false),
        ] {
            let is_beyond = is_beyond_a_type(&number(taken), &number(refused));
            assert_eq!(is_beyond, beyond, "{taken} {refused}");
        }
    }

    #[test]
    fn what_no_such_event_has_is_not_of_the_shape() {
        let number = |text: &str| Json::Literal(text.into());
        for (left, right) in [
            (number("5"), number("-5")),
            (number("5"), number("5.5")),
            (number("5"), number("12345678901")),
            (number("5"), Json::Text("5".into())),
            (Json::Text("a".into()), Json::Text(String::new())),
            (Json::Text("a".into()), Json::Text("ü".into())),
            (Json::Text("1.5".into()), Json::Text("abc".into())),
            (Json::Text("120.5".into()), Json::Text("007".into())),
            (Json::Text("a@b.example".into()), Json::Text("ann".into())),
            (
                Json::Text("2026-02-19".into()),
                Json::Text("2026-13-19".into()),
            ),
            (
                Json::Text("2026-02-19T12:00:00Z".into()),
                Json::Text("2026-02-19 12:00Z".into()),
            ),
            (Json::Bool(true), Json::Null),
        ] {
            assert!(!is_in_shape(&left, &right), "{left:?} {right:?}");
        }
        let mut rng = Rng::with_seed(2);
        for value in [
            number("5"),
            Json::Text("a".into()),
            Json::Bool(true),
            Json::Null,
        ] {
            for _ in 0..50 {
                assert!(
                    !is_in_shape(&value, &ill_typed(&mut rng, &value)),
                    "{value:?}"
                );
            }
        }
    }
}
