//! Differences of two closed schemas, field by field.
//!
//! Sound: where a value fits the new schema and not the old one, there is a change that is
//! wider or breaking. More values of a JSON type that was possible before are wider; a type
//! that was not is breaking, as no client was ever asked to read it. What cannot be decided
//! (alternatives that differ) is both. `ClosedSchema` says which schemas there are.

mod bounds;
mod fields;
mod form;
mod nested;
mod types;
mod words;

use serde_json::Value;

pub use self::fields::{field, fields};
use self::form::{SchemaForm, canonical};
use self::types::Types;
use self::words::shape;
use super::{Changes, list};
use crate::revision::change::Area;
use crate::transform::{ClosedSchema, NOTES};

/// How the whole of a message's data is called.
const ALL: &str = "(data)";

/// All fields of a schema of messages: the path, what may stand there in words, and the schema
/// of it.
pub(crate) fn fields_in_words(schema: &ClosedSchema) -> Vec<(String, String, &Value)> {
    let fields = fields(schema).into_iter();
    fields.map(|(path, of)| (path, shape(of), of)).collect()
}

/// Adds what is different between the schemas of the messages' data.
pub(super) fn compare(from: &ClosedSchema, to: &ClosedSchema, found: &mut Changes) {
    Walk { found }.node("", from.document(), to.document());
}

/// A walk through two schemas at once.
struct Walk<'a> {
    found: &'a mut Changes,
}

impl Walk<'_> {
    /// Compares what may stand at one place. `at` is its path, empty for the whole.
    fn node(&mut self, at: &str, from: &Value, to: &Value) {
        if from == to {
            return;
        }
        match (SchemaForm::of(from), SchemaForm::of(to)) {
            (SchemaForm::Typed(old), SchemaForm::Typed(new)) => {
                self.described(at, from, to);
                self.typed(at, from, to);
                self.unknown(at, old, new);
            }
            (SchemaForm::Values(old), SchemaForm::Values(new)) => {
                self.described(at, from, to);
                self.values(at, &old, &new);
            }
            (SchemaForm::Values(old), SchemaForm::Typed(_)) => {
                self.described(at, from, to);
                self.no_longer_listed(at, &old, from, to);
            }
            (SchemaForm::Typed(_), SchemaForm::Values(new)) => {
                self.described(at, from, to);
                self.listed_now(at, from, &new, to);
            }
            (old, new) => {
                let each = (old.alternatives(from), new.alternatives(to));
                self.alternatives(at, each, from, to);
            }
        }
    }

    fn described(&mut self, at: &str, from: &Value, to: &Value) {
        if NOTES.iter().any(|note| from.get(note) != to.get(note)) {
            self.note(at, "described anew");
        }
    }

    /// A keyword that nothing here knows could mean anything. Schemas that were checked have
    /// none; this holds if that check ever learns one.
    fn unknown(&mut self, at: &str, from: &form::Keywords, to: &form::Keywords) {
        let closed = |keyword: &str| {
            keyword == "additionalProperties"
                && to.get(keyword).is_none_or(|schema| schema == false)
        };
        for keyword in from.keys().chain(to.keys()).map(String::as_str) {
            let known =
                form::KNOWN.contains(&keyword) || NOTES.contains(&keyword) || closed(keyword);
            if !known && from.get(keyword) != to.get(keyword) {
                let what = format!("\"{keyword}\" changed, which cannot be judged");
                self.both(at, &what);
            }
        }
    }

    fn typed(&mut self, at: &str, from: &Value, to: &Value) {
        let (old, new) = (Types::stated(from), Types::stated(to));
        if !new.within(old) {
            let what = format!("{}, was {}", shape(to), shape(from));
            self.breaking(at, &what);
            self.nested_in_new_types(at, old, to);
        } else if old != new {
            let what = format!("{} only, was {}", new.words(), old.words());
            self.note(at, &what);
        }
        if old.string && new.string {
            self.strings(at, from, to);
        }
        if old.has_numbers() && new.has_numbers() {
            self.numbers(at, from, to);
        }
        if old.array && new.array {
            self.arrays(at, from, to);
        }
        if old.object && new.object {
            self.objects(at, from, to);
        }
    }

    fn values(&mut self, at: &str, from: &[&Value], to: &[&Value]) {
        let known = Types::of_values(from);
        let added = to.iter().copied().filter(|value| !from.contains(value));
        let (familiar, foreign): (Vec<&Value>, Vec<&Value>) =
            added.partition(|value| Types::of_values(&[value]).within(known));
        if !foreign.is_empty() {
            let what = format!("also {}, of another type than before", json(&foreign));
            self.breaking(at, &what);
        }
        if !familiar.is_empty() {
            self.wider(at, &format!("also {}", json(&familiar)));
        }
        let gone: Vec<_> = from.iter().filter(|value| !to.contains(value)).collect();
        if !gone.is_empty() {
            self.note(at, &format!("no longer {}", json(&gone)));
        }
    }

    fn no_longer_listed(&mut self, at: &str, listed: &[&Value], from: &Value, to: &Value) {
        let (old, new) = (Types::of_values(listed), Types::stated(to));
        let what = format!("{}, was {}", shape(to), shape(from));
        if !new.within(old) {
            self.breaking(at, &what);
            self.nested_in_new_types(at, old, to);
        }
        if new.meets(old) {
            self.wider(at, &what);
        }
    }

    fn listed_now(&mut self, at: &str, from: &Value, listed: &[&Value], to: &Value) {
        let what = format!("{}, was {}", shape(to), shape(from));
        // A part that cannot be compiled on its own lets nothing pass as known.
        let before = ClosedSchema::part(from).ok();
        let fits = |value: &Value| before.as_ref().is_some_and(|before| before.allows(value));
        let new: Vec<&Value> = listed
            .iter()
            .copied()
            .filter(|value| !fits(value))
            .collect();
        let old = Types::stated(from);
        let (familiar, foreign): (Vec<&Value>, Vec<&Value>) = new
            .into_iter()
            .partition(|value| Types::of_values(&[value]).within(old));
        if !foreign.is_empty() {
            self.breaking(at, &what);
        }
        if !familiar.is_empty() {
            self.wider(at, &what);
        }
        if foreign.is_empty() && familiar.is_empty() {
            self.note(at, &what);
        }
    }

    /// `anyOf` and `oneOf`, on either side or both.
    fn alternatives(
        &mut self,
        at: &str,
        each: (Option<Vec<&Value>>, Option<Vec<&Value>>),
        from: &Value,
        to: &Value,
    ) {
        if canonical(from, false) == canonical(to, false) {
            if canonical(from, true) != canonical(to, true) {
                self.note(at, "described anew");
            }
            return;
        }
        let what = format!("{}, was {}", shape(to), shape(from));
        // What fits two alternatives of a `oneOf` does not fit it: taking one away can let
        // more through, so there is nothing to be told from the parts.
        let (Some(old), Some(new)) = each else {
            return self.both(at, &format!("{what}; what that changes cannot be judged"));
        };
        let beyond = |these: &[&Value], those: &[&Value]| -> Vec<Value> {
            let those: Vec<_> = those
                .iter()
                .map(|schema| canonical(schema, false))
                .collect();
            let these = these.iter().copied();
            these
                .filter(|schema| !those.contains(&canonical(schema, false)))
                .cloned()
                .collect()
        };
        match (&*beyond(&old, &new), &*beyond(&new, &old)) {
            (_, []) => self.note(at, &format!("fewer alternatives: {what}")),
            ([old], [new]) => self.node(at, old, new),
            _ => self.both(at, &format!("{what}; what that changes cannot be judged")),
        }
    }

    fn note(&mut self, at: &str, what: &str) {
        self.found.note(Area::Field, subject(at), what);
    }

    fn wider(&mut self, at: &str, what: &str) {
        self.found.wider(Area::Field, subject(at), what);
    }

    fn breaking(&mut self, at: &str, what: &str) {
        self.found.breaking(Area::Field, subject(at), what);
    }

    fn both(&mut self, at: &str, what: &str) {
        self.found.both(Area::Field, subject(at), what);
    }
}

fn subject(at: &str) -> &str {
    if at.is_empty() { ALL } else { at }
}

fn json(values: &[impl ToString]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    list(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
