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
        if self.channels.len() >= self.most {
            return None;
        }
        let id = ChannelId(u32::try_from(self.channels.len()).ok()?);
        let first = ChannelNumber { id, seq: 1 };
        self.channels.insert(channel.as_pattern().clone(), first);
        Some((id, 1))
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
        (changed(before, family.state()), lost)
    }

    /// Notes that an event was lost, and says whether that is to be told now.
    pub(super) fn lose(&mut self, name: &str, loss: Loss, now: Instant) -> bool {
        let family = self.family(name);
        if loss == Loss::Paused {
            family.lost_paused = true;
            return false;
        }
        let too_soon = family
            .last_told
            .is_some_and(|last| now.duration_since(last) < LOSS_INTERVAL);
        family.untold = too_soon;
        if !too_soon {
            family.last_told = Some(now);
        }
        !too_soon
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
