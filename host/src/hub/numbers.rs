//! The number of each message in its channel, and what is known of each family: decided in one
//! place, in the order in which messages are published.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::held::Shelf;
use super::log::ChannelId;
use super::message::Loss;
use super::notice::Availability;
use crate::channel::{Channel, Pattern};

/// Subscribers of a family are told so often at most that its transform loses events.
pub(super) const LOSS_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Numbers {
    /// Channels that may be numbered.
    most: usize,
    channels: HashMap<Pattern, ChannelNumber>,
    families: HashMap<String, FamilyStatus>,
    pub(super) shelf: Shelf,
}

#[derive(Debug)]
struct ChannelNumber {
    id: ChannelId,
    /// Of the last message.
    seq: u64,
}

/// Where a message stands that another host has numbered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is the next one here. `missing` is the first of the numbers right before it that never
    /// came.
    Next { id: ChannelId, missing: Option<u64> },
    /// It came before.
    Known,
    /// It would be one channel too many.
    Full,
}

/// What edge hosts are to know of a family; the counts only grow.
#[derive(Debug, Clone, Copy, Default)]
pub struct FamilyAccount {
    pub paused: bool,
    pub stale: bool,
    /// When its upstream last came back; none where it was never away.
    pub back: Option<Instant>,
    /// Events that never became messages.
    pub losses: u64,
    /// Events that came while it was paused.
    pub paused_losses: u64,
}

/// Bounded by the families of the transforms that were ever loaded.
#[derive(Debug, Default)]
struct FamilyStatus {
    paused: bool,
    stale: bool,
    /// Events were lost while it was paused.
    lost_paused: bool,
    /// When its subscribers were last told that its transform lost events.
    last_told: Option<Instant>,
    /// Events were lost since.
    untold: bool,
    /// When its upstream last came back.
    back: Option<Instant>,
    losses: u64,
    paused_losses: u64,
}

impl FamilyStatus {
    fn state(&self) -> Availability {
        match (self.paused, self.stale) {
            (true, _) => Availability::Paused,
            (_, true) => Availability::Stale,
            _ => Availability::Live,
        }
    }
}

impl Numbers {
    pub(super) fn new(most: usize, shelf: Shelf) -> Self {
        Self {
            shelf,
            most,
            channels: HashMap::new(),
            families: HashMap::new(),
        }
    }

    /// The channel's next number; none where it would be one channel too many.
    pub(super) fn next(&mut self, channel: &Channel) -> Option<(ChannelId, u64)> {
        if let Some(numbered) = self.channels.get_mut(channel.as_pattern()) {
            numbered.seq += 1;
            return Some((numbered.id, numbered.seq));
        }
        self.add(channel, 1).map(|id| (id, 1))
    }

    /// Takes a number that another host gave. Numbers of a channel that is new here are taken as
    /// they come.
    pub(super) fn place(&mut self, channel: &Channel, seq: u64) -> Placed {
        let Some(numbered) = self.channels.get_mut(channel.as_pattern()) else {
            return match self.add(channel, seq) {
                Some(id) => Placed::Next { id, missing: None },
                None => Placed::Full,
            };
        };
        if seq <= numbered.seq {
            return Placed::Known;
        }
        let first = numbered.seq + 1;
        numbered.seq = seq;
        Placed::Next {
            id: numbered.id,
            missing: (first < seq).then_some(first),
        }
    }

    /// The next number of a channel is the one after this; none where it would be one channel too
    /// many.
    pub(super) fn set(&mut self, channel: &Channel, seq: u64) -> Option<ChannelId> {
        match self.channels.get_mut(channel.as_pattern()) {
            Some(numbered) => {
                numbered.seq = seq;
                Some(numbered.id)
            }
            None => self.add(channel, seq),
        }
    }

    fn add(&mut self, channel: &Channel, seq: u64) -> Option<ChannelId> {
        if self.channels.len() >= self.most {
            return None;
        }
        let id = ChannelId(u32::try_from(self.channels.len()).ok()?);
        let first = ChannelNumber { id, seq };
        self.channels.insert(channel.as_pattern().clone(), first);
        Some(id)
    }

    /// The number of the channel's last message; none where there was none.
    pub(super) fn last(&self, channel: &Channel) -> Option<u64> {
        let numbered = self.channels.get(channel.as_pattern())?;
        Some(numbered.seq)
    }

    /// All channels are at zero again, and nothing is held.
    pub(super) fn begin_anew(&mut self) {
        self.channels
            .values_mut()
            .for_each(|numbered| numbered.seq = 0);
        self.shelf.clear();
    }

    /// Channels that have numbers.
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    fn family(&mut self, name: &str) -> &mut FamilyStatus {
        if !self.families.contains_key(name) {
            self.families
                .insert(name.to_owned(), FamilyStatus::default());
        }
        self.families.get_mut(name).expect("it was just seen to")
    }

    /// The family's state where that has changed, and whether its events of the meantime are
    /// lost.
    pub(super) fn set_paused(&mut self, name: &str, paused: bool) -> (Option<Availability>, bool) {
        let family = self.family(name);
        let before = family.state();
        family.paused = paused;
        let lost = !paused && std::mem::take(&mut family.lost_paused);
        (changed(before, family.state()), lost)
    }

    /// As `set_paused`: with the upstream's return, what it brought meanwhile is lost.
    pub(super) fn set_stale(&mut self, name: &str, stale: bool) -> (Option<Availability>, bool) {
        let family = self.family(name);
        let before = family.state();
        let lost = std::mem::replace(&mut family.stale, stale) && !stale;
        if lost {
            family.back = Some(Instant::now());
        }
        (changed(before, family.state()), lost)
    }

    /// Notes that an event was lost, and says whether that is to be told now.
    pub(super) fn lose(&mut self, name: &str, loss: Loss, now: Instant) -> bool {
        let family = self.family(name);
        if loss == Loss::Paused {
            family.paused_losses += 1;
            family.lost_paused = true;
            return false;
        }
        family.losses += 1;
        let too_soon = family
            .last_told
            .is_some_and(|last| now.duration_since(last) < LOSS_INTERVAL);
        family.untold = too_soon;
        if !too_soon {
            family.last_told = Some(now);
        }
        !too_soon
    }

    /// What edge hosts are to know of a family.
    pub(super) fn account(&self, name: &str) -> FamilyAccount {
        let Some(family) = self.families.get(name) else {
            return FamilyAccount::default();
        };
        FamilyAccount {
            paused: family.paused,
            stale: family.stale,
            back: family.back,
            losses: family.losses,
            paused_losses: family.paused_losses,
        }
    }

    /// Whether losses wait to be told.
    pub(super) fn has_untold(&self) -> bool {
        self.families.values().any(|family| family.untold)
    }

    /// The families whose losses are to be told now.
    pub(super) fn take_untold(&mut self, now: Instant) -> Vec<String> {
        let due = |family: &mut FamilyStatus| {
            let pause = family
                .last_told
                .is_none_or(|last| now.duration_since(last) >= LOSS_INTERVAL);
            let due = family.untold && pause;
            if due {
                family.untold = false;
                family.last_told = Some(now);
            }
            due
        };
        let families = self.families.iter_mut();
        let due = families.filter_map(|(name, family)| due(family).then(|| name.clone()));
        due.collect()
    }
}

fn changed(before: Availability, after: Availability) -> Option<Availability> {
    (before != after).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn numbers() -> Numbers {
        Numbers::new(2, Shelf::new(0, &Metrics::new().stream))
    }

    fn channel(name: &str) -> Channel {
        name.parse().unwrap()
    }

    #[test]
    fn numbers_have_no_hole_and_a_channel_too_many_has_none() {
        let mut numbers = numbers();
        let mut next = |name: &str| {
            numbers
                .next(&name.parse().unwrap())
                .map(|(id, seq)| (id.0, seq))
        };
        assert_eq!(next("a:x"), Some((0, 1)));
        assert_eq!(next("a:y"), Some((1, 1)));
        assert_eq!(next("a:z"), None);
        assert_eq!(next("a:x"), Some((0, 2)));
        assert_eq!(numbers.len(), 2);
    }

    #[test]
    fn numbers_of_another_host_are_taken_once_and_a_hole_is_seen() {
        let mut numbers = numbers();
        let (a, b, c) = (channel("a:x"), channel("a:y"), channel("a:z"));
        let next = |id, missing| Placed::Next {
            id: ChannelId(id),
            missing,
        };
        assert_eq!(numbers.place(&a, 57), next(0, None), "nobody asked before");
        assert_eq!(numbers.place(&a, 58), next(0, None));
        assert_eq!(numbers.place(&a, 58), Placed::Known);
        assert_eq!(numbers.place(&a, 61), next(0, Some(59)));
        assert_eq!(numbers.place(&a, 60), Placed::Known);
        assert_eq!(numbers.set(&b, 0), Some(ChannelId(1)));
        assert_eq!(numbers.place(&b, 3), next(1, Some(1)));
        assert_eq!(numbers.place(&c, 1), Placed::Full);
        assert_eq!(numbers.set(&c, 1), None);
        assert_eq!((numbers.last(&a), numbers.last(&c)), (Some(61), None));
        numbers.begin_anew();
        assert_eq!(numbers.place(&a, 1), next(0, None));
    }

    #[test]
    fn paused_hides_stale_and_losses_are_told_at_the_end() {
        let mut numbers = numbers();
        assert_eq!(
            numbers.set_stale("a", true),
            (Some(Availability::Stale), false)
        );
        assert_eq!(
            numbers.set_paused("a", true),
            (Some(Availability::Paused), false)
        );
        assert!(!numbers.lose("a", Loss::Paused, Instant::now()));
        assert_eq!(numbers.set_stale("a", false), (None, true));
        assert_eq!(
            numbers.set_paused("a", false),
            (Some(Availability::Live), true)
        );
        assert_eq!(numbers.set_paused("a", false), (None, false));
        assert_eq!(numbers.set_stale("a", false), (None, false));
    }

    #[test]
    fn losses_are_told_at_once_and_then_once_an_interval() {
        let mut numbers = numbers();
        let start = Instant::now();
        assert!(numbers.lose("a", Loss::Transform, start));
        assert!(!numbers.has_untold());
        for _ in 0..3 {
            assert!(!numbers.lose("a", Loss::Transform, start));
        }
        assert!(numbers.has_untold());
        assert!(numbers.take_untold(start).is_empty());
        assert_eq!(numbers.take_untold(start + LOSS_INTERVAL), ["a"]);
        assert!(numbers.take_untold(start + 2 * LOSS_INTERVAL).is_empty());
        assert!(numbers.lose("b", Loss::Transform, start));
    }
}
