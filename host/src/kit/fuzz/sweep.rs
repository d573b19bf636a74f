//! What is tried in turn before anything is left to chance: each secret field missing or of another
//! type, each value of the dictionary in every field that could have it, each word that could be
//! the name of a field that no sample has, and two values that the component looks for at once.

use super::input::{FieldPlace, Input};
use super::json::{Json, Path, Step};
use super::judge::AnswerSeen;
use super::search::Search;
use super::unsampled::MEANINGLESS;
use super::vary::ill_typed;
use super::{pairs, suspect};

/// How many samples the dictionary is tried with.
const MAX_BASES: usize = 4;

/// How many names are tried at once.
const NAMES: usize = 8;

/// Up to which part of all that may be used each step of the sweep may go: what one leaves is the
/// next one's.
const VALUES_UNTIL: f64 = 0.2;
const NAMES_UNTIL: f64 = 0.3;
const PAIRS_UNTIL: f64 = 0.5;
const CONTEXTS_UNTIL: f64 = 0.6;
const OTHER_PAIRS_UNTIL: f64 = 0.7;

/// How many special values of a sample are tried with all others before anything else is.
const MAX_FIRST: usize = 12;

/// How many items a list is tried with beside its own number.
const LENGTHS: [usize; 7] = [0, 1, 3, 4, 8, 16, 33];

/// How many objects of an event are given further names.
const MAX_OBJECTS: usize = 16;

/// Values of its shape that a secret field is tried with by itself.
const VALUES: usize = 8;

/// Types that a secret field is tried with beside its own.
const TYPES: usize = 12;

/// Tries all in turn. `is_over` says whether so large a part of all has been used.
pub(super) fn sweep(search: &mut Search<'_>, is_over: &dyn Fn(&Search<'_>, f64) -> bool) {
    let bases: Vec<Input> = search.bases.iter().map(|base| base.input.clone()).collect();
    for base in &bases {
        types(search, base);
    }
    let until = |share: f64| move |search: &Search<'_>| is_over(search, share);
    let first = &bases[..bases.len().min(MAX_BASES)];
    for base in first {
        values(search, base, None, &until(VALUES_UNTIL));
    }
    for base in first {
        names(search, base, &until(NAMES_UNTIL));
    }
    let mut others = Vec::new();
    for base in first {
        let mut specials = pairs::specials(search, base, &until(PAIRS_UNTIL));
        others.push(specials.split_off(specials.len().min(MAX_FIRST)));
        pairs::pairs(search, base, specials, &until(PAIRS_UNTIL));
        contexts(search, base, &until(CONTEXTS_UNTIL));
    }
    for (base, specials) in first.iter().zip(others) {
        pairs::pairs(search, base, specials, &until(OTHER_PAIRS_UNTIL));
    }
}

/// Each secret list with more items and with fewer, each branch with nothing public in it left out;
/// each secret field with some values of its shape, missing, and of other types.
fn types(search: &mut Search<'_>, base: &Input) {
    let expected = search.answer(base);
    for list in search.fields.secret_lists(base) {
        let Some(Json::Array(items)) = base.at(&list) else {
            continue;
        };
        let lengths = LENGTHS
            .into_iter()
            .chain([items.len() - 1, items.len() + 1]);
        for length in lengths {
            let repeated = items.iter().cycle().take(length).cloned();
            let mut varied = base.clone();
            varied.set(&list, Json::Array(repeated.collect()));
            compare(search, base, &expected, &varied);
        }
    }
    for branch in search.fields.secret_branches(base) {
        let mut without = base.clone();
        without.remove(&branch);
        compare(search, base, &expected, &without);
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

/// Each value of the dictionary in all secret fields of its type at once, but for one that keeps
/// its own. A field of which the component takes some values only learns of more of them here.
pub(super) fn values(
    search: &mut Search<'_>,
    base: &Input,
    kept: Option<&FieldPlace>,
    is_enough: &dyn Fn(&Search<'_>) -> bool,
) {
    let expected = search.answer(base);
    let mut secret = search.fields.secret_places(base);
    secret.retain(|place| kept != Some(place));
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

/// Each value of the dictionary in each public field, and then other secrets.
fn contexts(search: &mut Search<'_>, base: &Input, is_enough: &dyn Fn(&Search<'_>) -> bool) {
    const VARIATIONS: usize = 2;
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

/// Words as names of further fields in each of its objects, some at a time. One that no component can know is tried
/// beside each that makes a difference: who refuses whatever it does not know says nothing by it.
pub(super) fn names(
    search: &mut Search<'_>,
    base: &Input,
    is_enough: &dyn Fn(&Search<'_>) -> bool,
) {
    let known: Vec<String> = base.places().iter().map(|place| base.name(place)).collect();
    let names = search.words.names().map(str::to_owned);
    let names: Vec<String> = names.filter(|name| !known.contains(name)).collect();
    let expected = search.answer(base);
    let values = [
        Json::Literal("1".into()),
        Json::Text("x".into()),
        Json::Bool(true),
    ];
    let strange = with_names(base, &[MEANINGLESS.to_owned()], &values[0]);
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
    let mut objects = Vec::new();
    base.payload.walk(&mut Path::new(), &mut |path, own| {
        if matches!(own, Json::Object(_)) && objects.len() < MAX_OBJECTS {
            objects.push(path.to_vec());
        }
    });
    for name in names {
        for object in &objects {
            let place = [object.as_slice(), &[Step::Name(name.clone())]].concat();
            if input.payload.at(&place).is_none() {
                input.set(&FieldPlace::Payload(place), value.clone());
            }
        }
    }
    input
}

pub(super) fn compare(search: &mut Search<'_>, left: &Input, expected: &AnswerSeen, right: &Input) {
    let answer = search.answer(right);
    suspect::pair(search, left, expected, right, &answer);
}

pub(super) fn dictionary(search: &Search<'_>) -> Vec<Json> {
    let numbers = search.words.numbers().iter().cloned().map(Json::Literal);
    let texts = search.words.texts().iter().cloned().map(Json::Text);
    numbers.chain(texts).collect()
}

/// The value as one of the type of `own`.
pub(super) fn fitting(own: &Json, value: &Json) -> Option<Json> {
    match (own, value) {
        (Json::Literal(_), Json::Literal(_)) => Some(value.clone()),
        (Json::Text(_), Json::Text(text) | Json::Literal(text)) => Some(Json::Text(text.clone())),
        _ => None,
    }
}
