//! What is tried in turn before anything is left to chance: each value of the dictionary in every
//! field that could have it, each secret field missing or of another type, and each word that
//! could be the name of a field that no sample has.

use super::input::{FieldPlace, Input};
use super::json::Json;
use super::judge::AnswerSeen;
use super::search::Search;
use super::suspect;
use super::vary::ill_typed;

/// How many samples the dictionary is tried with.
const MAX_BASES: usize = 4;

/// How many names are tried at once.
const NAMES: usize = 8;

/// Which part of all that may be used the whole sweep may use.
pub(super) const SHARE: f64 = 0.5;

/// How many events are tried with all values again because they are treated in a special way.
const MAX_SPECIAL: usize = 32;

/// Values of its shape that a secret field is tried with by itself.
const VALUES: usize = 8;

/// Types that a secret field is tried with beside its own.
const TYPES: usize = 12;

/// Tries all in turn, until `is_enough`.
pub(super) fn sweep(search: &mut Search<'_>, is_enough: &dyn Fn(&Search<'_>) -> bool) {
    let bases: Vec<Input> = search.bases.iter().map(|base| base.input.clone()).collect();
    for base in &bases {
        types(search, base);
    }
    for base in bases.iter().take(MAX_BASES) {
        values(search, base, is_enough);
    }
    for base in bases.iter().take(MAX_BASES) {
        names(search, base, is_enough);
    }
    for base in bases.iter().take(MAX_BASES) {
        contexts(search, base, is_enough);
    }
}

/// Each secret list with an item more and one less; each secret field with some values of its shape,
/// missing, and of other types.
fn types(search: &mut Search<'_>, base: &Input) {
    let expected = search.answer(base);
    for list in search.fields.secret_lists(base) {
        let Some(Json::Array(items)) = base.at(&list) else {
            continue;
        };
        let longer = [items.as_slice(), &items[..1]].concat();
        for items in [longer, items[1..].to_vec()] {
            let mut varied = base.clone();
            varied.set(&list, Json::Array(items));
            compare(search, base, &expected, &varied);
        }
    }
    for place in search.fields.secret_places(base) {
        for _ in 0..VALUES {
            let mut varied = base.clone();
            search.vary(&mut varied, &place);
            compare(search, base, &expected, &varied);
        }
        let mut without = base.clone();
        without.remove(&place);
        compare(search, base, &expected, &without);
        let Some(value) = base.at(&place) else {
            continue;
        };
        for _ in 0..TYPES {
            let mut retyped = base.clone();
            retyped.set(&place, ill_typed(&mut search.rng, &value));
            compare(search, base, &expected, &retyped);
        }
    }
}

/// Each value of the dictionary in all secret fields of its type at once. A field of which the
/// component takes some values only learns of more of them here.
fn values(search: &mut Search<'_>, base: &Input, is_enough: &dyn Fn(&Search<'_>) -> bool) {
    let expected = search.answer(base);
    let secret = search.fields.secret_places(base);
    for value in dictionary(search) {
        if is_enough(search) {
            return;
        }
        let mut right = base.clone();
        for place in &secret {
            let Some(own) = base.at(place) else { continue };
            let Some(value) = fitting(&own, &value) else {
                continue;
            };
            let name = base.name(place);
            if search.fields.strict.contains_key(&name) {
                let mut alone = base.clone();
                alone.set(place, value.clone());
                if !search.answer(&alone).refuses_kind()
                    && let Some(taken) = search.fields.strict.get_mut(&name)
                    && !taken.contains(&value)
                {
                    taken.push(value);
                    compare(search, base, &expected, &alone);
                }
            } else {
                right.set(place, value);
            }
        }
        if right != *base {
            compare(search, base, &expected, &right);
        }
    }
}

/// Each value of the dictionary in each public field, and then other secrets: all of them where the
/// component executes something else than with a value of the same form.
fn contexts(search: &mut Search<'_>, base: &Input, is_enough: &dyn Fn(&Search<'_>) -> bool) {
    const VARIATIONS: usize = 2;
    let mut specials = 0;
    let public = search.fields.public_places(base);
    for value in dictionary(search) {
        for place in &public {
            if is_enough(search) {
                return;
            }
            let fits = base.at(place).and_then(|own| fitting(&own, &value));
            let Some(value) = fits else { continue };
            let mut left = base.clone();
            left.set(place, value);
            if left == *base {
                continue;
            }
            let expected = search.answer(&left);
            if expected.refuses_kind() {
                continue;
            }
            search.keep(left.clone());
            if specials < MAX_SPECIAL && is_special(search, &left, place) {
                specials += 1;
                values(search, &left, is_enough);
            }
            for _ in 0..VARIATIONS {
                let mut right = left.clone();
                for place in search.fields.secret_places(&left) {
                    search.vary(&mut right, &place);
                }
                compare(search, &left, &expected, &right);
            }
        }
    }
}

/// Whether the value there makes the component execute something else than another value of its
/// form, which two others do not.
fn is_special(search: &mut Search<'_>, left: &Input, place: &FieldPlace) -> bool {
    let mut executed = |input: &Input| {
        search.subject.answer(input);
        search.subject.executed
    };
    let own = executed(left);
    let Some(value) = left.at(place) else {
        return false;
    };
    let mut others = [3, 11].map(|distance| {
        let mut shifted = left.clone();
        shifted.set(place, shifted_by(&value, distance));
        executed(&shifted)
    });
    others.sort_unstable();
    others[0] == others[1] && own != others[0]
}

/// A value of the same length and kinds of characters.
fn shifted_by(value: &Json, distance: u8) -> Json {
    let shift_in = |c: char, first: u8, count: u8| {
        let at = u8::try_from(u32::from(c)).unwrap_or(first) - first;
        char::from(first + (at + distance) % count)
    };
    let shift = |c: char| match c {
        '0'..='9' => shift_in(c, b'0', 10),
        'a'..='z' => shift_in(c, b'a', 26),
        'A'..='Z' => shift_in(c, b'A', 26),
        c => c,
    };
    match value {
        Json::Text(text) => Json::Text(text.chars().map(shift).collect()),
        Json::Literal(text) => Json::Literal(text.chars().map(shift).collect()),
        value => value.clone(),
    }
}

/// Words as names of further fields, some at a time. One that no component can know is tried
/// beside each that makes a difference: who refuses whatever it does not know says nothing by it.
fn names(search: &mut Search<'_>, base: &Input, is_enough: &dyn Fn(&Search<'_>) -> bool) {
    let known: Vec<String> = base.places().iter().map(|place| base.name(place)).collect();
    let names = search.words.names().map(str::to_owned);
    let names: Vec<String> = names.filter(|name| !known.contains(name)).collect();
    let expected = search.answer(base);
    let values = [
        Json::Literal("1".into()),
        Json::Text("x".into()),
        Json::Bool(true),
    ];
    let strange = with_names(base, &["zqxjkvbw".to_owned()], &values[0]);
    if search.answer(&strange) != expected {
        return;
    }
    for some in names.chunks(NAMES) {
        for value in &values {
            if is_enough(search) {
                return;
            }
            let right = with_names(base, some, value);
            compare(search, base, &expected, &right);
        }
        for name in some {
            known_name(search, base, name, &values);
        }
    }
}

/// A name that the component looks for makes it execute something else than a name that it does
/// not know. Events that have it are kept to go on from.
fn known_name(search: &mut Search<'_>, base: &Input, name: &str, values: &[Json]) {
    let control: String = name.chars().rev().map(|_| 'q').collect();
    search
        .subject
        .answer(&with_names(base, &[control], &values[0]));
    let of_control = search.subject.executed;
    let with_name = with_names(base, &[name.to_owned()], &values[0]);
    search.subject.answer(&with_name);
    if search.subject.executed == of_control {
        return;
    }
    for value in values {
        let input = with_names(base, &[name.to_owned()], value);
        search.keep(input);
    }
}

fn with_names(base: &Input, names: &[String], value: &Json) -> Input {
    let mut input = base.clone();
    for name in names {
        input.set(&Input::top(name), value.clone());
    }
    input
}

fn compare(search: &mut Search<'_>, left: &Input, expected: &AnswerSeen, right: &Input) {
    let answer = search.answer(right);
    suspect::pair(search, left, expected, right, &answer);
}

fn dictionary(search: &Search<'_>) -> Vec<Json> {
    let numbers = search.words.numbers().iter().cloned().map(Json::Literal);
    let texts = search.words.texts().iter().cloned().map(Json::Text);
    numbers.chain(texts).collect()
}

/// The value as one of the type of `own`.
fn fitting(own: &Json, value: &Json) -> Option<Json> {
    match (own, value) {
        (Json::Literal(_), Json::Literal(_)) => Some(value.clone()),
        (Json::Text(_), Json::Text(text) | Json::Literal(text)) => Some(Json::Text(text.clone())),
        _ => None,
    }
}
