//! The way of messages from ingest hosts to edge hosts, where not every host does everything: through
//! sharded channels of Redis, one for each public channel.
//!
//! ```text
//! ingest: lanes ─► outbox ─► Redis (number, once) ─► edge: hub ─► loops
//! ```
//! Ingest hosts make and guard messages; a script gives the first of two equal ones its number. Edge
//! hosts subscribe to what their sessions ask for, and number nothing.

mod beats;
mod blocked;
mod channels;
mod commands;
mod dispatch;
mod edge;
mod families;
mod form;
mod held;
mod inbox;
mod ingest;
mod link;
mod names;
mod owners;
mod presence;
mod pushes;
mod record;
mod server_clock;
mod shards;
mod start;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::edge::Edge;
pub use self::ingest::Ingest;
pub use self::names::acl_rules;
use self::record::IngestRecord;
use crate::settings::Settings;
use crate::upstream::redis::machine_name;

/// How long Redis may take to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest record of an ingest host that is read, in bytes.
const MAX_RECORD: usize = 1 << 20;

/// What ingest and edge hosts were told.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// Of the fleet, whose ingest and edge hosts belong together.
    name: String,
    /// What this host is called.
    host: String,
    last_size: usize,
    max_channels: usize,
    /// The largest message that an edge host takes, in bytes.
    max_message: usize,
    linger: Duration,
}

impl RelaySettings {
    pub fn of(settings: &Settings) -> Self {
        Self {
            name: settings.fleet_name.clone(),
            host: settings.host_name.clone().unwrap_or_else(machine_name),
            last_size: settings.relay_last_size,
            max_channels: settings.max_channels,
            max_message: settings.max_event_size,
            linger: settings.relay_linger,
        }
    }
}

/// What ingest hosts say of themselves. What cannot be read was written by another version, and
/// counts as nobody.
fn read_records(texts: &BTreeMap<String, String>) -> Vec<IngestRecord> {
    let texts = texts.values().filter(|text| text.len() <= MAX_RECORD);
    texts
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect()
}
