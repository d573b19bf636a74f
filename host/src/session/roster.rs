//! Who is connected: for operators, and to number the sessions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;

use crate::gate::Grant;
use crate::hub::{Figures, Outbox, SubscriberId};
use crate::metrics::Metrics;

/// The live sessions; bounded by the number of connections.
#[derive(Debug)]
pub struct Roster {
    live: Mutex<BTreeMap<SubscriberId, Entry>>,
    next: AtomicU64,
    metrics: Metrics,
}

#[derive(Debug)]
struct Entry {
    remote: SocketAddr,
    key_id: String,
    key_name: String,
    since: Timestamp,
    outbox: Arc<Outbox>,
}

/// One live session, as operators see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    id: u64,
    remote: SocketAddr,
    key_id: String,
    key_name: String,
    since: Timestamp,
    #[serde(flatten)]
    figures: Figures,
}

/// A session's place in the roster; dropping it takes the session off.
#[derive(Debug)]
pub(super) struct Presence<'a> {
    roster: &'a Roster,
    pub(super) id: SubscriberId,
}

impl Roster {
    pub fn new(metrics: Metrics) -> Self {
        Self {
            live: Mutex::default(),
            next: AtomicU64::new(1),
            metrics,
        }
    }

    pub(super) fn enter(
        &self,
        remote: SocketAddr,
        grant: &Grant,
        outbox: &Arc<Outbox>,
    ) -> Presence<'_> {
        let id = SubscriberId(self.next.fetch_add(1, Ordering::Relaxed));
        let entry = Entry {
            remote,
            key_id: grant.key_id.clone(),
            key_name: grant.key_name.clone(),
            since: Timestamp::now(),
            outbox: outbox.clone(),
        };
        self.live.lock().insert(id, entry);
        self.metrics.connections.inc();
        Presence { roster: self, id }
    }

    /// All live sessions, oldest first.
    pub fn list(&self) -> Vec<Listed> {
        let live = self.live.lock();
        live.iter()
            .map(|(id, entry)| Listed {
                id: id.0,
                remote: entry.remote,
                key_id: entry.key_id.clone(),
                key_name: entry.key_name.clone(),
                since: entry.since,
                figures: entry.outbox.figures(),
            })
            .collect()
    }

    /// Bytes that wait for all sessions together.
    pub fn outbox_bytes(&self) -> usize {
        self.live
            .lock()
            .values()
            .map(|entry| entry.outbox.figures().waiting_bytes)
            .sum()
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.roster.live.lock().remove(&self.id);
        self.roster.metrics.connections.dec();
    }
}
