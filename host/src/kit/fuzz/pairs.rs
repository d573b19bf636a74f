//! Two conditions at once. A value that the component looks for makes it execute something of its
//! own, which the engine's count shows: such values are found one by one, and then each of them is
//! tried with every other value of the dictionary in the other fields, and with every name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::input::{FieldPlace, Input};
use super::json::Json;
use super::search::Search;
use super::sweep::{compare, dictionary, fitting, names, values};

/// How many values are each tried with all others, of one sample.
const MAX_SPECIAL: usize = 48;

/// How many of those that execute equally much more or less.
const MAX_ALIKE: usize = 2;

/// Other secrets with each of them, by chance.
const VARIATIONS: usize = 16;

/// A value in a field that makes the component do something else than others of its form.
pub(super) struct Special {
    place: FieldPlace,
    value: Json,
}

/// Tries the values that are special with all others, until `is_enough`.
pub(super) fn pairs(
    search: &mut Search<'_>,
    base: &Input,
    specials: Vec<Special>,
    is_enough: &dyn Fn(&Search<'_>) -> bool,
) {
    for Special { place, value } in specials {
        let mut left = base.clone();
        left.set(&place, value);
        let expected = search.answer(&left);
        if expected.refuses_kind() {
            continue;
        }
        search.keep(left.clone());
        let mut secret = search.fields.secret_places(&left);
        secret.retain(|own| *own != place);
        for _ in 0..VARIATIONS {
            let mut right = left.clone();
            for place in &secret {
                search.vary(&mut right, place);
            }
            compare(search, &left, &expected, &right);
        }
        values(search, &left, Some(&place), is_enough);
        if search.fields.is_public(&left.name(&place)) {
            names(search, &left, is_enough);
        }
        if is_enough(search) {
            return;
        }
    }
}

/// The values of the dictionary that are special: of each field in turn, those first that hardly
/// any other is like.
pub(super) fn specials(
    search: &mut Search<'_>,
    base: &Input,
    is_enough: &dyn Fn(&Search<'_>) -> bool,
) -> Vec<Special> {
    let places = base.places();
    let mut classes: Vec<BTreeMap<i64, Vec<Json>>> = vec![BTreeMap::new(); places.len()];
    for value in dictionary(search) {
        if is_enough(search) {
            break;
        }
        for (place, classes) in places.iter().zip(&mut classes) {
            let fits = base.at(place).and_then(|own| fitting(&own, &value));
            let Some(value) = fits else { continue };
            if let Some(difference) = difference(search, base, place, &value) {
                classes.entry(difference).or_default().push(value);
            }
        }
    }
    let mut in_turn = Vec::new();
    for (place, classes) in places.iter().zip(classes) {
        let mut classes: Vec<_> = classes.into_iter().collect();
        classes.sort_by_key(|(difference, values)| (values.len(), Reverse(difference.abs())));
        let values = classes.into_iter().flat_map(|(_, mut values)| {
            values.truncate(MAX_ALIKE);
            values
        });
        in_turn.extend(values.take(MAX_SPECIAL).enumerate().map(|(rank, value)| {
            let place = place.clone();
            (rank, Special { place, value })
        }));
    }
    in_turn.sort_by_key(|(rank, _)| *rank);
    let specials = in_turn.into_iter().map(|(_, special)| special);
    specials.take(MAX_SPECIAL).collect()
}

/// How much more is executed for a value than for two others of its form, which cost the same.
fn difference(
    search: &mut Search<'_>,
    base: &Input,
    place: &FieldPlace,
    value: &Json,
) -> Option<i64> {
    let mut executed = |value: Json| {
        let mut input = base.clone();
        input.set(place, value);
        search.subject.answer(&input);
        i64::try_from(search.subject.executed).unwrap_or(i64::MAX)
    };
    let own = executed(value.clone());
    let control = executed(shifted_by(value, 3));
    let is_other = own != control && control == executed(shifted_by(value, 11));
    is_other.then(|| own - control)
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
