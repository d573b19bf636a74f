//! Which event has been seen already, around a move from one server to another: both bring the
//! same for a while. Times come in and verdicts go out; there is no clock and no I/O.
//!
//! Each event of one connection stands for one of another: two that are equal and come over
//! one connection are two events, whatever another brings. What one has brought and no other
//! takes up in time is forgotten.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;

/// A connection of this host, in the order that they were made.
pub(super) type ConnectionNumber = u32;

#[derive(Debug)]
pub(super) struct Sightings {
    /// How far apart one event may come over two connections.
    window: Duration,
    /// How many events are remembered at most.
    most: usize,
    digests: RandomState,
    /// What was let through, oldest first.
    recent: VecDeque<Sighting>,
    /// When those of `recent` came that no other connection has brought, while there may be some of
    /// two connections.
    unmatched: Option<Unmatched>,
    /// Since when the newest connection brings what the one before it brings too.
    behind_since: Option<Instant>,
    /// Whether there is anything to tell apart: one server sends nothing twice.
    on: bool,
    newest: ConnectionNumber,
    /// Since when the newest connection is the only one.
    alone_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    at: Instant,
    digest: u64,
    connection: ConnectionNumber,
}

/// By digest and connection, oldest first.
type Unmatched = HashMap<(u64, ConnectionNumber), VecDeque<Instant>, RandomState>;

/// How much later than another a server that is well may bring an event.
const LAG: Duration = Duration::from_secs(1);

impl Sightings {
    /// Without a window every event is the first.
    pub(super) fn new(window: Duration, most: usize) -> Self {
        Self {
            window,
            most,
            digests: RandomState::default(),
            recent: VecDeque::new(),
            unmatched: None,
            behind_since: None,
            on: false,
            newest: 0,
            alone_since: None,
        }
    }

    /// How many events are remembered.
    pub(super) fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether anything is remembered.
    pub(super) fn tells_apart(&self) -> bool {
        self.on && !self.window.is_zero()
    }

    /// What stands for an event.
    pub(super) fn digest(&self, channel: &str, payload: &[u8]) -> u64 {
        self.digests.hash_one((channel, payload))
    }

    /// Begins to remember: there are several servers.
    pub(super) fn turn_on(&mut self) {
        self.on = true;
    }

    /// Another connection is about to bring events, beside those that there are. `behind` is
    /// whether the one before it goes on to bring all that this one brings, which may then bring
    /// once more what came a moment ago; of what repeats itself nobody could say which it is.
    pub(super) fn begin(&mut self, behind: bool, now: Instant) -> ConnectionNumber {
        self.newest += 1;
        self.alone_since = None;
        self.behind_since = behind.then_some(now);
        let mut unmatched = match self.unmatched.take() {
            Some(unmatched) => unmatched,
            None => self.all_unmatched(),
        };
        if behind {
            let soon = |at: &Instant| now.duration_since(*at) < LAG;
            unmatched.retain(|_, times| times.len() == 1 && times.iter().all(soon));
        }
        self.unmatched = Some(unmatched);
        self.newest
    }

    fn all_unmatched(&self) -> Unmatched {
        let mut unmatched = Unmatched::with_hasher(RandomState::default());
        for sighting in &self.recent {
            let times = unmatched.entry(sighting.key()).or_default();
            times.push_back(sighting.at);
        }
        unmatched
    }

    /// No connection but the newest brings anything any more.
    pub(super) fn alone(&mut self, now: Instant) {
        self.alone_since.get_or_insert(now);
        self.behind_since = None;
    }

    /// Whether an event has come over another connection already. If not, it counts as seen.
    pub(super) fn is_second(
        &mut self,
        connection: ConnectionNumber,
        digest: u64,
        now: Instant,
    ) -> bool {
        if !self.tells_apart() {
            return false;
        }
        self.forget(now);
        if self.take_up(digest, connection, now) {
            return true;
        }
        if self.recent.len() >= self.most {
            self.forget_oldest();
        }
        let sighting = Sighting {
            at: now,
            digest,
            connection,
        };
        self.recent.push_back(sighting);
        if let Some(unmatched) = &mut self.unmatched {
            let times = unmatched.entry(sighting.key()).or_default();
            times.push_back(now);
        }
        false
    }

    /// Takes the last equal event that another connection brought for this one.
    fn take_up(&mut self, digest: u64, connection: ConnectionNumber, now: Instant) -> bool {
        let Some(unmatched) = &mut self.unmatched else {
            return false;
        };
        let behind_since = self.behind_since;
        let is_too_old = |at: &Instant| {
            let is_of_before = behind_since.is_some_and(|begun| *at < begun);
            is_of_before && now.duration_since(*at) >= LAG
        };
        // Few live at a time, and what the others brought is forgotten within the window.
        let oldest = self.recent.front().map_or(0, |first| first.connection);
        let from = oldest.min(self.newest.saturating_sub(8));
        let mut others = (from..=self.newest)
            .rev()
            .filter(|number| *number != connection);
        others.any(|number| {
            let times = unmatched.get_mut(&(digest, number));
            let Some(times) = times.filter(|times| times.back().is_some_and(|at| !is_too_old(at)))
            else {
                return false;
            };
            times.pop_back().is_some()
        })
    }

    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.recent.front()
            && now.duration_since(oldest.at) >= self.window
        {
            self.forget_oldest();
        }
        let over = |since: Instant| now.duration_since(since) >= self.window;
        if self.unmatched.is_some() && self.alone_since.is_some_and(over) {
            // All that is remembered is of the newest.
            self.unmatched = None;
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.recent.pop_front() else {
            return;
        };
        let Some(unmatched) = &mut self.unmatched else {
            return;
        };
        let key = oldest.key();
        if let Some(times) = unmatched.get_mut(&key) {
            if times.front() == Some(&oldest.at) {
                times.pop_front();
            }
            if times.is_empty() {
                unmatched.remove(&key);
            }
        }
    }
}

impl Sighting {
    fn key(&self) -> (u64, ConnectionNumber) {
        (self.digest, self.connection)
    }
}

#[cfg(test)]
mod tests;
