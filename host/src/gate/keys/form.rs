//! The key file's JSON: each field read by its own rule, with an error that says what is
//! allowed there and quotes nothing, because a key may have ended up in the wrong place.
//!
//! Errors made here begin with the field in backquotes. serde's own quote what they found,
//! and none of them begins so: that is how `file` tells which it may pass on.

use std::collections::HashSet;
use std::fmt;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KeyRecord;
use crate::channel::Pattern;

const VERSION: u64 = 1;

/// The most sessions that one key may be given.
pub(crate) const MAX_CONNECTIONS: u32 = 1_000_000;

/// The file as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    #[serde(rename = "version", deserialize_with = "version")]
    _version: (),
    #[serde(deserialize_with = "keys")]
    pub(super) keys: Vec<KeyRecord>,
}

/// The file as it is written.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    version: u64,
    keys: Vec<WrittenKey<'a>>,
}

#[derive(Serialize)]
struct WrittenKey<'a> {
    id: &'a str,
    name: &'a str,
    sha256: String,
    max_connections: u32,
    channels: &'a Option<Vec<Pattern>>,
    created: Timestamp,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
}

impl<'a> Written<'a> {
    pub(super) fn new(keys: &'a [KeyRecord]) -> Self {
        let keys = keys.iter().map(|key| WrittenKey {
            id: &key.id,
            name: &key.name,
            sha256: HEXLOWER.encode(&key.sha256),
            max_connections: key.max_connections,
            channels: &key.channels,
            created: key.created,
            expires: key.expires,
            revoked: key.revoked,
        });
        Self {
            version: VERSION,
            keys: keys.collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(deserialize_with = "id")]
    id: String,
    #[serde(deserialize_with = "name")]
    name: String,
    #[serde(deserialize_with = "sha256")]
    sha256: [u8; 32],
    #[serde(deserialize_with = "max_connections")]
    max_connections: u32,
    #[serde(default, deserialize_with = "channels")]
    channels: Option<Vec<Pattern>>,
    #[serde(deserialize_with = "created")]
    created: Timestamp,
    #[serde(default, deserialize_with = "expires")]
    expires: Option<Timestamp>,
    #[serde(default, deserialize_with = "revoked")]
    revoked: Option<Timestamp>,
}

/// Letters, digits, `_` and `-`: safe in a log line and on a command line.
fn is_id(text: &str) -> bool {
    let fits = (1..=64).contains(&text.len());
    fits && text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// What a person may call a key.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// Reads any value, so that the rule alone words the error.
fn field<'de, D: Deserializer<'de>, T>(
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

fn version<'de, D: Deserializer<'de>>(input: D) -> Result<(), D::Error> {
    field(input, "`version` must be 1", |value| {
        (value.as_u64()? == VERSION).then_some(())
    })
}

fn id<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let rule = "`id` must be 1 to 64 letters, digits, '_' or '-'";
    field(input, rule, |value| {
        value.as_str().filter(|text| is_id(text)).map(str::to_owned)
    })
}

fn name<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let rule = "`name` must be a text of 1 to 64 characters without control characters";
    field(input, rule, |value| {
        value
            .as_str()
            .filter(|text| is_name(text))
            .map(str::to_owned)
    })
}

fn sha256<'de, D: Deserializer<'de>>(input: D) -> Result<[u8; 32], D::Error> {
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

fn max_connections<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    field(
        input,
        "`max_connections` must be a whole number from 1 to 1000000",
        |value| {
            let number = u32::try_from(value.as_u64()?).ok()?;
            (1..=MAX_CONNECTIONS).contains(&number).then_some(number)
        },
    )
}

fn channels<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<Pattern>>, D::Error> {
    let rule = "`channels` must be null, for all, or a list of at least one pattern such as \
                \"ticks:*:1h\"";
    field(input, rule, |value| match value {
        Value::Null => Some(None),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| item.as_str()?.parse().ok())
            .collect::<Option<_>>()
            .map(Some),
        _ => None,
    })
}

fn created<'de, D: Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
    let rule = "`created` must be a time such as 2026-01-31T12:00:00Z";
    field(input, rule, |value| value.as_str()?.parse().ok())
}

fn expires<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let rule = "`expires` must be null or a time such as 2026-01-31T12:00:00Z";
    field(input, rule, time_or_null)
}

fn revoked<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let rule = "`revoked` must be null or a time such as 2026-01-31T12:00:00Z";
    field(input, rule, time_or_null)
}

fn time_or_null(value: &Value) -> Option<Option<Timestamp>> {
    if value.is_null() {
        Some(None)
    } else {
        value.as_str()?.parse().ok().map(Some)
    }
}

/// The list, refusing doubles while it is read, when the line is still known.
fn keys<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<KeyRecord>, D::Error> {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<KeyRecord>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of keys")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<KeyRecord>, A::Error> {
            let (mut ids, mut digests) = (HashSet::new(), HashSet::new());
            let mut keys = Vec::new();
            while let Some(record) = items.next_element::<Record>()? {
                if !ids.insert(record.id.clone()) {
                    return Err(A::Error::custom("`id` must not be that of an earlier key"));
                }
                if !digests.insert(record.sha256) {
                    return Err(A::Error::custom(
                        "`sha256` must not be that of an earlier key",
                    ));
                }
                keys.push(record.into());
            }
            Ok(keys)
        }
    }

    input.deserialize_seq(Keys)
}

impl From<Record> for KeyRecord {
    fn from(record: Record) -> Self {
        let Record {
            id,
            name,
            sha256,
            max_connections,
            channels,
            created,
            expires,
            revoked,
        } = record;
        Self {
            id,
            name,
            sha256,
            max_connections,
            channels,
            created,
            expires,
            revoked,
        }
    }
}
