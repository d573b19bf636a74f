//! Counts and examples by field, within bounds, and what of a value may be shown.
//!
//! A value is shown where the active revision could publish it at that place: it fits what
//! that revision's schema has there. Of any other only the form is: the candidate's schema is
//! what the operator is about to judge, so nobody has agreed yet that it is public.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::differences::{Difference, FieldContent, PUBLICATIONS, REJECTION, TYPE};
use crate::count::count_of;
use crate::event::Event;
use crate::revision::compare::report::{Example, FieldDifference};
use crate::revision::diff::schema;
use crate::revision::{PublicMessage, Surface};
use crate::transform::{ClosedSchema, Secrets, printable};

/// How many fields are told apart, the last being `(others)`.
const MAX_FIELDS: usize = 64;
const MAX_EXAMPLES: usize = 3;
/// Examples are looked for in so many events of a field: equal ones are not kept, and looking
/// takes longer than counting.
const SEARCHED: u64 = 16;
/// The longest value, in characters.
const MAX_VALUE: usize = 120;
/// The longest payload, in characters.
const MAX_INPUT: usize = 2_000;
const OTHERS: &str = "(others)";

#[derive(Debug)]
pub(super) struct Fields {
    /// What the active revision can publish at each place, by message type.
    public: BTreeMap<String, BTreeMap<String, Vec<ClosedSchema>>>,
    show_input: bool,
    /// Of both revisions.
    secrets: Secrets,
    found: BTreeMap<String, FieldDifference>,
}

impl Fields {
    pub(super) fn new(active: &Surface, show_input: bool, secrets: Secrets) -> Self {
        let of_message = |message: &PublicMessage| {
            let places = places(&message.data_schema);
            (message.message_type.clone(), places)
        };
        Self {
            public: active.messages().map(of_message).collect(),
            show_input,
            secrets,
            found: BTreeMap::new(),
        }
    }

    /// Adds the differences of one event: each field counts once, however often it differs.
    pub(super) fn add(&mut self, event: &Event, differences: &[Difference]) {
        let mut counted = BTreeSet::new();
        for difference in differences {
            let field = self.name(difference);
            if counted.insert(field.clone()) {
                self.add_one(field, event, difference);
            }
        }
    }

    /// The name under which a field is counted.
    fn name(&self, difference: &Difference) -> String {
        let Difference { message, field, .. } = difference;
        let name = match message {
            // Fields of several types of messages would be taken for one.
            Some(message) if self.public.len() > 1 => format!("{message} {field}"),
            _ => field.clone(),
        };
        let name = self.secrets.shown(&name, MAX_VALUE);
        if self.found.contains_key(&name) || self.found.len() < MAX_FIELDS - 1 {
            name
        } else {
            OTHERS.into()
        }
    }

    fn add_one(&mut self, field: String, event: &Event, difference: &Difference) {
        let known = self.found.get(&field);
        let example = known
            .is_none_or(|known| known.events < SEARCHED && known.examples.len() < MAX_EXAMPLES)
            .then(|| self.example(event, difference));
        let entry = self.found.entry(field.clone()).or_insert(FieldDifference {
            field,
            events: 0,
            examples: Vec::new(),
        });
        entry.events += 1;
        // An example that is shown already would tell nothing more.
        let is_shown = |new: &Example| {
            let same = |shown: &Example| {
                (&shown.active, &shown.candidate) == (&new.active, &new.candidate)
            };
            entry.examples.iter().any(same)
        };
        if let Some(example) = example.filter(|new| !is_shown(new)) {
            entry.examples.push(example);
        }
    }

    fn example(&self, event: &Event, difference: &Difference) -> Example {
        let show = |seen: &FieldContent| match seen {
            FieldContent::Nothing => None,
            FieldContent::Words(words) => Some(self.secrets.shown(words, MAX_VALUE)),
            FieldContent::Value(value) if self.show_input || self.is_public(difference, value) => {
                Some(self.secrets.shown(&value.to_string(), MAX_VALUE))
            }
            FieldContent::Value(value) => Some(form(value)),
        };
        Example {
            active: show(&difference.active),
            candidate: show(&difference.candidate),
            input: self.show_input.then(|| input(event)),
        }
    }

    fn is_public(&self, difference: &Difference, value: &Value) -> bool {
        let field = difference.field.as_str();
        // The type of messages is in the descriptor, as channels are.
        let named = [PUBLICATIONS, REJECTION, TYPE].contains(&field);
        let message = difference.message.as_ref();
        let places = message.and_then(|message| self.public.get(message));
        let parts = places.and_then(|places| places.get(field));
        named || parts.is_some_and(|parts| parts.iter().any(|part| part.allows(value)))
    }

    /// The fields that differ most often first.
    pub(super) fn report(&self) -> Vec<FieldDifference> {
        let mut fields: Vec<_> = self.found.values().cloned().collect();
        fields.sort_by_key(|field| std::cmp::Reverse(field.events));
        fields
    }
}

/// What may stand at each place of a message's data.
fn places(closed: &ClosedSchema) -> BTreeMap<String, Vec<ClosedSchema>> {
    let mut places: BTreeMap<String, Vec<ClosedSchema>> = BTreeMap::new();
    for (path, part) in schema::fields(closed) {
        // A part of what is closed is closed; of one that was not, nothing would be shown.
        if let Ok(part) = ClosedSchema::part(part) {
            places.entry(path).or_default().push(part);
        }
    }
    places
}

/// What kind of value it is and how much of it there is, and nothing of what it says.
fn form(value: &Value) -> String {
    let counted = |what: &str, number, of: &str| format!("{what} {}", count_of(number, of));
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(text) => counted("string of", text.chars().count(), "character"),
        Value::Array(items) => counted("array of", items.len(), "item"),
        Value::Object(fields) => counted("object with", fields.len(), "field"),
    }
}

fn input(event: &Event) -> String {
    // One character has at most four bytes: no more than that is looked at.
    let most = event.payload.len().min(4 * (MAX_INPUT + 1));
    printable(&String::from_utf8_lossy(&event.payload[..most]), MAX_INPUT)
}
