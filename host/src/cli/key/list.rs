//! `tidegate key list`: every key of the file and its state, for people or for programs.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;

use super::{ListArgs, advise};
use crate::gate::keys::{self, KeyRecord};

/// Writes the table, or the JSON.
pub(super) fn run(args: &ListArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    let all = keys::read(&args.file.keys_file).map_err(|error| advise(error.into()))?;
    let told = if args.json {
        let all: Vec<_> = all.iter().map(|key| json_of(key, now)).collect();
        writeln!(out, "{:#}", serde_json::Value::Array(all))
    } else {
        writeln!(out, "{}", table_of(&all, now))
    };
    // A reader such as `head` may have had enough.
    told.or_else(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    Ok(())
}

fn table_of(all: &[KeyRecord], now: Timestamp) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "ID",
        "NAME",
        "STATE",
        "CONNECTIONS",
        "CHANNELS",
        "CREATED",
        "EXPIRES",
    ]);
    for key in all {
        table.add_row([
            key.id.clone(),
            key.name.clone(),
            state(key, now).to_owned(),
            key.max_connections.to_string(),
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
pub(super) fn channels(key: &KeyRecord, all: &str) -> String {
    match &key.channels {
        None => all.to_owned(),
        Some(list) => list
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    }
}
