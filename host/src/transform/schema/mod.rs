//! A closed JSON Schema: nothing fits it that its author did not name.
//!
//! There is one form of it, and only the check makes it: what was understood, each keyword at
//! its place, and nothing else. The guard enforces that form, and plans, comparisons, documents
//! and answers read it. Its meaning is JSON Schema 2020-12's; validation is the `jsonschema`
//! crate's, but for patterns, which are `whole_match`'s, and for what `plain` can tell.

mod check;
mod keywords;
mod node;
mod plain;
mod width;

use std::sync::Arc;

use jsonschema::{Keyword, ValidationError, Validator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use self::check::Patterns;
use self::node::Node;
use self::plain::Plain;
pub use self::width::Width;
use super::whole_match::WholeMatch;

/// Keywords that describe and do not decide.
pub(crate) const NOTES: [&str; 5] = ["title", "description", "examples", "deprecated", "default"];

/// A schema that was checked, with the validator that was built from what the check understood.
#[derive(Debug, Clone)]
pub struct ClosedSchema(Arc<Closed>);

#[derive(Debug)]
struct Closed {
    document: Value,
    validator: Validator,
    /// The quick way, where there is one.
    plain: Option<Plain>,
}

/// Why data does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockReason {
    /// It is not JSON.
    Json,
    /// It is not what the schema describes.
    Schema,
}

/// Where data is not what a schema describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// A JSON pointer into the data. It holds positions and names that the schema declares, and
    /// no other: what lies below an undeclared name is not looked into.
    pub pointer: String,
    /// What does not hold there.
    pub keyword: String,
}

impl ClosedSchema {
    /// The schema of a message's data, which is an object.
    ///
    /// # Errors
    /// One sentence for each thing that is wrong, with the place as a JSON pointer.
    pub fn parse(stated: &Value) -> Result<Self, Vec<String>> {
        Self::of(check::of_data(stated)?)
    }

    /// A part of a closed schema, on its own. Checked like the whole, so that nothing can be
    /// validated against what was not.
    ///
    /// # Errors
    /// As `parse`.
    pub(crate) fn part(stated: &Value) -> Result<Self, Vec<String>> {
        Self::of(check::of_part(stated)?)
    }

    fn of((root, patterns): (Node, Patterns)) -> Result<Self, Vec<String>> {
        let plain = Plain::of(&root, &patterns);
        let validator = validator(&root.enforced(), patterns)
            .map_err(|error| vec![format!("not a JSON Schema: {error}")])?;
        Ok(Self(Arc::new(Closed {
            document: root.document(),
            validator,
            plain,
        })))
    }

    /// Whether `data` is what the schema describes.
    pub fn allows(&self, data: &Value) -> bool {
        self.0.validator.is_valid(data)
    }

    /// Writes data as it may leave, where it is what the schema describes. What is written is
    /// what was judged, and never the author's text as it came: a name that stands twice in it
    /// would show the validator one value and a client another.
    ///
    /// # Errors
    /// Why it may not leave; nothing is written then.
    pub fn write(&self, data: &str, to: &mut String) -> Result<(), BlockReason> {
        let plain = self.0.plain.as_ref();
        if plain.is_some_and(|plain| plain.certainly_allows(data)) {
            // Known to be what the rest of this would write.
            to.push_str(data);
            return Ok(());
        }
        let data: Value = serde_json::from_str(data).map_err(|_| BlockReason::Json)?;
        if !self.allows(&data) {
            return Err(BlockReason::Schema);
        }
        to.push_str(&data.to_string());
        Ok(())
    }

    /// Where data is not what the schema describes; none where it is, or where it is not JSON.
    pub(crate) fn offence(&self, data: &str) -> Option<Offence> {
        let data: Value = serde_json::from_str(data).ok()?;
        let error = self.0.validator.validate(&data).err()?;
        let (_, keyword) = error.schema_path().as_str().rsplit_once('/')?;
        Some(Offence {
            pointer: error.instance_path().as_str().to_owned(),
            keyword: keyword.to_owned(),
        })
    }

    /// What is enforced, as JSON Schema 2020-12, with its author's descriptions.
    pub fn document(&self) -> &Value {
        &self.0.document
    }
}

impl PartialEq for ClosedSchema {
    fn eq(&self, schema: &Self) -> bool {
        self.0.document == schema.0.document
    }
}

impl Serialize for ClosedSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ClosedSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stated = Value::deserialize(deserializer)?;
        Self::parse(&stated).map_err(|faults| serde::de::Error::custom(faults.join("; ")))
    }
}

/// Patterns are the very ones that the check judged; `jsonschema` never reads their text.
fn validator(enforced: &Value, patterns: Patterns) -> Result<Validator, String> {
    let judged = move |pattern: &Value| patterns.get(pattern.as_str()?).cloned();
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .with_keyword("pattern", move |_, pattern, _| match judged(pattern) {
            Some(whole) => Ok(Box::new(Matcher(whole))),
            None => Err(ValidationError::custom("a pattern that was not judged")),
        })
        .build(enforced)
        .map_err(|error| error.to_string())
}

struct Matcher(WholeMatch);

impl<'i> Keyword<'i> for Matcher {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("not like the pattern")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_str().is_none_or(|text| self.0.is_match(text))
    }
}

#[cfg(test)]
pub(crate) mod random;
#[cfg(test)]
mod tests;
