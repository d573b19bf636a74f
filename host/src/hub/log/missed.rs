//! What the log has dropped before a session could take it: told to the client before anything
//! newer, merged to one gap a channel.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChannelId, Notice};
use crate::channel::Pattern;
use crate::hub::notice::Reason;

/// A session is told so many gaps by channel; beyond, those of a pattern become one.
pub(crate) const MOST_CHANNELS: usize = 1_000;

/// What an entry takes of memory, in bytes, more or less.
const ENTRY_COST: usize = 64;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Missed {
    /// The first and the last number of each channel.
    pub(super) channels: BTreeMap<ChannelId, (u64, u64)>,
    /// How many messages, of patterns with too many channels.
    pub(super) patterns: BTreeMap<Pattern, u64>,
    pub(super) losses: BTreeSet<(Pattern, Reason)>,
    /// Subscriptions whose state changed, which is told as it is now.
    pub(super) states: BTreeSet<Pattern>,
}

impl Missed {
    /// Adds numbers of a channel that follow what was added of it before. `pattern_of` gives
    /// the pattern through which the session gets a channel that it did not name itself.
    pub(super) fn messages(
        &mut self,
        channel: ChannelId,
        (from, to): (u64, u64),
        most: usize,
        pattern_of: impl Fn(ChannelId) -> Option<Pattern>,
    ) {
        if let Some(range) = self.channels.get_mut(&channel) {
            range.1 = to;
            return;
        }
        if self.channels.len() < most && self.patterns.is_empty() {
            self.channels.insert(channel, (from, to));
            return;
        }
        let Some(pattern) = pattern_of(channel) else {
            self.channels.insert(channel, (from, to));
            return;
        };
        if self.patterns.is_empty() {
            self.merge(&pattern_of);
        }
        *self.patterns.entry(pattern).or_default() += to - from + 1;
    }

    /// Makes counts of patterns out of all channels that the session did not name itself.
    fn merge(&mut self, pattern_of: impl Fn(ChannelId) -> Option<Pattern>) {
        let patterns = &mut self.patterns;
        self.channels.retain(|channel, (from, to)| {
            let Some(pattern) = pattern_of(*channel) else {
                return true;
            };
            *patterns.entry(pattern).or_default() += *to - *from + 1;
            false
        });
    }

    pub(super) fn notice(&mut self, pattern: &Pattern, notice: Notice) {
        match notice {
            Notice::State => self.states.insert(pattern.clone()),
            Notice::Loss(reason) => self.losses.insert((pattern.clone(), reason)),
        };
    }

    pub(crate) fn size(&self) -> usize {
        let entries = self.channels.len() + self.patterns.len() + self.losses.len();
        (entries + self.states.len()) * ENTRY_COST
    }
}
