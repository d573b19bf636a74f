//! The closed schema of what a component publishes, and the types that have one.
//!
//! [`PublicData`] is derived: fields, their bounds and what the schema says of them stand in one
//! place, and what is not there cannot be published.

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::{Message, number, timestamp};

/// The dialect that the contract has.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Data with a closed schema, which is written as that schema says.
///
/// `#[derive(PublicData)]` gives it to a struct with named fields and to an enum of units. A doc
/// comment is a field's description. What a field needs depends on its type:
///
/// | type | in `#[public(…)]` |
/// |---|---|
/// | text (`String`, `&str`, `Cow<str>`) | one of `decimal`, `timestamp`, `max_length = 64` and `pattern = "^…$"` or either, `one_of = ["a", "b"]`, `constant = "a"` |
/// | an integer up to 32 bits | nothing, or `minimum = 0`, `maximum = 100` |
/// | an integer of 64 bits | `minimum` and `maximum`: numbers travel as doubles |
/// | `bool`, another struct or enum with `PublicData` | nothing |
/// | `Option<T>` | what `T` needs; it is left out where it is `None` |
/// | `Vec<T>` | `max_items = 10`, and what `T` needs |
///
/// All take `name = "…"`, `title = "…"` and `example = …`. Where a struct has a title, its fields
/// have theirs by their names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no closed schema",
    label = "nothing says what may be published of this",
    note = "derive `PublicData` for it; text says its form in `#[public(…)]`: `decimal`, `timestamp`, `max_length`, `pattern`, `one_of` or `constant`"
)]
pub trait PublicData: Serialize {
    /// What the data may be.
    fn schema() -> Schema;
}

/// A message type whose data is `T`.
pub fn message<T: PublicData>(message_type: &str) -> Message {
    Message {
        message_type: message_type.to_owned(),
        data_schema: text::<T>(),
    }
}

/// The schema of `T` as a `data-schema` has it.
pub fn text<T: PublicData>() -> String {
    let mut schema = T::schema();
    schema.words.insert(0, ("$schema", raw(DIALECT)));
    // Words and values are text already, so there is nothing that JSON cannot carry.
    serde_json::to_string(&schema).unwrap_or_default()
}

/// A closed schema: its words with their values, in the order that people read them.
#[derive(Debug)]
pub struct Schema {
    words: Vec<(&'static str, Box<RawValue>)>,
}

/// A field of an object.
#[derive(Debug)]
pub struct Property {
    /// The name that the field has in JSON.
    pub name: &'static str,
    /// Whether the field is always there.
    pub needed: bool,
    pub schema: Schema,
}

impl Schema {
    fn of_type(name: &str) -> Self {
        Self { words: Vec::new() }.with("type", name)
    }

    /// Text, which has no bound yet.
    pub fn text() -> Self {
        Self::of_type("string")
    }

    /// What [`Payload::decimal`](crate::Payload::decimal) gives.
    pub fn decimal() -> Self {
        Self::text()
            .with("maxLength", number::MAX_PLAIN)
            .with("pattern", number::PATTERN)
    }

    /// What [`timestamp`] writes.
    pub fn timestamp() -> Self {
        Self::text()
            .with("maxLength", timestamp::LENGTH)
            .with("pattern", timestamp::PATTERN)
    }

    /// A whole number within these bounds.
    pub fn integer(minimum: i64, maximum: i64) -> Self {
        Self::of_type("integer")
            .with("minimum", minimum)
            .with("maximum", maximum)
    }

    pub fn boolean() -> Self {
        Self::of_type("boolean")
    }

    /// At most `max_items` of what `items` describes.
    pub fn list(items: &Self, max_items: u32) -> Self {
        Self::of_type("array")
            .with("maxItems", max_items)
            .with("items", items)
    }

    /// These fields and no others.
    pub fn object(properties: &[Property]) -> Self {
        let needed = properties.iter().filter(|property| property.needed);
        let needed: Vec<&str> = needed.map(|property| property.name).collect();
        Self::of_type("object")
            .with("additionalProperties", false)
            .with("required", needed)
            .with("properties", Properties(properties))
    }

    /// With another word of the contract's vocabulary, in place of the value that it had.
    #[must_use]
    pub fn with(mut self, word: &'static str, value: impl Serialize) -> Self {
        let value = raw(value);
        match self.words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, known)) => *known = value,
            // A title and a description are read first.
            None if word == "title" => self.words.insert(0, (word, value)),
            None if word == "description" => {
                let titled = self
                    .words
                    .first()
                    .is_some_and(|(first, _)| *first == "title");
                self.words.insert(usize::from(titled), (word, value));
            }
            None => self.words.push((word, value)),
        }
        self
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.words.iter().map(|(word, value)| (word, value)))
    }
}

struct Properties<'a>(&'a [Property]);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let properties = self.0.iter();
        serializer.collect_map(properties.map(|property| (property.name, &property.schema)))
    }
}

/// Text, numbers, and lists of them, none of which JSON refuses.
fn raw(value: impl Serialize) -> Box<RawValue> {
    to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests;
