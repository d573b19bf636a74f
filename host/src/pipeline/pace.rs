//! How long events take, counted against what they took in the revision before.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::marks::{MIN_TIMED, ProbationMarks};

/// Time is judged by so many events at once, so that one that becomes slow late is found too.
const WINDOW: u64 = 1_000;

/// So many events of the revision before say how it does at present.
const CONTROL_WINDOW: u64 = 128;

/// What an event takes in the revision before, on average, and what it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usual {
    pub(super) mean: Duration,
    pub(super) slow_above: Duration,
}

/// How long some events took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) timed: u64,
    /// Those that took longer than they may.
    pub(super) slow: u64,
    pub(super) nanos: u64,
}

/// The pace of a revision on probation, counted by all of its lanes.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// Unset until it is known.
    usual: OnceLock<Usual>,
    timed: AtomicU64,
    slow: AtomicU64,
    nanos: AtomicU64,
}

impl Pace {
    pub(super) fn of(times: impl Iterator<Item = Duration>, slow_above: Duration) -> Self {
        let mut pace = Self::default();
        times.for_each(|took| pace.add(took, slow_above));
        pace
    }

    fn add(&mut self, took: Duration, slow_above: Duration) {
        self.timed += 1;
        self.slow += u64::from(took > slow_above);
        self.nanos = self.nanos.saturating_add(nanos(took));
    }

    /// Adds an event of the revision before, from which the timing of the one on probation
    /// learns what is usual if nobody knew. What comes weighs more than what was.
    pub(super) fn add_control(&mut self, took: Duration, of: &Timing, marks: &ProbationMarks) {
        let usual = of.usual();
        self.add(took, usual.map_or(Duration::MAX, |usual| usual.slow_above));
        if usual.is_none() && self.timed >= MIN_TIMED {
            let _ = of.usual.set(marks.usual(self.mean()));
        }
        if self.timed >= CONTROL_WINDOW {
            self.timed /= 2;
            self.slow /= 2;
            self.nanos /= 2;
        }
    }

    pub(super) fn mean(&self) -> Duration {
        Duration::from_nanos(self.nanos / self.timed.max(1))
    }
}

impl Timing {
    pub(super) fn against(usual: Option<Usual>) -> Self {
        Self {
            usual: usual.map(OnceLock::from).unwrap_or_default(),
            ..Self::default()
        }
    }

    pub(super) fn usual(&self) -> Option<Usual> {
        self.usual.get().copied()
    }

    /// Adds an event. Where it was slow, gives what is to be judged.
    pub(super) fn add(&self, took: Duration) -> Option<(Usual, Pace)> {
        let usual = self.usual()?;
        self.nanos.fetch_add(nanos(took), Ordering::Relaxed);
        let slow = took > usual.slow_above;
        if slow {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
        let timed = self.timed.fetch_add(1, Ordering::Relaxed) + 1;
        let judged = slow.then(|| (usual, self.pace()));
        if timed >= WINDOW {
            for count in [&self.timed, &self.slow, &self.nanos] {
                count.store(0, Ordering::Relaxed);
            }
        }
        judged
    }

    pub(super) fn pace(&self) -> Pace {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Pace {
            timed: read(&self.timed),
            slow: read(&self.slow),
            nanos: read(&self.nanos),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
