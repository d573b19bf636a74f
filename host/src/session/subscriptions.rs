//! What one session holds in the hub, given back when the session ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::channel::Pattern;
use crate::hub::{Hub, Outbox, SubscriberId};

/// The patterns of one session. Dropping it ends them all.
#[derive(Debug)]
pub(super) struct Subscriptions<'a> {
    hub: &'a Hub,
    id: SubscriberId,
    outbox: Arc<Outbox>,
    held: BTreeSet<Pattern>,
    /// How many that are, for whoever looks from outside.
    count: Arc<AtomicUsize>,
}

impl<'a> Subscriptions<'a> {
    pub(super) fn new(
        hub: &'a Hub,
        id: SubscriberId,
        outbox: Arc<Outbox>,
        count: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            hub,
            id,
            outbox,
            held: BTreeSet::new(),
            count,
        }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Whether `pattern` can be held beside what is held and what is `accepted` already,
    /// within `max`. One that is held or accepted takes no further place.
    pub(super) fn fits(&self, pattern: &Pattern, accepted: &[Pattern], max: usize) -> bool {
        let more: BTreeSet<&Pattern> = accepted
            .iter()
            .filter(|one| !self.held.contains(one))
            .collect();
        self.held.contains(pattern) || more.contains(pattern) || self.held.len() + more.len() < max
    }

    pub(super) fn add(&mut self, pattern: Pattern) {
        if self.hub.subscribe(self.id, &self.outbox, &pattern) {
            self.held.insert(pattern);
            self.show();
        }
    }

    pub(super) fn remove(&mut self, pattern: &Pattern) {
        if self.held.remove(pattern) {
            self.hub.unsubscribe(self.id, pattern);
            self.show();
        }
    }

    fn show(&self) {
        self.count.store(self.held.len(), Ordering::Relaxed);
    }

    /// Ends the subscriptions that `keep` refuses, and returns them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Pattern) -> bool) -> Vec<Pattern> {
        let lost: Vec<Pattern> = self
            .held
            .iter()
            .filter(|pattern| !keep(pattern))
            .cloned()
            .collect();
        lost.iter().for_each(|pattern| self.remove(pattern));
        lost
    }
}

impl Drop for Subscriptions<'_> {
    fn drop(&mut self) {
        for pattern in &self.held {
            self.hub.unsubscribe(self.id, pattern);
        }
    }
}
