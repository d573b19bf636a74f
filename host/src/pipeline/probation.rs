//! The watch over a revision that was just applied, while the one before stands behind it.
//!
//! Lanes ask after each failure, and from the moment that a mark is passed they go through
//! the revision behind again; making that lasting is the registry's work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::failure::Failure;
use super::live::Counts;
use crate::count::count;
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
    /// Whether the revision before answers where this one fails. Without it, nobody knows
    /// whether that would have done better.
    behind: bool,
    faults: AtomicU64,
    blocked: AtomicU64,
    /// Events on which both failed.
    common: AtomicU64,
    failed: OnceLock<String>,
    /// Withdrawn with the verdict.
    origin: OnceLock<Arc<Origin>>,
    told: Notify,
}

/// Events that are held against a revision, and those that are not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    pub faults: u64,
    pub blocked: u64,
    /// On which the revision before failed as well.
    pub common: u64,
}

impl Failures {
    /// Those that are held against it.
    pub fn own(&self) -> u64 {
        self.faults + self.blocked
    }
}

impl Probation {
    /// `before` is the mean time of an event in the revision before; `behind` whether that one
    /// stands behind it.
    pub fn new(marks: ProbationMarks, before: Option<Duration>, behind: bool) -> Self {
        Self {
            behind,
            faults: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            common: AtomicU64::new(0),
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

    /// Notes a failure, once it is known whether the revision before failed as well.
    pub fn note_failure(&self, failure: Failure, common: bool) {
        let counter = match failure {
            _ if common => &self.common,
            Failure::Fault => &self.faults,
            Failure::Blocked => &self.blocked,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What failed so far, `counts` being the revision's own.
    pub fn failures(&self, counts: &Counts) -> Failures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        if self.behind {
            Failures {
                faults: read(&self.faults),
                blocked: read(&self.blocked),
                common: read(&self.common),
            }
        } else {
            Failures {
                faults: counts.faults,
                blocked: counts.blocked,
                common: 0,
            }
        }
    }

    /// Judges by what happened so far: of the events on which the revision before did better,
    /// or would have, not too many may have failed. With `last`, few failures among few events
    /// count too: nothing more will be known.
    pub fn judge(&self, counts: &Counts, last: bool) {
        let failures = self.failures(counts);
        let (own, events) = (
            failures.own(),
            counts.events.saturating_sub(failures.common),
        );
        let enough = if last || self.marks.max_failures == 0 {
            1
        } else {
            MIN_FAILURES
        };
        let share = u128::from(own) * 1000;
        if own >= enough && share > u128::from(self.marks.max_failures) * u128::from(events) {
            let Failures {
                faults,
                blocked,
                common,
            } = failures;
            let uncounted = match common {
                0 => String::new(),
                common => {
                    format!("; not counted are {common} that failed in the revision before as well")
                }
            };
            self.fail(format!(
                "{own} of {} failed ({}, {blocked} blocked by the guard); allowed are {} in a \
                 thousand{uncounted}",
                count(events, "event"),
                count(faults, "fault"),
                self.marks.max_failures
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
        if took > mark {
            let slow = self.slow.fetch_add(1, Ordering::Relaxed) + 1;
            self.judge_time(slow, timed, mark);
        }
    }

    /// Judges the times of all events at once, so that what is said is of all of them.
    pub fn judge_times(&self, times: &[Duration]) {
        let Some(mark) = self.slow_above else { return };
        let slow = times.iter().filter(|took| **took > mark).count();
        self.judge_time(slow as u64, times.len() as u64, mark);
    }

    fn judge_time(&self, slow: u64, timed: u64, mark: Duration) {
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
        let probation = Probation::new(marks, Some(Duration::from_micros(20)), false);
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
    fn what_the_revision_before_fails_at_too_is_not_held_against_it() {
        let judged = |own: u64, common: u64, events: u64| {
            let probation = Probation::new(MARKS, None, true);
            (0..own).for_each(|_| probation.note_failure(Failure::Fault, false));
            (0..common).for_each(|_| probation.note_failure(Failure::Blocked, true));
            probation.judge(&failing(own, common, events), true);
            probation.verdict().map(str::to_owned)
        };
        assert_eq!(judged(0, 900, 1000), None);
        assert_eq!(judged(10, 0, 1000), None);
        // Of the hundred events that the other one can do, two are too many.
        let reason = judged(2, 900, 1000).unwrap();
        assert!(
            reason.contains("2 of 100 events failed (2 faults, 0 blocked by the guard)")
                && reason
                    .ends_with("not counted are 900 that failed in the revision before as well"),
            "{reason}"
        );
    }

    #[test]
    fn all_times_at_once_are_judged_as_one_after_the_other() {
        let judged = |slow: usize, of: usize| {
            let probation = Probation::new(MARKS, Some(Duration::from_micros(20)), true);
            let time = |number| Duration::from_micros(if number < slow { 201 } else { 20 });
            probation.judge_times(&(0..of).map(time).collect::<Vec<_>>());
            probation.verdict().map(str::to_owned)
        };
        assert_eq!((judged(19, 19), judged(30, 60)), (None, None));
        assert!(
            judged(31, 60)
                .unwrap()
                .starts_with("31 of 60 events took longer")
        );
    }

    #[test]
    fn time_counts_when_most_events_are_slow() {
        let timed = |before, events: &[(u64, usize)]| {
            let probation = Probation::new(MARKS, Some(Duration::from_micros(before)), true);
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
