//! When a revision on probation does not stay: decided from counts, without a clock or I/O, by
//! one rule for the lanes and for plans.

use std::time::Duration;

use super::pace::{Pace, Usual};
use super::paired::Paired;
use crate::count::count;

/// So few failures are no ground to return while more events may show otherwise.
const MIN_FAILURES: u64 = 3;

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

impl ProbationMarks {
    /// What an event may take where it takes so long in the revision before, on average.
    pub(super) fn usual(&self, mean: Duration) -> Usual {
        Usual {
            mean,
            slow_above: mean.saturating_mul(self.max_slowdown).max(FAST_ENOUGH),
        }
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

    /// Not too many events may take longer than is `usual`, beyond those that do in the revision
    /// before by the `control`, which the same busy machine has run; nor may all of them together.
    pub(super) fn slow(
        &self,
        usual: Usual,
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
        let slow_before = u128::from(control.slow) * 1000 / u128::from(control.timed.max(1));
        let allowed = u128::from(self.max_slow) + slow_before;
        if u128::from(now.slow) * 1000 > allowed * u128::from(now.timed) {
            return Some(format!(
                "{} of {} took longer than {:?}, {} times what they took before; allowed are \
                 {allowed} in a thousand",
                now.slow,
                count(now.timed, "event"),
                usual.slow_above,
                self.max_slowdown,
            ));
        }
        let mean = match control.timed < MIN_TIMED {
            true => usual.mean,
            false => usual.mean.max(control.mean()),
        };
        let dear = now.slow >= MIN_SLOW && now.mean() > self.usual(mean).slow_above;
        dear.then(|| {
            format!(
                "{} took {:?} on average, more than {} times what they take in the revision \
                 before ({mean:?})",
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
