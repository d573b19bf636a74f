//! The watch over a revision that was just applied, while the one before stands behind it.
//!
//! Lanes ask after each failure, and from the moment that a mark is passed they go through
//! the revision behind again; making that lasting is the registry's work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::live::Counts;
use crate::hub::Origin;

/// So few failures are no ground to return while more events may show otherwise.
const MIN_FAILURES: u64 = 3;

/// Time is judged by so many events at once, so that one that becomes slow late is found too.
const WINDOW: u64 = 1_000;

/// So few events say nothing about time, and a time of this much is never held against anyone.
const MIN_TIMED: u64 = 20;
const FAST_ENOUGH: Duration = Duration::from_micros(100);

/// Past which a revision does not stay.
#[derive(Debug, Clone, Copy)]
pub struct ProbationMarks {
    /// Faults and guard blocks in a thousand events.
    pub max_failures: u32,
    /// How many times the time of the revision before most events may take.
    pub max_slowdown: u32,
}

/// Shared by the lanes of one transform and the registry.
#[derive(Debug)]
pub struct Probation {
    marks: ProbationMarks,
    /// What an event may take; none where the revision before was never measured.
    slow_above: Option<Duration>,
    timed: AtomicU64,
    slow: AtomicU64,
    failed: OnceLock<String>,
    /// Withdrawn with the verdict.
    origin: OnceLock<Arc<Origin>>,
    told: Notify,
}

impl Probation {
    /// `before` is the mean time of an event in the revision before.
    pub fn new(marks: ProbationMarks, before: Option<Duration>) -> Self {
        Self {
            marks,
            slow_above: before.map(|mean| (mean * marks.max_slowdown).max(FAST_ENOUGH)),
            timed: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            failed: OnceLock::new(),
            origin: OnceLock::new(),
            told: Notify::new(),
        }
    }

    /// Why the revision does not stay, once that is known.
    pub fn verdict(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// What the revision has made is withdrawn as soon as it fails.
    pub fn withdraws(&self, origin: Arc<Origin>) {
        let origin = self.origin.get_or_init(|| origin);
        if self.verdict().is_some() {
            origin.withdraw();
        }
    }

    /// Waits for a verdict.
    pub async fn failed(&self) -> &str {
        loop {
            let told = self.told.notified();
            if let Some(reason) = self.verdict() {
                return reason;
            }
            told.await;
        }
    }

    /// Judges by what happened so far. With `last`, few failures among few events count too:
    /// nothing more will be known.
    pub fn judge(&self, counts: &Counts, last: bool) {
        let failures = counts.failures();
        let enough = if last || self.marks.max_failures == 0 {
            1
        } else {
            MIN_FAILURES
        };
        let share = u128::from(failures) * 1000;
        if failures >= enough
            && share > u128::from(self.marks.max_failures) * u128::from(counts.events)
        {
            self.fail(format!(
                "{failures} of {} events failed ({} faults, {} blocked by the guard); allowed are {} in a thousand",
                counts.events, counts.faults, counts.blocked, self.marks.max_failures
            ));
        }
    }

    /// Judges the time of one event. Most of them must be slow: a busy machine makes some so.
    pub fn note_time(&self, took: Duration) {
        let Some(mark) = self.slow_above else { return };
        let timed = self.timed.fetch_add(1, Ordering::Relaxed) + 1;
        if timed >= WINDOW {
            self.timed.store(0, Ordering::Relaxed);
            self.slow.store(0, Ordering::Relaxed);
        }
        if took <= mark {
            return;
        }
        let slow = self.slow.fetch_add(1, Ordering::Relaxed) + 1;
        if timed >= MIN_TIMED && slow * 2 > timed {
            self.fail(format!(
                "{slow} of {timed} events took longer than {mark:?}, {} times what they took before",
                self.marks.max_slowdown
            ));
        }
    }

    fn fail(&self, reason: String) {
        if self.failed.set(reason).is_ok() {
            if let Some(origin) = self.origin.get() {
                origin.withdraw();
            }
            self.told.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: ProbationMarks = ProbationMarks {
        max_failures: 10,
        max_slowdown: 10,
    };

    fn judged(marks: ProbationMarks, counts: Counts, last: bool) -> Option<String> {
        let probation = Probation::new(marks, Some(Duration::from_micros(20)));
        probation.judge(&counts, last);
        probation.verdict().map(str::to_owned)
    }

    fn failing(faults: u64, blocked: u64, events: u64) -> Counts {
        Counts {
            events,
            faults,
            blocked,
            ..Counts::default()
        }
    }

    #[test]
    fn at_the_mark_a_revision_stays_and_past_it_does_not() {
        assert_eq!(judged(MARKS, failing(6, 4, 1000), false), None);
        let reason = judged(MARKS, failing(6, 5, 1000), false).unwrap();
        assert!(reason.contains("11 of 1000"), "{reason}");
    }

    #[test]
    fn two_failures_decide_only_at_the_end_or_where_none_is_allowed() {
        assert_eq!(judged(MARKS, failing(2, 0, 2), false), None);
        assert!(judged(MARKS, failing(2, 0, 2), true).is_some());
        let none = ProbationMarks {
            max_failures: 0,
            ..MARKS
        };
        assert!(judged(none, failing(1, 0, 100_000), false).is_some());
        let all = ProbationMarks {
            max_failures: 1000,
            ..MARKS
        };
        assert_eq!(judged(all, failing(99, 0, 99), true), None);
    }

    #[test]
    fn time_counts_when_most_events_are_slow() {
        let timed = |before, events: &[(u64, usize)]| {
            let probation = Probation::new(MARKS, Some(Duration::from_micros(before)));
            for (micros, times) in events {
                (0..*times).for_each(|_| probation.note_time(Duration::from_micros(*micros)));
            }
            probation.verdict().map(str::to_owned)
        };
        assert_eq!(timed(20, &[(200, 100)]), None, "at the mark");
        assert!(timed(20, &[(201, 20)]).is_some());
        assert_eq!(timed(20, &[(201, 19)]), None, "too few events");
        assert_eq!(timed(20, &[(20, 50), (90_000, 50)]), None, "half of them");
        assert!(timed(20, &[(20, 50), (201, 51)]).is_some());
        assert!(timed(20, &[(20, 100_000), (201, 51)]).is_some(), "late");
        assert_eq!(timed(1, &[(100, 100)]), None, "fast enough");
    }
}
