//! Channels whose slot of a cluster is on its way to another node, or has just gone there: how long their
//! messages wait, and how many of them Redis keeps for edge hosts that follow the slot.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::channel::Channel;

/// For how long messages wait for a slot. Moving one takes some milliseconds; a move that was begun and
/// given up would hold all others up for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many of the last messages of a channel Redis keeps for edge hosts.
const KEPT: usize = 64;

/// Of one whose slot was on its way: all that waited go out at once, before edge hosts have followed.
const KEPT_AFTER_A_MOVE: usize = 2_048;

/// For how long after that: an edge host is there within some milliseconds, on a busy machine later.
const FOLLOWS: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct BlockedChannels {
    since: HashMap<Channel, Instant>,
    /// When the slots of others had arrived, of late.
    arrived: HashMap<Channel, Instant>,
}

impl BlockedChannels {
    /// Whether its messages wait, so that the first is enough to see when the slot has arrived.
    pub(super) fn waits(&self, channel: &Channel, now: Instant) -> bool {
        let since = self.since.get(channel);
        since.is_some_and(|since| now.duration_since(*since) < PATIENCE)
    }

    /// Its slot is on its way. Whether its messages are to wait; otherwise they have for too long.
    pub(super) fn block(&mut self, channel: &Channel, now: Instant) -> bool {
        if !self.since.contains_key(channel) {
            self.since.insert(channel.clone(), now);
        }
        self.waits(channel, now)
    }

    /// A message of it was taken.
    pub(super) fn arrive(&mut self, channel: &Channel, now: Instant) {
        if !self.since.is_empty() && self.since.remove(channel).is_some() {
            self.note_moved(channel, now);
        }
    }

    /// Its slot is at another node now.
    pub(super) fn note_moved(&mut self, channel: &Channel, now: Instant) {
        let is_recent = |at: &Instant| now.duration_since(*at) < FOLLOWS;
        self.arrived.retain(|_, at| is_recent(at));
        self.arrived.insert(channel.clone(), now);
    }

    /// How many of its last messages are to be kept.
    pub(super) fn kept(&self, channel: &Channel, now: Instant) -> usize {
        let arrived = self.arrived.get(channel);
        let follows = arrived.is_some_and(|at| now.duration_since(*at) < FOLLOWS);
        if follows || self.since.contains_key(channel) {
            KEPT_AFTER_A_MOVE
        } else {
            KEPT
        }
    }

    /// None is known to be on its way.
    pub(super) fn clear(&mut self) {
        self.since.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_for_a_slot_and_more_of_them_are_kept_until_edges_have_followed() {
        let (mut blocked, start) = (BlockedChannels::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        let [moves, stands]: [Channel; 2] =
            ["ticks:A", "ticks:B"].map(|name| name.parse().unwrap());
        assert!(blocked.block(&moves, after(0)) && blocked.block(&moves, after(1_999)));
        assert!(blocked.waits(&moves, after(1_999)) && !blocked.waits(&stands, after(0)));
        let kept = |blocked: &BlockedChannels, millis| {
            [&moves, &stands].map(|channel| blocked.kept(channel, after(millis)))
        };
        assert_eq!(kept(&blocked, 1_999), [KEPT_AFTER_A_MOVE, KEPT]);
        blocked.arrive(&stands, after(2_000));
        blocked.arrive(&moves, after(2_000));
        assert_eq!(kept(&blocked, 2_999), [KEPT_AFTER_A_MOVE, KEPT]);
        assert_eq!(kept(&blocked, 3_000), [KEPT, KEPT]);
        assert!(blocked.block(&moves, after(4_000)) && !blocked.block(&moves, after(6_000)));
        blocked.clear();
        assert!(!blocked.waits(&moves, after(6_000)));
    }
}
