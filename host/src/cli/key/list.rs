//! `tidegate key list`: every key of the file or of Redis and its state, for people or for programs.

use std::io::Write;

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;

use super::ListKeysArgs;
use crate::cli::credentials as records;
use crate::credentials::Credential;
use crate::gate::keys::KeyRecord;

/// Writes the table, or the JSON.
pub(super) fn run(args: ListKeysArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    let keys = args.place.place()?.read()?;
    let rows = keys.iter().map(|key| json_of(key, now)).collect();
    records::tell(out, args.json, &table_of(&keys, now), rows)
}

fn table_of(keys: &[KeyRecord], now: Timestamp) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "ID",
        "NAME",
        "STATE",
        "CONNECTIONS",
        "AT LIMIT",
        "CHANNELS",
        "CREATED",
        "EXPIRES",
    ]);
    for key in keys {
        table.add_row([
            key.id.clone(),
            key.name.clone(),
            state(key, now).to_owned(),
            key.max_connections.to_string(),
            key.at_limit.word().to_owned(),
            channels(key, "all"),
            key.created.to_string(),
            key.expires
                .map_or("never".to_owned(), |time| time.to_string()),
        ]);
    }
    table
}

fn json_of(key: &KeyRecord, now: Timestamp) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "state": state(key, now),
        "max_connections": key.max_connections,
        "at_limit": key.at_limit,
        "channels": key.channels,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    })
}

fn state(key: &KeyRecord, now: Timestamp) -> &'static str {
    match key.revoked {
        Some(_) => "revoked",
        None if key.in_force(now) => "in force",
        None => "expired",
    }
}

/// What the key may subscribe to, in words.
pub(super) fn channels(key: &KeyRecord, every_channel: &str) -> String {
    match &key.channels {
        None => every_channel.to_owned(),
        Some(list) => list
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    }
}
