//! The places of one key: who holds them, and who gives way where there are none left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::keys::AtLimit;
use crate::hub::{Address, Order, SessionId};

/// How many that have lost their place may be saying goodbye, so that whoever has one key
/// cannot pile up sockets by replacing itself.
const MAX_LEAVING: usize = 64;

/// Who holds a place, oldest first: never more than the key's limit, unless that was lowered
/// under them.
#[derive(Debug, Default)]
pub(super) struct Places {
    holders: BTreeMap<SessionId, Holder>,
    /// Those who have lost theirs and are not gone yet.
    leaving: BTreeMap<SessionId, Holder>,
}

/// How a session is told that its place is lost. It may not have reached its loop yet, so it
/// also looks for itself.
#[derive(Debug)]
struct Holder {
    address: Address,
    loss: Arc<AtomicU8>,
}

const HELD: u8 = 0;
const LOST: u8 = 1;
/// Lost, and there is no time left for a goodbye.
const HURRIED: u8 = 2;

/// A place that was taken.
#[derive(Debug)]
pub(super) struct Place {
    id: SessionId,
    loss: Arc<AtomicU8>,
}

impl Places {
    /// Takes one of `limit` places. Where all are taken, the oldest holders lose theirs if
    /// `at_limit` says so: in the same step, so that a place is handed over and never free.
    pub(super) fn take(
        &mut self,
        limit: u32,
        at_limit: AtLimit,
        address: Address,
    ) -> Option<Place> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        while self.holders.len() >= limit {
            match at_limit {
                AtLimit::ReplaceOldest if !self.holders.is_empty() => self.replace_oldest(),
                AtLimit::ReplaceOldest | AtLimit::Refuse => return None,
            }
        }
        let (id, loss) = (address.id, Arc::new(AtomicU8::new(HELD)));
        let place = Place {
            id,
            loss: loss.clone(),
        };
        self.holders.insert(id, Holder { address, loss });
        Some(place)
    }

    fn replace_oldest(&mut self) {
        if let Some((id, holder)) = self.holders.pop_first() {
            holder.loss.store(LOST, Ordering::Release);
            holder.address.order(Order::Replaced);
            self.leaving.insert(id, holder);
        }
        if self.leaving.len() > MAX_LEAVING
            && let Some((_, holder)) = self.leaving.pop_first()
        {
            holder.loss.store(HURRIED, Ordering::Release);
            holder.address.order(Order::Hurry);
        }
    }

    /// A place that its holder has lost meanwhile is somebody else's, and stays so.
    pub(super) fn give_back(&mut self, place: &Place) {
        self.holders.remove(&place.id);
        self.leaving.remove(&place.id);
    }
}

impl Place {
    /// Whether a newer connection has the place.
    pub(super) fn is_lost(&self) -> bool {
        self.loss.load(Ordering::Acquire) != HELD
    }

    /// Whether it is lost and there is no time left for a goodbye.
    pub(super) fn is_hurried(&self) -> bool {
        self.loss.load(Ordering::Acquire) == HURRIED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Hub;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Come,
        /// The holder at this place in the order of coming leaves, replaced or not.
        Leave(prop::sample::Index),
        Limit(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Come),
            3 => any::<prop::sample::Index>().prop_map(Step::Leave),
            1 => (1..6_u32).prop_map(Step::Limit),
        ];
        prop::collection::vec(step, 0..80)
    }

    #[test]
    fn whoever_lost_a_place_has_time_for_a_goodbye_unless_too_many_have() {
        let mut places = Places::default();
        let hub = Hub::with_loops(1);
        let mut take = || {
            places
                .take(1, AtLimit::ReplaceOldest, hub.address())
                .unwrap()
        };
        let leaving: Vec<Place> = (0..=MAX_LEAVING).map(|_| take()).collect();
        assert!(!leaving.iter().any(Place::is_hurried));
        let newest = take();
        assert!(leaving[0].is_hurried() && !leaving[1..].iter().any(Place::is_hurried));
        places.give_back(&leaving[1]);
        places.give_back(&newest);
        assert_eq!(
            (places.holders.len(), places.leaving.len()),
            (0, MAX_LEAVING - 1)
        );
    }

    proptest! {
        /// Whoever holds a place that was not lost is counted, nobody else is, and a newcomer
        /// never finds more than the limit.
        #[test]
        fn places_are_those_of_the_holders_that_lost_none(
            steps in steps(),
            replaces in any::<bool>(),
        ) {
            let at_limit = if replaces { AtLimit::ReplaceOldest } else { AtLimit::Refuse };
            let hub = Hub::with_loops(1);
            let (mut places, mut inside, mut limit) = (Places::default(), Vec::<Place>::new(), 3);
            for step in steps {
                match step {
                    Step::Limit(to) => limit = to,
                    Step::Leave(_) if inside.is_empty() => {}
                    Step::Leave(which) => places.give_back(&inside.remove(which.index(inside.len()))),
                    Step::Come => {
                        let full = places.holders.len() >= limit as usize;
                        let place = places.take(limit, at_limit, hub.address());
                        prop_assert_eq!(place.is_some(), replaces || !full);
                        if place.is_some() {
                            prop_assert!(places.holders.len() <= limit as usize);
                        }
                        inside.extend(place);
                    }
                }
                let (lost, held): (Vec<&Place>, Vec<&Place>) = inside.iter().partition(|place| place.is_lost());
                let ids = |places: &[&Place]| places.iter().map(|place| place.id).collect::<Vec<_>>();
                let counted = |places: &BTreeMap<SessionId, Holder>| places.keys().copied().collect::<Vec<_>>();
                prop_assert_eq!(ids(&held), counted(&places.holders));
                prop_assert_eq!(ids(&lost), counted(&places.leaving));
            }
        }
    }
}
