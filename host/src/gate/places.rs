//! The places of one key: who holds them, and who gives way where there are none left.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::keys::AtLimit;

/// How many that have lost their place may be saying goodbye, so that whoever has one key
/// cannot pile up sockets by replacing itself.
const MAX_LEAVING: usize = 64;

/// Who holds a place, oldest first: never more than the key's limit, unless that was lowered
/// under them.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Who is told of a loss gets what tells it to hurry.
    holders: BTreeMap<u64, oneshot::Sender<Hurry>>,
    /// Those who have lost theirs and are not gone yet; a sender that is dropped hurries them.
    leaving: BTreeMap<u64, oneshot::Sender<()>>,
    /// Never used twice: a place that was lost must not be mistaken for its successor.
    next: u64,
}

/// It ends when so many others have lost their places since that there is no time left for a
/// goodbye.
type Hurry = oneshot::Receiver<()>;

/// A place that was taken.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    loss: oneshot::Receiver<Hurry>,
    /// Once it is lost.
    hurry: Option<Hurry>,
}

impl Places {
    /// Takes one of `limit` places. Where all are taken, the oldest holders lose theirs if
    /// `at_limit` says so: in the same step, so that a place is handed over and never free.
    pub(super) fn take(&mut self, limit: u32, at_limit: AtLimit) -> Option<Place> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        while self.holders.len() >= limit {
            match at_limit {
                AtLimit::ReplaceOldest if !self.holders.is_empty() => self.replace_oldest(),
                AtLimit::ReplaceOldest | AtLimit::Refuse => return None,
            }
        }
        let number = self.next;
        self.next += 1;
        let (holder, loss) = oneshot::channel();
        self.holders.insert(number, holder);
        Some(Place {
            number,
            loss,
            hurry: None,
        })
    }

    fn replace_oldest(&mut self) {
        if let Some((number, holder)) = self.holders.pop_first() {
            let (time, hurry) = oneshot::channel();
            // Whoever holds a place can be told until it gives it back.
            let _ = holder.send(hurry);
            self.leaving.insert(number, time);
        }
        if self.leaving.len() > MAX_LEAVING {
            self.leaving.pop_first();
        }
    }

    /// A place that its holder has lost meanwhile is somebody else's, and stays so.
    pub(super) fn give_back(&mut self, place: &Place) {
        self.holders.remove(&place.number);
        self.leaving.remove(&place.number);
    }
}

impl Place {
    pub(super) fn is_lost(&mut self) -> bool {
        if self.hurry.is_none() {
            self.hurry = self.loss.try_recv().ok();
        }
        self.hurry.is_some()
    }

    /// Waits until a newer connection has the place. Cancel-safe.
    pub(super) async fn lost(&mut self) {
        // A receiver is not asked again once it has answered.
        if !self.is_lost() {
            self.hurry = (&mut self.loss).await.ok();
        }
    }

    /// Waits until the place is lost and there is no time left for a goodbye. To be asked until
    /// it has answered.
    pub(super) async fn hurried(&mut self) {
        self.lost().await;
        if let Some(hurry) = &mut self.hurry {
            let _ = hurry.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

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
        let mut take = || places.take(1, AtLimit::ReplaceOldest).unwrap();
        let mut all: Vec<Place> = (0..=MAX_LEAVING).map(|_| take()).collect();
        let has_time = |place: &mut Place| {
            let hurry = place.is_lost().then_some(place.hurry.as_mut()).flatten();
            hurry.is_none_or(|hurry| hurry.try_recv() == Err(TryRecvError::Empty))
        };
        assert!(all.iter_mut().all(has_time));
        let newest = take();
        assert!(!has_time(&mut all[0]) && all[1..].iter_mut().all(has_time));
        places.give_back(&all[1]);
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
            let (mut places, mut inside, mut limit) = (Places::default(), Vec::<Place>::new(), 3);
            for step in steps {
                match step {
                    Step::Limit(to) => limit = to,
                    Step::Leave(_) if inside.is_empty() => {}
                    Step::Leave(which) => places.give_back(&inside.remove(which.index(inside.len()))),
                    Step::Come => {
                        let full = places.holders.len() >= limit as usize;
                        let place = places.take(limit, at_limit);
                        prop_assert_eq!(place.is_some(), replaces || !full);
                        if place.is_some() {
                            prop_assert!(places.holders.len() <= limit as usize);
                        }
                        inside.extend(place);
                    }
                }
                let held: Vec<u64> = inside
                    .iter_mut()
                    .filter_map(|place| (!place.is_lost()).then_some(place.number))
                    .collect();
                let counted: Vec<u64> = places.holders.keys().copied().collect();
                prop_assert_eq!(held, counted);
                let lost = inside.iter_mut().filter_map(|place| place.is_lost().then_some(place.number));
                prop_assert_eq!(lost.collect::<Vec<u64>>(), places.leaving.keys().copied().collect::<Vec<_>>());
            }
        }
    }
}
