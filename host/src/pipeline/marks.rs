//! When a revision on probation does not stay: decided from counts, without a clock or I/O, by
//! one rule for the lanes and for plans.

use std::time::Duration;

use super::paired::Paired;
use crate::count::count;

/// So few failures are no ground to return while more events may show otherwise.
const MIN_FAILURES: u64 = 3;

/// Time is judged by so many events at once, so that one that becomes slow late is found too.
pub(super) const WINDOW: u64 = 1_000;

/// So few events say nothing about time, and a time of this much is never held against anyone.
pub(super) const MIN_TIMED: u64 = 20;
const FAST_ENOUGH: Duration = Duration::from_micros(100);

/// While more events may show otherwise, so many say something about the slow ones among them;
/// and so few slow ones may be the machine's.
const MIN_TAIL: u64 = 50;
const MIN_SLOW: u64 = 10;
const MIN_SLOW_AT_LAST: u64 = 3;

/// So much of what the revision before makes is compared before a revision is taken back for
/// less, while more events may show otherwise.
const MIN_COMPARED: u64 = 20;

/// Past which a revision does not stay.
#[derive(Debug, Clone, Copy)]
pub struct ProbationMarks {
    /// Faults and guard blocks in a thousand events.
    pub max_failures: u32,
    /// How many times the mean time of the revision before an event may take, and their mean.
    pub max_slowdown: u32,
    /// Events in a thousand that may take longer, beyond those that do in the revision before.
    pub max_slow: u32,
    /// Publications of a family in a thousand of those by the revision before that may be
    /// missing, and of the events that it takes those that may be rejected.
    pub max_loss: u32,
    /// With fewer events nothing is shown.
    pub min_events: u64,
    /// How long events are waited for, the time of the probation included.
    pub max_time: Duration,
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

/// How long events took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) timed: u64,
    /// Those that took longer than the mark.
    pub(super) slow: u64,
    pub(super) nanos: u64,
}

impl Pace {
    pub(super) fn of(times: impl Iterator<Item = Duration>, mark: Duration) -> Self {
        times.fold(Self::default(), |mut pace, took| {
            pace.add(took, mark);
            pace
        })
    }

    pub(super) fn add(&mut self, took: Duration, mark: Duration) {
        self.timed += 1;
        self.slow += u64::from(took > mark);
        self.nanos = self.nanos.saturating_add(nanos(took));
    }

    pub(super) fn mean(&self) -> Duration {
        Duration::from_nanos(self.nanos / self.timed.max(1))
    }

    /// So that what comes weighs more than what was.
    pub(super) fn halve(&mut self) {
        self.timed /= 2;
        self.slow /= 2;
        self.nanos /= 2;
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl ProbationMarks {
    /// What an event may take where it takes so long in the revision before, on average.
    pub(super) fn slow_above(&self, before: Duration) -> Duration {
        before.saturating_mul(self.max_slowdown).max(FAST_ENOUGH)
    }

    /// Of `events`, on which the revision before did better or would have, not too many may have
    /// failed. With `last`, few failures among few events count too: nothing more will be known.
    pub(super) fn failing(&self, failures: Failures, events: u64, last: bool) -> Option<String> {
        let own = failures.own();
        let enough = match last || self.max_failures == 0 {
            true => 1,
            false => MIN_FAILURES,
        };
        if own < enough || !above(own, events, self.max_failures) {
            return None;
        }
        let uncounted = match failures.common {
            0 => String::new(),
            common => {
                format!("; not counted are {common} that failed in the revision before as well")
            }
        };
        Some(format!(
            "{own} of {} failed ({}, {} blocked by the guard); allowed are {} in a \
             thousand{uncounted}",
            count(events, "event"),
            count(failures.faults, "fault"),
            failures.blocked,
            self.max_failures
        ))
    }

    /// Not too many events may take longer than `mark`, beyond those that do in the revision
    /// before by the `control`, which the same busy machine has run; nor may all of them
    /// together. `before` is its mean time.
    pub(super) fn slow(
        &self,
        (before, mark): (Duration, Duration),
        now: Pace,
        control: Pace,
        last: bool,
    ) -> Option<String> {
        let (timed, slow) = match last {
            true => (MIN_TIMED, MIN_SLOW_AT_LAST),
            false => (MIN_TAIL, MIN_SLOW),
        };
        if now.timed < timed || now.slow < slow {
            return None;
        }
        let usual = u128::from(control.slow) * 1000 / u128::from(control.timed.max(1));
        let allowed = u128::from(self.max_slow) + usual;
        if u128::from(now.slow) * 1000 > allowed * u128::from(now.timed) {
            return Some(format!(
                "{} of {} took longer than {mark:?}, {} times what they took before; allowed are \
                 {allowed} in a thousand",
                now.slow,
                count(now.timed, "event"),
                self.max_slowdown,
            ));
        }
        let usual = match control.timed < MIN_TIMED {
            true => before,
            false => before.max(control.mean()),
        };
        let dear = now.slow >= MIN_SLOW && now.mean() > self.slow_above(usual);
        dear.then(|| {
            format!(
                "{} took {:?} on average, more than {} times what they take in the revision \
                 before ({usual:?})",
                count(now.timed, "event"),
                now.mean(),
                self.max_slowdown,
            )
        })
    }

    /// Of what the revision before makes of the same events, not too much may be missing.
    pub(super) fn less(&self, of: &Paired, last: bool) -> Option<String> {
        let enough = if last { 1 } else { MIN_COMPARED };
        let missing = of.families.iter().find(|family| {
            let missing = family.before.saturating_sub(family.now);
            family.before >= enough && above(missing, family.before, self.max_loss)
        });
        if let Some(family) = missing {
            return Some(format!(
                "it made {} of family {}, and the revision before {} of the same {}; at most {} \
                 in a thousand may be missing",
                count(family.now, "publication"),
                family.name,
                family.before,
                count(of.events, "event"),
                self.max_loss
            ));
        }
        (of.taken >= enough && above(of.refused, of.taken, self.max_loss)).then(|| {
            format!(
                "it rejected {} of {} that the revision before takes; allowed are {} in a thousand",
                of.refused,
                count(of.taken, "event"),
                self.max_loss
            )
        })
    }
}

/// Whether so many of these are more than the share in a thousand.
fn above(part: u64, of: u64, mark: u32) -> bool {
    u128::from(part) * 1000 > u128::from(mark) * u128::from(of)
}

#[cfg(test)]
mod tests;
