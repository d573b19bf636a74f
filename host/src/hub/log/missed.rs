//! What the log has dropped before a session could take it: told to the client before anything
//! newer, merged to one gap a channel.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{ChannelId, Notice};
use crate::channel::Pattern;
use crate::hub::notice::Reason;

/// A session is told so many gaps by channel; beyond, those of a pattern become one.
pub(crate) const MOST_CHANNELS: usize = 1_000;

/// A session remembers so many subscriptions that are over, each for each later one whose last
/// messages wait; beyond, it is told of a gap instead of being given any.
pub(super) const MOST_HAD: usize = 1_000;

/// What an entry takes of memory, in bytes, more or less.
pub(super) const ENTRY_COST: usize = 64;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Missed {
    /// The first and the last number of each channel.
    pub(super) channels: BTreeMap<ChannelId, (u64, u64)>,
    /// How many messages, of patterns with too many channels.
    pub(super) patterns: BTreeMap<Pattern, u64>,
    pub(super) losses: BTreeSet<(Pattern, Reason)>,
    /// Subscriptions whose state changed, which is told as it is now.
    pub(super) states: BTreeSet<Pattern>,
    /// Channels whose last message takes the place of what was missed.
    pub(super) owed: BTreeMap<ChannelId, Owed>,
    /// Subscriptions whose channels' last messages are still to be given, in their order.
    pub(super) snapshots: VecDeque<Snapshot>,
}

/// What was missed of a channel of which the last message is all that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// The first and the last number.
    pub(super) range: (u64, u64),
    /// How many of these were not replaced before.
    pub(super) count: u64,
}

/// How far the last messages of a subscription have been given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) pattern: Pattern,
    /// What came later is in the log.
    pub(super) moment: u64,
    /// The next channel, by its place in the list of the family. Of a subscription to one channel
    /// it is the first until that was given.
    pub(super) next: usize,
    /// Earlier subscriptions that are over, each once.
    had: Vec<Had>,
}

/// A subscription by which a session had channels before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Had {
    pattern: Pattern,
    /// It had what came later by itself, and was given the last message before of the channels up
    /// to a place in the list of the family.
    moment: u64,
    upto: usize,
}

impl Snapshot {
    /// Nothing of it has been given.
    pub(super) fn new(pattern: Pattern, moment: u64) -> Self {
        Self {
            pattern,
            moment,
            next: 0,
            had: Vec::new(),
        }
    }

    /// Whether it has the last message of a channel, which came at that `moment`; the channel
    /// has a `place` in the list of the family.
    pub(super) fn has(&self, channel: &Pattern, place: usize, moment: u64) -> bool {
        let is_had =
            |had: &Had| (moment > had.moment || place < had.upto) && had.pattern.covers(channel);
        moment <= self.moment && self.pattern.covers(channel) && !self.had.iter().any(is_had)
    }

    /// A subscription of this pattern is over, and so may an earlier one be: what either had, the
    /// session has had.
    fn note_had(&mut self, pattern: &Pattern, moment: u64, upto: usize) {
        match self.had.iter_mut().find(|had| had.pattern == *pattern) {
            Some(had) => {
                had.moment = had.moment.min(moment);
                had.upto = had.upto.max(upto);
            }
            None => self.had.push(Had {
                pattern: pattern.clone(),
                moment,
                upto,
            }),
        }
    }
}

impl Missed {
    /// Adds numbers of a channel that follow what was added of it before. `pattern_of` gives
    /// the pattern through which the session gets a channel that it did not name itself. Gives
    /// how many messages are missed that no last one can take the place of, from now on.
    pub(super) fn messages(
        &mut self,
        channel: ChannelId,
        (from, to): (u64, u64),
        most: usize,
        pattern_of: impl Fn(ChannelId) -> Option<Pattern>,
    ) -> u64 {
        let owed = self.owed.remove(&channel);
        let count = to - from + 1 + owed.map_or(0, |owed| owed.count);
        let from = owed.map_or(from, |owed| owed.range.0);
        if let Some(range) = self.channels.get_mut(&channel) {
            range.1 = to;
            return count;
        }
        let is_exact = self.channels.len() < most && self.patterns.is_empty();
        let Some(pattern) = pattern_of(channel).filter(|_| !is_exact) else {
            self.channels.insert(channel, (from, to));
            return count;
        };
        if self.patterns.is_empty() {
            self.merge(&pattern_of);
        }
        *self.patterns.entry(pattern).or_default() += count;
        count
    }

    /// Adds numbers of a channel whose last message takes their place. `false` where they would
    /// be of one more than `most` channels.
    pub(super) fn owe(&mut self, channel: ChannelId, range: (u64, u64), most: usize) -> bool {
        let count = range.1 - range.0 + 1;
        if let Some(owed) = self.owed.get_mut(&channel) {
            owed.range.1 = range.1;
            owed.count += count;
            return true;
        }
        let has_room = self.owed.len() < most;
        if has_room {
            self.owed.insert(channel, Owed { range, count });
        }
        has_room
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

    /// Subscriptions are over: what was given by them is not given by others later. Where that
    /// would be more than `most` to remember, no last messages are given, and that is told.
    pub(super) fn give_no_more(&mut self, gone: &[&Pattern], most: usize) {
        for gone in gone.iter().copied() {
            let mut snapshots = self.snapshots.iter();
            let place = snapshots.position(|snapshot| snapshot.pattern == *gone);
            // All of one that is not in the list was given, or told.
            let (later, moment, upto) = place.map_or((0, 0, usize::MAX), |at| {
                let Snapshot { moment, next, .. } = self.snapshots[at];
                (at + 1, moment, next)
            });
            let is_untold = self.losses.contains(&(gone.clone(), Reason::Slow));
            for snapshot in self.snapshots.range_mut(later..) {
                if snapshot.pattern.overlaps(gone) {
                    snapshot.note_had(gone, moment, upto);
                    if is_untold {
                        let pattern = snapshot.pattern.clone();
                        self.losses.insert((pattern, Reason::Slow));
                    }
                }
            }
            if self.had() > most {
                let untold = std::mem::take(&mut self.snapshots).into_iter();
                let untold = untold.map(|snapshot| (snapshot.pattern, Reason::Slow));
                self.losses.extend(untold);
            }
        }
    }

    fn had(&self) -> usize {
        self.snapshots
            .iter()
            .map(|snapshot| snapshot.had.len())
            .sum()
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
        self.owed.retain(|channel, _| is_covered(*channel));
        self.snapshots.retain(|snapshot| is_held(&snapshot.pattern));
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
        let kept = self.owed.len() + self.snapshots.len() + self.had();
        (entries + self.states.len() + kept) * ENTRY_COST
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
    fn what_an_earlier_subscription_gave_is_not_given_by_a_later_one() {
        let has = |missed: &Missed, channel: &str, place: usize, moment: u64| {
            let given = missed.snapshots.iter();
            let given = given.filter(|given| given.has(&pattern(channel), place, moment));
            given
                .map(|given| given.pattern.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        let mut missed = Missed::default();
        for (text, moment) in [("t:*:x", 5), ("t:a:*", 7), ("t:*:*", 9)] {
            missed
                .snapshots
                .push_back(Snapshot::new(pattern(text), moment));
        }
        assert_eq!(has(&missed, "t:a:x", 1, 5), ["t:*:x", "t:a:*", "t:*:*"]);
        assert_eq!(has(&missed, "t:a:x", 1, 7), ["t:a:*", "t:*:*"]);
        assert_eq!(has(&missed, "t:a:x", 1, 10), [""; 0]);
        // The first has given up to the second place of the list when it ends.
        missed.snapshots[0].next = 2;
        missed.give_no_more(&[&pattern("t:*:x")], 9);
        missed.snapshots.pop_front();
        assert_eq!(has(&missed, "t:a:x", 1, 5), [""; 0]);
        assert_eq!(has(&missed, "t:a:x", 2, 5), ["t:a:*", "t:*:*"]);
        assert_eq!(has(&missed, "t:a:x", 2, 6), [""; 0]);
        assert_eq!(has(&missed, "t:a:y", 1, 6), ["t:a:*", "t:*:*"]);
        // What is not in the list has given all that it had.
        missed.give_no_more(&[&pattern("t:b:y")], 9);
        assert_eq!(has(&missed, "t:b:y", 9, 1), [""; 0]);
        assert_eq!(has(&missed, "t:c:y", 9, 1), ["t:*:*"]);
    }

    /// Last messages of these wait, the first were subscribed to first.
    fn waiting(patterns: &[&str]) -> Missed {
        let snapshots = (1..).zip(patterns);
        Missed {
            snapshots: snapshots
                .map(|(moment, text)| Snapshot::new(pattern(text), moment))
                .collect(),
            ..Missed::default()
        }
    }

    #[test]
    fn a_subscription_that_ended_twice_is_remembered_once_with_all_that_either_had() {
        let had = |pattern_ends: [(u64, usize); 2]| {
            let mut snapshot = Snapshot::new(pattern("t:*:*"), 9);
            for (moment, upto) in pattern_ends {
                snapshot.note_had(&pattern("t:*:x"), moment, upto);
            }
            snapshot
        };
        for ends in [[(3, 5), (6, 2)], [(6, 5), (3, 2)], [(6, 2), (3, 5)]] {
            let (merged, mut exact) = (had(ends), had(ends));
            assert_eq!(merged.had.len(), 1);
            exact.had = ends
                .map(|(moment, upto)| Had {
                    pattern: pattern("t:*:x"),
                    moment,
                    upto,
                })
                .to_vec();
            for (place, moment) in (0..8).flat_map(|place| (0..10).map(move |at| (place, at))) {
                for channel in [pattern("t:a:x"), pattern("t:a:y")] {
                    assert_eq!(
                        merged.has(&channel, place, moment),
                        exact.has(&channel, place, moment),
                        "{ends:?} {place} {moment}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_too_much_to_remember_is_told_and_not_given_and_up_to_that_it_is_given() {
        let patterns = ["t:a:*", "t:b:*", "t:*:x", "t:*:y", "t:*:*"];
        let [first, second] = [pattern("t:a:*"), pattern("t:b:*")];
        // Each of the two is remembered for the three after them.
        let mut within = waiting(&patterns);
        within.give_no_more(&[&first, &second], 6);
        assert_eq!((within.had(), within.snapshots.len()), (6, 5));
        assert!(within.losses.is_empty());
        let mut beyond = waiting(&patterns);
        beyond.give_no_more(&[&first, &second], 5);
        assert!(beyond.snapshots.is_empty());
        let gaps = patterns.map(|text| (pattern(text), Reason::Slow));
        assert_eq!(beyond.losses, gaps.into());
        // Of those that are over, nobody is told.
        let is_held = |pattern: &Pattern| *pattern != first && *pattern != second;
        beyond.keep(|_| true, is_held, |_| None);
        assert_eq!(beyond.losses.len(), 3);
    }

    #[test]
    fn a_gap_that_is_not_told_yet_goes_on_with_whoever_shares_its_channels() {
        let mut missed = waiting(&["t:*:x"]);
        missed.give_no_more(&[&pattern("t:a:*")], 0);
        let gap = (pattern("t:*:x"), Reason::Slow);
        assert_eq!(missed.losses, [gap].into());
        // It is subscribed to something more before it is told, and leaves what it was owed.
        let next = Snapshot::new(pattern("t:*:*"), 9);
        missed.snapshots.push_back(next);
        missed.give_no_more(&[&pattern("t:*:x")], 9);
        missed.keep(|_| true, |held| held.as_str() == "t:*:*", |_| None);
        let gap = (pattern("t:*:*"), Reason::Slow);
        assert_eq!(missed.losses, [gap].into());
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
