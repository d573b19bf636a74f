//! Fields that go out under their own name although no sample shows it. They may, as the schema says
//! so, and are no finding; but nobody has shown that it is meant, so each of them is told.

use std::collections::BTreeSet;

use super::dictionary::Dictionary;
use super::fields::{Base, EventFields, stated};
use super::input::FieldPlace;
use super::json::{Json, Step};
use super::judge::{COUNT, REJECTION, differences};
use super::subject::Subject;

/// How many of the texts that somebody wrote down such a field is tried with.
const WRITTEN: usize = 500;

/// The name of a field that no component looks for.
pub(super) const MEANINGLESS: &str = "zqxjkvbw";

/// Looks for such fields among `outputs`, by giving them to samples: they go out where the
/// component reads them, and a field that it does not read changes nothing.
pub(super) fn find(
    fields: &mut EventFields,
    subject: &mut Subject,
    words: &Dictionary,
    bases: &[Base],
    outputs: &BTreeSet<String>,
) {
    for name in unshown(fields, outputs) {
        if is_read(subject, words, bases, &name) {
            fields.goes_out_unsampled(name);
        }
    }
}

/// The outputs that may be such fields. A sample without an outcome shows nothing, whatever it has.
fn unshown(fields: &EventFields, outputs: &BTreeSet<String>) -> Vec<String> {
    let unshown = outputs.iter().filter(|name| !fields.is_public(name));
    unshown.cloned().collect()
}

/// What is no finding, as fields and outputs: what goes out under its own name; and of a field that
/// no event has, that nothing goes out where it cannot.
pub(super) fn exempt(
    fields: &EventFields,
    bases: &[Base],
    outputs: BTreeSet<String>,
) -> BTreeSet<(String, String)> {
    let absent = fields.unsampled.iter().filter(|name| !has(bases, name));
    let absent: Vec<(String, String)> = absent
        .flat_map(|name| [COUNT, REJECTION].map(|output| (name.clone(), output.to_owned())))
        .collect();
    let named = outputs.into_iter().map(|name| (name.clone(), name));
    named.chain(absent).collect()
}

/// Whether any event that was started from has a field of this name.
fn has(bases: &[Base], name: &str) -> bool {
    bases.iter().any(|base| {
        let places = base.input.places();
        places.iter().any(|place| base.input.name(place) == name)
    })
}

/// Whether a field of this name, given to a sample, changes the output of that name, and a field of
/// no meaning does not.
fn is_read(subject: &mut Subject, words: &Dictionary, bases: &[Base], name: &str) -> bool {
    let simple = [
        Json::Literal("1".into()),
        Json::Text("x".into()),
        Json::Bool(true),
    ];
    let own = bases.iter().flat_map(|base| values_in(base, name));
    let texts = words.texts().iter().take(WRITTEN).cloned().map(Json::Text);
    let values: Vec<Json> = simple.into_iter().chain(own).chain(texts).collect();
    let is_object = |base: &&Base| matches!(base.input.payload, Json::Object(_));
    stated(bases).filter(is_object).any(|base| {
        let mut changes = |name: &str, value: &Json| {
            let mut input = base.input.clone();
            let place = FieldPlace::Payload(vec![Step::Name(name.to_owned())]);
            input.set(&place, value.clone());
            differences(&base.answer, &subject.answer(&input))
        };
        let mut values = values.iter();
        changes(MEANINGLESS, &Json::Bool(true)).is_empty()
            && values.any(|value| changes(name, value).contains(name))
    })
}

/// What an event has as the value of a field.
fn values_in(base: &Base, name: &str) -> Vec<Json> {
    let places = base.input.places().into_iter();
    let places = places.filter(|place| base.input.name(place) == name);
    places.filter_map(|place| base.input.at(&place)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::input::Input;
    use super::super::judge::{AnswerSeen, Visible};
    use super::*;
    use crate::event::Event;

    /// What is started from: an event that has `mark`, of which nobody states what comes.
    fn recorded() -> [Base; 1] {
        let event = Event::at("a:b".into(), br#"{"price":"1","mark":"x"}"#.into(), 0);
        [Base {
            input: Input::of(&event, &[]).unwrap(),
            answer: AnswerSeen {
                seen: Visible::Published(Vec::new(), Vec::new()),
                log: Vec::new(),
            },
            is_stated: false,
        }]
    }

    fn fields() -> EventFields {
        let mut fields = EventFields::default();
        fields.public.insert("price".into(), BTreeSet::new());
        fields.secret.insert("mark".into());
        fields
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_an_event_has_and_no_sample_shows_is_tried_as_what_no_event_has() {
        let unshown = unshown(&fields(), &names(&["level", "mark", "price"]));
        assert_eq!(unshown, ["level", "mark"]);
    }

    #[test]
    fn what_goes_out_is_no_secret() {
        let mut fields = fields();
        fields.goes_out_unsampled("mark".into());
        assert!(fields.secret.is_empty() && !fields.is_public("mark"));
        assert!(fields.public_in_words().contains_key("mark"));
    }

    #[test]
    fn that_nothing_goes_out_is_exempt_for_names_that_no_event_has() {
        let mut fields = fields();
        for name in ["level", "mark"] {
            fields.goes_out_unsampled(name.into());
        }
        let exempt = exempt(&fields, &recorded(), names(&["level", "mark"]));
        let of = |name: &str| {
            let own = exempt.iter().filter(|(field, _)| field == name);
            own.map(|(_, output)| output.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("level"), [COUNT, "level", REJECTION]);
        assert_eq!(of("mark"), ["mark"]);
    }

    #[test]
    fn a_field_is_tried_with_what_an_event_has_in_it() {
        let [base] = recorded();
        assert_eq!(values_in(&base, "mark"), [Json::Text("x".into())]);
        assert!(values_in(&base, "level").is_empty());
    }
}
