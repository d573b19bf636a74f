//! The places of one key: who holds them, and who gives way where there are none left.

use std::collections::BTreeMap;

use super::keys::AtLimit;
use crate::hub::{LoopOrder, SessionAddress, SessionId};

/// How many that have lost their place may be saying goodbye, so that whoever has one key
/// cannot pile up sockets by replacing itself.
const MAX_LEAVING: usize = 64;

/// Who holds a place, oldest first: never more than the key's limit, unless that was lowered
/// under them.
#[derive(Debug, Default)]
pub(super) struct KeyPlaces {
    holders: BTreeMap<SessionId, SessionAddress>,
    /// Holders that have lost their place and may say goodbye.
    leaving: BTreeMap<SessionId, SessionAddress>,
}

/// A place that was taken. Session numbers are never used twice, so one that was lost is not
/// mistaken for its successor.
#[derive(Debug)]
pub(super) struct TakenPlace(SessionId);

impl KeyPlaces {
    /// Takes one of `limit` places. Where all are taken, the oldest holders lose theirs if
    /// `at_limit` says so: in the same step, so that a place is handed over and never free.
    /// Gives by how many holders there are more, too.
    pub(super) fn take(
        &mut self,
        limit: u32,
        at_limit: AtLimit,
        address: SessionAddress,
    ) -> (Option<TakenPlace>, i64) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut change = 0;
        while self.holders.len() >= limit {
            match at_limit {
                AtLimit::ReplaceOldest if !self.holders.is_empty() => self.replace_oldest(),
                AtLimit::ReplaceOldest | AtLimit::Refuse => return (None, change),
            }
            change -= 1;
        }
        (Some(self.hold(address)), change + 1)
    }

    /// As `take`, where nobody may come in but in the place of another.
    pub(super) fn replace(
        &mut self,
        limit: u32,
        at_limit: AtLimit,
        address: SessionAddress,
    ) -> (Option<TakenPlace>, i64) {
        let held = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
        self.take(held.min(limit), at_limit, address)
    }

    /// Takes a place, whatever the limit is.
    pub(super) fn hold(&mut self, address: SessionAddress) -> TakenPlace {
        let id = address.id;
        self.holders.insert(id, address);
        TakenPlace(id)
    }

    /// Tells the oldest holder that it has lost its place. Its session may not have reached its
    /// loop yet, so it also looks for itself.
    fn replace_oldest(&mut self) {
        if let Some((id, address)) = self.holders.pop_first() {
            address.order(LoopOrder::Replaced);
            self.leaving.insert(id, address);
        }
        if self.leaving.len() > MAX_LEAVING
            && let Some((_, address)) = self.leaving.pop_first()
        {
            address.order(LoopOrder::Replaced);
        }
    }

    /// A place that its holder has lost meanwhile is somebody else's, and stays so. `true` where
    /// there is one more now.
    pub(super) fn give_back(&mut self, place: &TakenPlace) -> bool {
        self.leaving.remove(&place.0);
        self.holders.remove(&place.0).is_some()
    }

    /// Whether a newer connection has the place.
    pub(super) fn is_lost(&self, place: &TakenPlace) -> bool {
        !self.holders.contains_key(&place.0)
    }

    /// Whether it is lost and there is no time left for a goodbye.
    pub(super) fn is_hurried(&self, place: &TakenPlace) -> bool {
        self.is_lost(place) && !self.leaving.contains_key(&place.0)
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
        let mut places = KeyPlaces::default();
        let hub = Hub::with_loops(1);
        let take = |places: &mut KeyPlaces| {
            let place = places.take(1, AtLimit::ReplaceOldest, hub.address());
            place.0.unwrap()
        };
        let leaving: Vec<TakenPlace> = (0..=MAX_LEAVING).map(|_| take(&mut places)).collect();
        assert!(!leaving.iter().any(|place| places.is_hurried(place)));
        let newest = take(&mut places);
        assert!(places.is_hurried(&leaving[0]));
        assert!(!leaving[1..].iter().any(|place| places.is_hurried(place)));
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
            let (mut places, mut inside, mut limit) = (KeyPlaces::default(), Vec::<TakenPlace>::new(), 3);
            for step in steps {
                match step {
                    Step::Limit(to) => limit = to,
                    Step::Leave(_) if inside.is_empty() => {}
                    Step::Leave(which) => {
                        let place = inside.remove(which.index(inside.len()));
                        let held = !places.is_lost(&place);
                        prop_assert_eq!(places.give_back(&place), held);
                    }
                    Step::Come => {
                        let before = places.holders.len();
                        let full = before >= limit as usize;
                        let (place, change) = places.take(limit, at_limit, hub.address());
                        prop_assert_eq!(before as i64 + change, places.holders.len() as i64);
                        prop_assert_eq!(place.is_some(), replaces || !full);
                        if place.is_some() {
                            prop_assert!(places.holders.len() <= limit as usize);
                        }
                        inside.extend(place);
                    }
                }
                let (lost, held): (Vec<&TakenPlace>, Vec<&TakenPlace>) = inside.iter().partition(|place| places.is_lost(place));
                let ids = |places: &[&TakenPlace]| places.iter().map(|place| place.0).collect::<Vec<_>>();
                let counted = |places: &BTreeMap<SessionId, SessionAddress>| places.keys().copied().collect::<Vec<_>>();
                prop_assert_eq!(ids(&held), counted(&places.holders));
                prop_assert_eq!(ids(&lost), counted(&places.leaving));
            }
        }
    }
}
