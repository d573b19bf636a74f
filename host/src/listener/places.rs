//! A bounded number of places, of which the oldest is given up when another is needed.
//!
//! Honest clients are through in milliseconds, so that it is hardly ever one of them. Who
//! gives way has closed its socket before the place is taken again: as many files are open
//! as there are places, and no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::activity::Activity;

/// For how long there are fewer places after files ran out.
const TIGHT: Duration = Duration::from_secs(10);

/// How soon somebody who waits looks again whether those inside are still at work.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The places of one kind, and who has them.
#[derive(Debug)]
pub struct Places {
    max: usize,
    inside: Mutex<Inside>,
    freed: Notify,
    /// How many are taken.
    taken: IntGauge,
}

#[derive(Debug, Default)]
struct Inside {
    /// The occupants by age: the lowest number is the oldest.
    occupants: BTreeMap<u64, Occupant>,
    /// How many of them were told to go.
    leaving: usize,
    /// A number is never used twice: a place that was given up must not be mistaken for its
    /// successor.
    next: u64,
    /// A bound below the usual one, and until when.
    tight: Option<(usize, Instant)>,
}

#[derive(Debug)]
struct Occupant {
    /// None once the occupant was told to go.
    stay: Option<oneshot::Sender<()>>,
    /// Whoever is being answered may stay.
    activity: Option<Arc<Activity>>,
}

/// A place, given back on drop.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    stay: oneshot::Receiver<()>,
}

impl Places {
    /// `max` places; `taken` shows how many are taken.
    pub fn new(max: usize, taken: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            max,
            inside: Mutex::default(),
            freed: Notify::new(),
            taken,
        })
    }

    /// Takes a place. Where there is none, the oldest that is not being answered, by its
    /// `activity`, has to go first. Cancel-safe.
    pub async fn enter(self: &Arc<Self>, activity: Option<Arc<Activity>>) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_enter(&activity) {
                return place;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, freed).await;
        }
    }

    fn try_enter(self: &Arc<Self>, activity: &Option<Arc<Activity>>) -> Option<Place> {
        let mut inside = self.inside.lock();
        let limit = inside.limit(self.max);
        if inside.occupants.len() >= limit {
            if inside.staying() >= limit {
                inside.displace_oldest();
            }
            return None;
        }
        let (stay, lost) = oneshot::channel();
        let number = inside.next;
        inside.next += 1;
        let occupant = Occupant {
            stay: Some(stay),
            activity: activity.clone(),
        };
        inside.occupants.insert(number, occupant);
        self.show(&inside);
        Some(Place {
            places: self.clone(),
            number,
            stay: lost,
        })
    }

    /// Files ran out: half of those inside have to go, and for a while there are no more places
    /// than are left then. Says whether anybody goes.
    pub(super) fn tighten(&self) -> bool {
        let mut inside = self.inside.lock();
        if inside.leaving > 0 {
            // Those who were told to go last have not gone yet.
            return true;
        }
        let left = (inside.staying() / 2).max(1);
        inside.tight = Some((left, Instant::now() + TIGHT));
        let mut went = false;
        while inside.staying() > left && inside.displace_oldest() {
            went = true;
        }
        went
    }

    fn show(&self, inside: &Inside) {
        let taken = inside.occupants.len();
        self.taken.set(i64::try_from(taken).unwrap_or(i64::MAX));
    }
}

impl Inside {
    fn limit(&mut self, max: usize) -> usize {
        self.tight = self.tight.filter(|(_, until)| Instant::now() < *until);
        self.tight.map_or(max, |(few, _)| few.min(max))
    }

    fn staying(&self) -> usize {
        self.occupants.len() - self.leaving
    }

    /// Tells the oldest occupant to go that may be told so; `false` where there is none.
    fn displace_oldest(&mut self) -> bool {
        let mut occupants = self.occupants.values_mut();
        let gone = occupants
            .find(|occupant| occupant.may_go())
            .and_then(|occupant| occupant.stay.take())
            .is_some();
        self.leaving += usize::from(gone);
        gone
    }
}

impl Occupant {
    fn may_go(&self) -> bool {
        self.stay.is_some()
            && self
                .activity
                .as_ref()
                .is_none_or(|activity| !activity.is_busy())
    }
}

impl Place {
    /// Waits until the place has to be given up. Cancel-safe.
    pub async fn lost(&mut self) {
        // Nothing is ever sent: the sender goes, and that says it.
        let _ = (&mut self.stay).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.places.inside.lock();
        if let Some(occupant) = inside.occupants.remove(&self.number) {
            inside.leaving -= usize::from(occupant.stay.is_none());
        }
        self.places.show(&inside);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(max: usize) -> Arc<Places> {
        Places::new(max, IntGauge::new("taken", "Of a test.").unwrap())
    }

    /// Whether the place has to be given up.
    fn is_lost(place: &mut Place) -> bool {
        place.stay.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// Somebody who leaves when told so.
    fn polite(mut place: Place) {
        tokio::spawn(async move { place.lost().await });
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_and_only_then_is_its_place_taken() {
        let places = places(2);
        let mut first = places.enter(None).await;
        let mut second = places.enter(None).await;
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.enter(None).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(is_lost(&mut first) && !is_lost(&mut second));
        assert!(!waiting.is_finished());
        assert_eq!(places.taken.get(), 2);
        drop(first);
        let mut third = waiting.await.unwrap();
        assert!(!is_lost(&mut second) && !is_lost(&mut third));
        drop((second, third));
        assert_eq!(places.taken.get(), 0);
    }

    #[tokio::test]
    async fn a_place_that_was_given_back_displaces_nobody_later() {
        let places = places(2);
        for _ in 0..3 {
            drop(places.enter(None).await);
        }
        let mut first = places.enter(None).await;
        let second = places.enter(None).await;
        drop(second);
        let _third = places.enter(None).await;
        assert!(!is_lost(&mut first));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_being_answered_stays_and_the_next_one_goes() {
        let places = places(2);
        let activity = Arc::new(Activity::new());
        activity.head_received();
        let mut busy = places.enter(Some(activity.clone())).await;
        polite(places.enter(None).await);
        let mut third = places.enter(None).await;
        assert!(!is_lost(&mut busy));
        activity.answered();
        tokio::spawn(async move { busy.lost().await });
        let _fourth = places.enter(None).await;
        assert!(!is_lost(&mut third));
    }

    #[tokio::test(start_paused = true)]
    async fn when_files_run_out_half_go_and_for_a_while_there_is_no_room_for_more() {
        let places = places(8);
        for _ in 0..8 {
            polite(places.enter(None).await);
        }
        assert!(
            places.tighten() && places.tighten(),
            "the second takes no more"
        );
        polite(places.enter(None).await);
        assert_eq!(places.taken.get(), 4);
        tokio::time::sleep(TIGHT).await;
        for _ in 0..8 {
            polite(places.enter(None).await);
        }
        assert_eq!(places.taken.get(), 8);
        let nobody = super::tests::places(8);
        assert!(!nobody.tighten());
        let _one = nobody.enter(None).await;
    }
}
