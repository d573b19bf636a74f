//! An event's payload: a JSON object whose fields are looked at one by one.
//!
//! Fields keep their text until they are asked for, so numbers lose nothing, and fields that
//! nobody asks for cost nothing but their syntax check.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::number::{MAX_PLAIN, Number, is_plain};
use crate::{Rejection, reject, timestamp};

/// Room for the fields of an event of the usual size.
const FIELDS: usize = 16;

/// A JSON object, with its fields as text.
pub struct Payload<'a>(Vec<(Name<'a>, &'a RawValue)>);

impl<'a> Payload<'a> {
    /// Reads `bytes`, which must be one JSON object and nothing more.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Rejection> {
        // Checked as a whole, which is quicker than each field by itself.
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| reject::malformed("the payload must be a JSON object"))
    }

    /// The JSON text of a field. `None` where it is absent or null; where it is there more
    /// than once, the last one counts.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| key.0 == name)?;
        Some(value.get()).filter(|text| *text != "null")
    }

    /// The names of all fields, as they come.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.0.as_ref())
    }

    /// The JSON text of a field that must be there.
    pub fn required(&self, name: &str) -> Result<&'a str, Rejection> {
        self.field(name).ok_or_else(|| reject::missing(name))
    }

    /// A field that must be a string.
    pub fn text(&self, name: &str) -> Result<Cow<'a, str>, Rejection> {
        string(self.required(name)?).ok_or_else(|| reject::invalid(name, "a string"))
    }

    /// A field that must be a number, or a string that holds exactly a number: in plain
    /// notation, to the last digit.
    pub fn decimal(&self, name: &str) -> Result<Cow<'a, str>, Rejection> {
        let text = match self.required(name)? {
            json if json.starts_with('"') => string(json),
            json => Some(Cow::Borrowed(json)),
        };
        let plain = |text: Cow<'a, str>| match is_plain(&text) {
            true => Some(text),
            false => Number::parse(&text)?.plain().map(Cow::Owned),
        };
        text.and_then(plain).ok_or_else(|| {
            let expected = format!("a number that takes at most {MAX_PLAIN} characters");
            reject::invalid(name, &expected)
        })
    }

    /// A field that must be a whole number of milliseconds since 1970, as ISO 8601.
    pub fn milliseconds(&self, name: &str) -> Result<String, Rejection> {
        let json = self.required(name)?;
        let whole = match is_plain(json) {
            true => json.parse().ok(),
            false => Number::parse(json)
                .and_then(|number| number.plain())
                .and_then(|plain| plain.parse().ok()),
        };
        whole.and_then(timestamp::from_milliseconds).ok_or_else(|| {
            reject::invalid(name, "whole milliseconds since 1970, up to the year 9999")
        })
    }

    /// A field that must be an RFC 3339 timestamp, as ISO 8601 in UTC.
    pub fn instant(&self, name: &str) -> Result<String, Rejection> {
        let text = self.text(name)?;
        timestamp::from_rfc3339(&text)
            .ok_or_else(|| reject::invalid(name, "an RFC 3339 timestamp with an offset"))
    }
}

/// The value of a JSON text that is a string.
pub fn string(json: &str) -> Option<Cow<'_, str>> {
    let between_quotes = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let is_itself = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if let Some(text) = between_quotes
        && text.bytes().all(is_itself)
    {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str(json).ok().map(|Name(text)| text)
}

/// A string that is copied only where it has escapes in it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Payload<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Payload<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(FIELDS);
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Payload(fields))
    }
}

#[cfg(test)]
mod tests;
