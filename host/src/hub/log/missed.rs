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

    /// Forgets what concerns no channel and no pattern that is still held. A count goes on with
    /// its `heir`, a held pattern that shares channels with its own: some of what was counted may
    /// be of these.
    pub(super) fn keep(
        &mut self,
        is_covered: impl Fn(ChannelId) -> bool,
        is_held: impl Fn(&Pattern) -> bool,
        heir: impl Fn(&Pattern) -> Option<Pattern>,
    ) {
        self.channels.retain(|channel, _| is_covered(*channel));
        for (pattern, count) in std::mem::take(&mut self.patterns) {
            let heir = if is_held(&pattern) {
                Some(pattern)
            } else {
                heir(&pattern)
            };
            if let Some(heir) = heir {
                *self.patterns.entry(heir).or_default() += count;
            }
        }
        self.losses.retain(|(pattern, _)| is_held(pattern));
        self.states.retain(is_held);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size() == 0
    }

    pub(crate) fn size(&self) -> usize {
        let entries = self.channels.len() + self.patterns.len() + self.losses.len();
        (entries + self.states.len()) * ENTRY_COST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    /// Two messages of each of the channels `t:a:x` and `t:b:x`, and as many counted.
    fn missed() -> Missed {
        let mut missed = Missed::default();
        missed.messages(ChannelId(0), (3, 4), 2, |_| None);
        missed.messages(ChannelId(1), (7, 8), 2, |_| None);
        missed.patterns.insert(pattern("t:*:y"), 2);
        missed.notice(&pattern("t:*:y"), Notice::Loss(Reason::Transform));
        missed.notice(&pattern("t:a:x"), Notice::State);
        missed
    }

    fn keep(held: &[&str]) -> Missed {
        let names = [pattern("t:a:x"), pattern("t:b:x")];
        let held: Vec<_> = held.iter().map(|text| pattern(text)).collect();
        let mut missed = missed();
        missed.keep(
            |channel| {
                held.iter()
                    .any(|held| held.covers(&names[channel.0 as usize]))
            },
            |pattern| held.contains(pattern),
            |pattern| held.iter().find(|held| held.overlaps(pattern)).cloned(),
        );
        missed
    }

    #[test]
    fn what_is_held_still_is_kept_and_the_rest_forgotten() {
        assert_eq!(keep(&["t:*:x", "t:*:y", "t:a:x"]), missed());
        let kept = keep(&["t:b:*"]);
        assert_eq!(kept.channels, [(ChannelId(1), (7, 8))].into());
        assert_eq!(kept.patterns, [(pattern("t:b:*"), 2)].into());
        assert!(kept.losses.is_empty() && kept.states.is_empty());
        assert!(keep(&["u:*:*"]).is_empty());
        assert!(keep(&[]).is_empty());
    }
}
