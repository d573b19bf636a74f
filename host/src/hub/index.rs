//! Patterns and who holds them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Outbox, SubscriberId};
use crate::channel::{Channel, Pattern};

type Subscriber = (SubscriberId, Arc<Outbox>);

/// The lists are sorted by subscriber: walking one is a walk over memory, and finding out
/// whether a subscriber is also in another list is a binary search. A pattern that nobody
/// holds is not kept, so the whole is bounded by sessions times subscriptions.
#[derive(Debug, Default)]
pub(super) struct Index {
    patterns: HashMap<Arc<str>, Vec<Subscriber>>,
    /// Families that are paused; bounded by the number of transforms.
    paused: BTreeSet<String>,
}

impl Index {
    /// Returns whether that is new.
    pub(super) fn set_paused(&mut self, family: &str, paused: bool) -> bool {
        if paused {
            self.paused.insert(family.to_owned())
        } else {
            self.paused.remove(family)
        }
    }

    pub(super) fn is_paused(&self, family: &str) -> bool {
        self.paused.contains(family)
    }

    /// Visits each pattern of a family that somebody holds.
    pub(super) fn for_each_of_family(
        &self,
        family: &str,
        mut visit: impl FnMut(&str, &[Subscriber]),
    ) {
        for (pattern, subscribers) in &self.patterns {
            if pattern.split(':').next() == Some(family) {
                visit(pattern, subscribers);
            }
        }
    }

    pub(super) fn insert(
        &mut self,
        id: SubscriberId,
        outbox: &Arc<Outbox>,
        pattern: &Pattern,
    ) -> bool {
        let list = match self.patterns.get_mut(pattern.as_str()) {
            Some(list) => list,
            None => self.patterns.entry(pattern.as_str().into()).or_default(),
        };
        match list.binary_search_by_key(&id, |entry| entry.0) {
            Ok(_) => false,
            Err(at) => {
                list.insert(at, (id, outbox.clone()));
                true
            }
        }
    }

    pub(super) fn remove(&mut self, id: SubscriberId, pattern: &Pattern) -> bool {
        let Some(list) = self.patterns.get_mut(pattern.as_str()) else {
            return false;
        };
        let Ok(at) = list.binary_search_by_key(&id, |entry| entry.0) else {
            return false;
        };
        list.remove(at);
        if list.is_empty() {
            self.patterns.remove(pattern.as_str());
        } else if list.capacity() > 4 * list.len() {
            list.shrink_to(2 * list.len());
        }
        true
    }

    /// Visits each subscriber of a pattern that matches `channel` once: in a later list, those
    /// who stand in an earlier one are passed over.
    pub(super) fn for_each_subscriber(&self, channel: &Channel, mut visit: impl FnMut(&Outbox)) {
        let mut seen: Vec<&[Subscriber]> = Vec::new();
        channel.for_each_pattern(|pattern| {
            let Some(list) = self.patterns.get(pattern) else {
                return;
            };
            for (id, outbox) in list {
                if !seen
                    .iter()
                    .any(|earlier| earlier.binary_search_by_key(id, |entry| entry.0).is_ok())
                {
                    visit(outbox);
                }
            }
            seen.push(list);
        });
    }
}
