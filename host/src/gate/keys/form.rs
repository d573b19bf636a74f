//! The key file's JSON: what a key's record has beyond every credential's. How a field is
//! read, and why its errors begin as they do, is `credentials`'s.

use jiff::Timestamp;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AtLimit, KeyRecord};
use crate::channel::Pattern;
use crate::credentials::{self, VERSION, field, time_or_null};

/// The most sessions that one key may be given.
pub(crate) const MAX_CONNECTIONS: u32 = 1_000_000;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysFile {
    #[serde(deserialize_with = "credentials::version")]
    version: u64,
    #[serde(deserialize_with = "credentials::list")]
    pub(super) keys: Vec<KeyRecord>,
}

impl KeysFile {
    pub(super) fn new(keys: &[KeyRecord]) -> Self {
        Self {
            version: VERSION,
            keys: keys.to_vec(),
        }
    }
}

pub(super) fn max_connections<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    field(
        input,
        "`max_connections` must be a whole number from 1 to 1000000",
        |value| {
            let number = u32::try_from(value.as_u64()?).ok()?;
            (1..=MAX_CONNECTIONS).contains(&number).then_some(number)
        },
    )
}

pub(super) fn at_limit<'de, D: Deserializer<'de>>(input: D) -> Result<AtLimit, D::Error> {
    let rule = "`at_limit` must be \"refuse\" or \"replace-oldest\"";
    field(input, rule, |value| AtLimit::deserialize(value).ok())
}

pub(super) fn channels<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Vec<Pattern>>, D::Error> {
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

pub(super) fn expires<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let rule = "`expires` must be null or a time such as 2026-01-31T12:00:00Z";
    field(input, rule, time_or_null)
}
