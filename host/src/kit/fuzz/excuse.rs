//! Refusals that are no leak. A component may refuse an event that is not of the kind that its
//! samples show: where a secret field is missing, of another type or far from its shape, where an
//! integer could not hold it, and where no other value of a field is taken at all. Such a refusal
//! says that the event is none, and no more. And a channel may be none that it makes
//! public: what is captured of it may decide whether anything comes out.

use super::fields::{Base, EventFields};
use super::input::{FieldPlace, Input};
use super::json::Json;
use super::judge::AnswerSeen;
use super::shape::{is_beyond_a_type, is_in_shape};

/// Whether the events differ in nothing but their channels.
pub(super) fn is_of_channels(places: &[FieldPlace]) -> bool {
    let is_captured = |place: &FieldPlace| matches!(place, FieldPlace::Capture(_));
    places.iter().all(is_captured)
}

/// Whether one of two events is refused as none of its kind for a value that can be the reason:
/// one of another shape than samples have, one that no integer of the usual width holds, or one of
/// a field of which hardly any value is taken.
pub(super) fn is_of_another_kind(
    bases: &[Base],
    fields: &EventFields,
    ends: [(&Input, &AnswerSeen); 2],
    places: &[FieldPlace],
) -> bool {
    let refused = ends.map(|(_, answer)| answer.refuses_kind());
    if refused == [false, false] {
        return false;
    }
    let [left, right] = ends.map(|(input, _)| input);
    places.iter().any(|place| {
        let name = name(left, right, place);
        let values = [left.at(place), right.at(place)];
        let unlike = values
            .iter()
            .any(|value| !is_usual(bases, value.as_ref(), &name));
        let beyond = match (&values, refused) {
            ([Some(left), Some(right)], [false, true]) => is_beyond_a_type(left, right),
            ([Some(left), Some(right)], [true, false]) => is_beyond_a_type(right, left),
            // Both are refused, one of them for something that is the same in both.
            ([Some(left), Some(right)], _) => {
                is_beyond_a_type(left, right) || is_beyond_a_type(right, left)
            }
            _ => false,
        };
        unlike || beyond || fields.strict.contains_key(&name)
    })
}

/// Whether a value is of the shape that some sample shows for this field; a field that none has
/// may have any.
fn is_usual(bases: &[Base], value: Option<&Json>, name: &str) -> bool {
    bases.iter().any(|base| {
        let places = base.input.places().into_iter();
        let mut own = places.filter(|place| base.input.name(place) == name);
        own.any(|place| match (base.input.at(&place), value) {
            (Some(own), Some(value)) => is_in_shape(&own, value),
            _ => false,
        })
    })
}

/// Whether the log repeats what is secret.
pub(super) fn tells_value(answer: &AnswerSeen, input: &Input, places: &[FieldPlace]) -> bool {
    const LEAST: usize = 4;
    let mut values = places.iter().filter_map(|place| input.at(place));
    values.any(|value| match value {
        Json::Text(text) | Json::Literal(text) if text.len() >= LEAST => {
            answer.log.iter().any(|line| line.contains(&text))
        }
        _ => false,
    })
}

/// What a field is called that either of two events has.
pub(super) fn name(left: &Input, right: &Input, place: &FieldPlace) -> String {
    match left.at(place) {
        Some(_) => left.name(place),
        None => right.name(place),
    }
}
