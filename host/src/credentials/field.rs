//! The fields of a record's JSON: each read by its own rule, with an error that says what is
//! allowed there and quotes nothing, because a secret may have ended up in the wrong place.
//!
//! Errors made here begin with the field in backquotes. serde's own quote what they found,
//! and none of them begins so: that is how `file` tells which it may pass on.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde_json::Value;

use super::Credential;

/// Of every such file.
pub(crate) const VERSION: u64 = 1;

/// Letters, digits, `_` and `-`: safe in a log line and on a command line.
pub(crate) fn is_id(text: &str) -> bool {
    let fits = (1..=64).contains(&text.len());
    fits && text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// What a person may call a secret.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// Reads any value, so that the rule alone words the error.
pub(crate) fn field<'de, D: Deserializer<'de>, T>(
    input: D,
    rule: &'static str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, D::Error> {
    input.deserialize_any(Field { rule, read })
}

/// Checks a value while its own line is still the parser's: a check after the whole record
/// would be told the line of whatever follows.
struct Field<F> {
    rule: &'static str,
    read: F,
}

impl<F: FnOnce(&Value) -> Option<T>, T> Field<F> {
    fn check<E: Error>(self, value: impl Into<Value>) -> Result<T, E> {
        (self.read)(&value.into()).ok_or_else(|| E::custom(self.rule))
    }
}

impl<'de, F: FnOnce(&Value) -> Option<T>, T> Visitor<'de> for Field<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        self.check(())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        self.check(truth)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.check(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.check(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.check(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.check(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Value>()? {
            list.push(item);
        }
        self.check(list)
    }

    // No field is an object.
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(A::Error::custom(self.rule))
    }
}

pub(crate) fn version<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    field(input, "`version` must be 1", |value| {
        value.as_u64().filter(|version| *version == VERSION)
    })
}

pub(crate) fn id<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let rule = "`id` must be 1 to 64 letters, digits, '_' or '-'";
    field(input, rule, |value| {
        value.as_str().filter(|text| is_id(text)).map(str::to_owned)
    })
}

pub(crate) fn name<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let rule = "`name` must be a text of 1 to 64 characters without control characters";
    field(input, rule, |value| {
        value
            .as_str()
            .filter(|text| is_name(text))
            .map(str::to_owned)
    })
}

pub(crate) fn sha256<'de, D: Deserializer<'de>>(input: D) -> Result<[u8; 32], D::Error> {
    field(
        input,
        "`sha256` must be 64 lower-case hexadecimal digits",
        |value| {
            HEXLOWER
                .decode(value.as_str()?.as_bytes())
                .ok()?
                .try_into()
                .ok()
        },
    )
}

/// A digest as `sha256` reads it.
pub(crate) fn write_sha256<S: Serializer>(digest: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&HEXLOWER.encode(digest))
}

pub(crate) fn created<'de, D: Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
    let rule = "`created` must be a time such as 2026-01-31T12:00:00Z";
    field(input, rule, |value| value.as_str()?.parse().ok())
}

pub(crate) fn revoked<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let rule = "`revoked` must be null or a time such as 2026-01-31T12:00:00Z";
    field(input, rule, time_or_null)
}

pub(crate) fn time_or_null(value: &Value) -> Option<Option<Timestamp>> {
    if value.is_null() {
        Some(None)
    } else {
        value.as_str()?.parse().ok().map(Some)
    }
}

/// The list, refusing doubles while it is read, when the line is still known.
pub(crate) fn list<'de, D, T>(input: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Credential + Deserialize<'de>,
{
    input.deserialize_seq(List(PhantomData))
}

struct List<T>(PhantomData<T>);

impl<'de, T: Credential + Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}s", T::NOUN)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let (mut ids, mut digests) = (HashSet::new(), HashSet::new());
        let mut records: Vec<T> = Vec::new();
        while let Some(record) = items.next_element::<T>()? {
            for (fresh, field) in [
                (ids.insert(record.id().to_owned()), "id"),
                (digests.insert(*record.digest()), "sha256"),
            ] {
                if !fresh {
                    let rule = format!("`{field}` must not be that of an earlier {}", T::NOUN);
                    return Err(A::Error::custom(rule));
                }
            }
            records.push(record);
        }
        Ok(records)
    }
}
