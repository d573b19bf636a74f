//! Who is connected: for operators, who may also end a session, and to number the sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::gate::Grant;
use crate::hub::{Figures, Outbox, SubscriberId};
use crate::listener::Remote;
use crate::metrics::Metrics;

/// The sessions that have a connection; bounded by the number of connections.
#[derive(Debug)]
pub struct Roster {
    entries: Mutex<BTreeMap<SubscriberId, Entry>>,
    next: AtomicU64,
    metrics: Metrics,
}

#[derive(Debug)]
struct Entry {
    remote: Remote,
    key_id: String,
    key_name: String,
    since: Timestamp,
    subscriptions: Arc<AtomicUsize>,
    outbox: Arc<Outbox>,
    /// Dropped when an operator ends the session; none when it is over and only says
    /// goodbye. Operators do not see it then.
    live: Option<oneshot::Sender<()>>,
}

/// One live session, as operators see it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    pub id: u64,
    #[schemars(with = "String")]
    pub remote: Remote,
    pub key_id: String,
    pub key_name: String,
    pub since: Timestamp,
    /// How many channels and patterns it holds.
    pub subscriptions: usize,
    #[serde(flatten)]
    pub figures: Figures,
}

/// A session's place in the roster; dropping it takes the session off.
#[derive(Debug)]
pub(crate) struct Presence<'a> {
    roster: &'a Roster,
    pub(super) id: SubscriberId,
    /// How many subscriptions the session holds; the session keeps it true.
    pub(super) subscriptions: Arc<AtomicUsize>,
    closed: oneshot::Receiver<()>,
}

impl Roster {
    pub fn new(metrics: Metrics) -> Self {
        Self {
            entries: Mutex::default(),
            next: AtomicU64::new(1),
            metrics,
        }
    }

    pub(super) fn enter(
        &self,
        remote: Remote,
        grant: &Grant,
        outbox: &Arc<Outbox>,
    ) -> Presence<'_> {
        let id = SubscriberId(self.next.fetch_add(1, Ordering::Relaxed));
        let subscriptions = Arc::<AtomicUsize>::default();
        let (live, closed) = oneshot::channel();
        let entry = Entry {
            remote,
            key_id: grant.key_id.clone(),
            key_name: grant.key_name.clone(),
            since: Timestamp::now(),
            subscriptions: subscriptions.clone(),
            outbox: outbox.clone(),
            live: Some(live),
        };
        self.entries.lock().insert(id, entry);
        self.metrics.connections.inc();
        Presence {
            roster: self,
            id,
            subscriptions,
            closed,
        }
    }

    /// All live sessions, oldest first.
    pub fn list(&self) -> Vec<Listed> {
        let entries = self.entries.lock();
        let live = entries.iter().filter(|(_, entry)| entry.live.is_some());
        live.map(|(id, entry)| entry.listed(*id)).collect()
    }

    /// Ends a session on behalf of an operator, and says which it was; `None` where there is
    /// no live one of that number.
    pub fn close(&self, id: u64) -> Option<Listed> {
        let id = SubscriberId(id);
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(&id)?;
        entry.end(&self.metrics).then(|| entry.listed(id))
    }

    /// Where a session comes from, while it is there.
    pub(super) fn remote(&self, id: SubscriberId) -> Option<Remote> {
        self.entries.lock().get(&id).map(|entry| entry.remote)
    }

    /// Bytes that wait for all sessions together.
    pub fn outbox_bytes(&self) -> usize {
        self.entries
            .lock()
            .values()
            .map(|entry| entry.outbox.figures().waiting_bytes)
            .sum()
    }
}

impl Entry {
    /// Takes the session off the live ones; `false` if it was over already.
    fn end(&mut self, metrics: &Metrics) -> bool {
        let ended = self.live.take().is_some();
        if ended {
            metrics.connections.dec();
        }
        ended
    }

    fn listed(&self, id: SubscriberId) -> Listed {
        Listed {
            id: id.0,
            remote: self.remote,
            key_id: self.key_id.clone(),
            key_name: self.key_name.clone(),
            since: self.since,
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            figures: self.outbox.figures(),
        }
    }
}

impl Presence<'_> {
    /// Waits until an operator ends the session; to be asked until it has answered.
    /// Cancel-safe.
    pub(super) async fn closed(&mut self) {
        let _ = (&mut self.closed).await;
    }

    /// The session is over; its connection may take a while to say goodbye.
    pub(super) fn leave(&self) {
        if let Some(entry) = self.roster.entries.lock().get_mut(&self.id) {
            entry.end(&self.roster.metrics);
        }
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        if let Some(mut entry) = self.roster.entries.lock().remove(&self.id) {
            entry.end(&self.roster.metrics);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::gate::keys::KeyRecord;
    use crate::hub::Marks;

    #[tokio::test]
    async fn a_session_is_closed_once_and_seen_no_more() {
        let gate = Gate::default();
        gate.replace(&[KeyRecord::example("key")]);
        let permit = gate.admit(Some("key")).unwrap();
        let roster = Roster::new(Metrics::new());
        let outbox = Arc::new(Outbox::new(Marks::default()));
        let remote = "192.0.2.1:9"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into();
        let enter = || roster.enter(remote, permit.at_the_door(), &outbox);
        let (mut first, second) = (enter(), enter());
        first.subscriptions.store(3, Ordering::Relaxed);
        let closed = roster.close(first.id.0).unwrap();
        assert_eq!((closed.id, closed.subscriptions), (first.id.0, 3));
        first.closed().await;
        let live = || roster.list().iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(live(), [second.id.0], "the other one is not concerned");
        assert!(roster.close(first.id.0).is_none(), "it is over already");
        second.leave();
        assert!(
            roster.close(second.id.0).is_none(),
            "it said goodbye itself"
        );
        assert!(live().is_empty());
        let third = enter();
        assert_eq!(roster.metrics.connections.get(), 1);
        drop((first, second, third));
        assert_eq!(roster.metrics.connections.get(), 0);
    }
}
