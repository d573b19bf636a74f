//! Another value for a field. One of the same shape is one that the same kind of event could
//! have had: a number with as many digits after its point, a text of like characters, a time
//! that is one.

use fastrand::Rng;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::alike::Decimal;
use super::dictionary::Dictionary;
use super::json::Json;
use super::shape::{MAX_DIGITS, is_day};

/// How often a variation asks the dictionary, of 100 times.
const FROM_DICTIONARY: u32 = 30;

/// A value of the same shape as `value`, mostly another one. `near` are values of other fields of
/// the event, as two fields may be held against each other.
pub(super) fn in_shape(
    rng: &mut Rng,
    value: &Json,
    dictionary: &Dictionary,
    near: &[Json],
) -> Json {
    match value {
        Json::Bool(is) => Json::Bool(!is),
        Json::Literal(text) => match Decimal::parse(text) {
            Some(number) => Json::Literal(vary_number(rng, &number, dictionary, near)),
            None => value.clone(),
        },
        Json::Text(text) => Json::Text(vary_text(rng, text, dictionary, near)),
        Json::Array(items) => Json::Array(vary_items(rng, items, dictionary)),
        Json::Null | Json::Object(_) => value.clone(),
    }
}

/// One that no event of the samples' kind would have: missing is for the caller.
pub(super) fn ill_typed(rng: &mut Rng, value: &Json) -> Json {
    let others = [
        Json::Null,
        Json::Bool(true),
        Json::Literal("7".into()),
        Json::Literal("-0.5".into()),
        Json::Literal("1e30".into()),
        Json::Text(String::new()),
        Json::Text("x".into()),
        Json::Array(Vec::new()),
        Json::Object(Vec::new()),
    ];
    let same =
        |candidate: &Json| std::mem::discriminant(candidate) == std::mem::discriminant(value);
    let others: Vec<&Json> = others.iter().filter(|candidate| !same(candidate)).collect();
    others[rng.usize(..others.len())].clone()
}

fn vary_number(rng: &mut Rng, number: &Decimal, dictionary: &Dictionary, near: &[Json]) -> String {
    if rng.u32(..100) < FROM_DICTIONARY
        && let Some(text) = dictionary.number(rng)
    {
        return text.to_owned();
    }
    let mut varied = number.clone();
    match rng.u32(..12) {
        0..4 => {
            varied.whole = digits(rng, number.whole.len());
            varied.fraction = digits(rng, number.fraction.len());
        }
        4..6 => step(rng, &mut varied),
        6..8 => {
            let length = rng.usize(1..=MAX_DIGITS);
            varied.whole = digits(rng, length);
            varied.fraction = digits(rng, number.fraction.len());
        }
        8 => varied.negative = !number.negative,
        9 => {
            (varied.whole, varied.fraction) = ("0".into(), String::new());
        }
        10 => {
            let length = rng.usize(0..=6);
            varied.fraction = digits(rng, length);
        }
        _ => {
            if let Some(neighbour) = pick(rng, near).and_then(as_number) {
                varied = neighbour;
                if rng.bool() {
                    step(rng, &mut varied);
                }
            }
        }
    }
    varied.text()
}

/// One more or less in the last digit, or a few.
fn step(rng: &mut Rng, number: &mut Decimal) {
    let split = number.whole.len();
    let Ok(value) = format!("{}{}", number.whole, number.fraction).parse::<i128>() else {
        return;
    };
    let value = (value + i128::from(rng.i8(-3..=3))).max(0);
    let text = format!("{value:0>width$}", width = split + number.fraction.len());
    let at = text.len() - number.fraction.len();
    (number.whole, number.fraction) = (text[..at].to_owned(), text[at..].to_owned());
}

fn digits(rng: &mut Rng, count: usize) -> String {
    (0..count).map(|_| rng.digit(10)).collect()
}

fn as_number(value: &Json) -> Option<Decimal> {
    match value {
        Json::Literal(text) | Json::Text(text) => Decimal::parse(text),
        _ => None,
    }
}

fn vary_text(rng: &mut Rng, text: &str, dictionary: &Dictionary, near: &[Json]) -> String {
    if let Some(number) = Decimal::parse(text) {
        return vary_number(rng, &number, dictionary, near);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return vary_time(rng, text, time);
    }
    if is_day(text)
        && let Ok(day) = text.parse::<Date>()
    {
        let far = [3, 60, 10_000][rng.usize(..3)];
        let moved = day.checked_add(SignedDuration::from_hours(24 * rng.i64(-far..=far)));
        return moved.unwrap_or(day).to_string();
    }
    if rng.u32(..100) < FROM_DICTIONARY
        && let Some(text) = dictionary.text(rng)
    {
        return text.to_owned();
    }
    let mut chars: Vec<char> = text.chars().collect();
    match rng.u32(..8) {
        0..3 => {
            let hex = text
                .chars()
                .all(|c| !c.is_alphabetic() || c.is_ascii_hexdigit());
            for c in &mut chars {
                *c = like(rng, *c, hex);
            }
        }
        3..5 => {
            if let Some(c) = pick_mut(rng, &mut chars) {
                *c = like(rng, *c, false);
            }
        }
        5 => {
            let last = chars.last().copied().unwrap_or('a');
            for _ in 0..rng.usize(1..=8) {
                chars.push(like(rng, last, false));
            }
        }
        6 => chars.truncate(rng.usize(..=chars.len()).max(1)),
        _ => {
            if let Some(Json::Text(neighbour)) = pick(rng, near) {
                return neighbour.clone();
            }
        }
    }
    chars.into_iter().collect()
}

/// A time within some thirty years of this one, written like it.
fn vary_time(rng: &mut Rng, text: &str, time: Timestamp) -> String {
    let far = [1, 60, 3_600, 86_400, 1_000_000_000][rng.usize(..5)];
    let moved = SignedDuration::from_millis(rng.i64(-far * 1000..=far * 1000));
    let moved = time.checked_add(moved).unwrap_or(time);
    let fraction = text.split_once('.').map_or(0, |(_, rest)| {
        rest.bytes().take_while(u8::is_ascii_digit).count()
    });
    format!("{moved:.fraction$}")
}

/// A character of the same kind.
fn like(rng: &mut Rng, c: char, hex: bool) -> char {
    match c {
        '0'..='9' => rng.digit(10),
        'a'..='z' if hex => char::from(b'a' + rng.u8(..6)),
        'A'..='Z' if hex => char::from(b'A' + rng.u8(..6)),
        'a'..='z' => rng.lowercase(),
        'A'..='Z' => rng.uppercase(),
        c => c,
    }
}

fn vary_items(rng: &mut Rng, items: &[Json], dictionary: &Dictionary) -> Vec<Json> {
    let mut items = items.to_vec();
    if items.is_empty() {
        return vec![Json::Literal("1".into())];
    }
    let at = rng.usize(..items.len());
    match rng.u32(..4) {
        0 => drop(items.remove(at)),
        1 => items.push(items[at].clone()),
        2 => items.swap(0, at),
        _ => items[at] = in_shape(rng, &items[at].clone(), dictionary, &[]),
    }
    items
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> Option<&'a T> {
    (!of.is_empty()).then(|| &of[rng.usize(..of.len())])
}

fn pick_mut<'a, T>(rng: &mut Rng, of: &'a mut [T]) -> Option<&'a mut T> {
    (!of.is_empty()).then(|| {
        let at = rng.usize(..of.len());
        &mut of[at]
    })
}

#[cfg(test)]
mod tests {
    use super::super::shape::is_in_shape;
    use super::*;

    fn many(value: &Json) -> Vec<Json> {
        let mut rng = Rng::with_seed(1);
        let dictionary = Dictionary::default();
        (0..500)
            .map(|_| in_shape(&mut rng, value, &dictionary, &[]))
            .collect()
    }

    #[test]
    fn a_number_stays_one_and_most_are_of_its_shape() {
        for text in ["85.3", "42", "-7.25", "0"] {
            let value = Json::Literal(text.into());
            let varied = many(&value);
            assert!(varied.iter().all(|varied| match varied {
                Json::Literal(text) => Decimal::parse(text).is_some(),
                _ => false,
            }));
            let alike = varied.iter().filter(|varied| is_in_shape(&value, varied));
            assert!(alike.count() > 250, "{text}");
        }
    }

    #[test]
    fn a_time_stays_a_time() {
        let value = Json::Text("2026-02-19T12:00:00.000Z".into());
        for varied in many(&value) {
            let Json::Text(text) = &varied else {
                panic!("{varied:?}")
            };
            assert!(
                text.parse::<Timestamp>().is_ok() && text.len() == 24,
                "{text}"
            );
            assert!(is_in_shape(&value, &varied));
        }
    }

    #[test]
    fn a_day_stays_one() {
        let value = Json::Text("2026-02-19".into());
        let varied = many(&value);
        assert!(varied.iter().all(|varied| is_in_shape(&value, varied)));
        let of_december = |value: &Json| value.text().contains("-12-");
        assert!(varied.iter().any(of_december));
    }
}
