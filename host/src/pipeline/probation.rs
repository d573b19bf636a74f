//! The watch over a revision that was just applied, while the one before stands behind it.
//!
//! Lanes ask after each failure, and from the moment that a mark is passed they go through
//! the revision behind again; making that lasting is the rollout's work. What passes, they ask
//! the revision behind too, by `sampler`: so the two are compared on the same events and the
//! same busy machine, whatever the one before did earlier, and also after a restart.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::failure::Failure;
use super::live::Counts;
use super::marks::{Failures, MIN_TIMED, ProbationMarks};
use super::pace::{Pace, Timing, Usual};
use super::paired::{Paired, family_of};
use crate::count::count;
use crate::hub::MessageOrigin;
use crate::transform::{Descriptor, Outcome};

/// How a probation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// It did worse than it may, and why.
    Failed(String),
    /// Too few events came to tell, for as long as they were waited for.
    Silent(String),
}

impl Verdict {
    /// Why the revision does not stay.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) | Self::Silent(reason) => Some(reason),
        }
    }
}

/// What stands behind a revision on probation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Nobody knows whether a revision before would have done better.
    Nothing,
    /// A revision that shows more than was chosen: it is asked about the same events, and nothing
    /// that it says goes out.
    Asked,
    /// A revision that answers where the one on probation fails.
    Answers,
}

/// Shared by the lanes of one transform and the rollout.
#[derive(Debug)]
pub struct Probation {
    marks: ProbationMarks,
    stands: Stands,
    faults: AtomicU64,
    blocked: AtomicU64,
    /// Events on which both failed.
    common: AtomicU64,
    time: Timing,
    /// The same of the events of each family that both revisions have, where there are several:
    /// among many others, those of one would not show.
    families: OnceLock<Vec<(String, Timing)>>,
    /// Of those that both were asked. It is locked for these only, and for slow ones.
    beside: Mutex<Beside>,
    verdict: OnceLock<Verdict>,
    made_less: AtomicBool,
    /// Withdrawn with the verdict.
    origin: OnceLock<Arc<MessageOrigin>>,
    decision: Notify,
}

/// What the revision before did with the same events.
#[derive(Debug, Default)]
struct Beside {
    paired: Option<Paired>,
    pace: Pace,
    /// In the order of those that are timed.
    families: Vec<Pace>,
}

impl Beside {
    /// For the families of `paired`, which are timed by themselves where there are several.
    fn prepare(&mut self, paired: Paired, timed: &OnceLock<Vec<(String, Timing)>>) {
        let several = paired.families.len() > 1;
        let families = paired.families.iter().filter(|_| several);
        let families: Vec<_> = families
            .map(|family| (family.name.clone(), Timing::default()))
            .collect();
        self.families = vec![Pace::default(); families.len()];
        let _ = timed.set(families);
        self.paired = Some(paired);
    }
}

/// How long both revisions took for one event that neither failed on.
#[derive(Debug, Clone)]
pub struct Took {
    before: Duration,
    now: Duration,
    family: Option<String>,
}

impl Took {
    /// `made` is what the event has become in the one on probation.
    pub fn of(before: Duration, now: Duration, outcome: &Outcome) -> Self {
        Self {
            before,
            now,
            family: family_of(outcome).map(str::to_owned),
        }
    }
}

impl Probation {
    /// `before` is the mean time of an event in the revision before.
    pub fn new(marks: ProbationMarks, before: Option<Duration>, stands: Stands) -> Self {
        Self {
            time: Timing::against(before.map(|mean| marks.usual(mean))),
            families: OnceLock::new(),
            marks,
            stands,
            faults: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            common: AtomicU64::new(0),
            beside: Mutex::default(),
            verdict: OnceLock::new(),
            made_less: AtomicBool::new(false),
            origin: OnceLock::new(),
            decision: Notify::new(),
        }
    }

    /// Why the revision does not stay, once that is known.
    pub fn verdict(&self) -> Option<&str> {
        self.verdict.get().and_then(Verdict::reason)
    }

    /// Whether what the revision behind says goes out where this one fails.
    pub fn answers(&self) -> bool {
        self.stands == Stands::Answers
    }

    /// What the revision has made is withdrawn as soon as it fails.
    pub fn withdraws(&self, origin: Arc<MessageOrigin>) {
        let origin = self.origin.get_or_init(|| origin);
        if self.verdict().is_some() {
            origin.withdraw();
        }
    }

    /// Waits for a verdict.
    pub async fn decided(&self) -> &Verdict {
        loop {
            let decision = self.decision.notified();
            if let Some(verdict) = self.verdict.get() {
                return verdict;
            }
            decision.await;
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
        if self.stands != Stands::Nothing {
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

    /// Events that say something of the revision: not those that neither can handle.
    fn telling(&self, counts: &Counts) -> u64 {
        counts.events.saturating_sub(self.failures(counts).common)
    }

    /// How many events are still missing until something is shown.
    pub fn missing(&self, counts: &Counts) -> u64 {
        self.marks.min_events.saturating_sub(self.telling(counts))
    }

    /// Judges by what failed so far.
    pub fn judge(&self, counts: &Counts, last: bool) {
        let (failures, events) = (self.failures(counts), self.telling(counts));
        if let Some(reason) = self.marks.failing(failures, events, last) {
            self.fail(reason);
        }
    }

    /// Ends it if it can end: with `over`, its own time is, and so long was `waited` in all.
    /// Where nothing behind the revision may answer, events are waited for as long as it takes: it
    /// would make room for nothing.
    pub fn end(&self, counts: &Counts, over: bool, waited: Duration) {
        let missing = self.missing(counts);
        let last = over && missing == 0;
        self.judge(counts, last);
        if last {
            self.judge_at_last();
            self.decide(Verdict::Passed);
        } else if over && self.answers() && waited >= self.marks.max_time {
            self.decide(Verdict::Silent(format!(
                "{} came in {waited:.0?}, and {} are needed to tell how it does",
                count(self.telling(counts), "event"),
                self.marks.min_events
            )));
        }
    }

    /// What it would say at its end of these events.
    pub fn would_undo(&self, counts: &Counts, paired: &Paired, times: &[Took]) -> Option<String> {
        let (failures, events) = (self.failures(counts), self.telling(counts));
        let failing = self.marks.failing(failures, events, true);
        failing
            .or_else(|| self.marks.less(paired, true))
            .or_else(|| self.slow_on(self.time.usual()?, times.iter()))
            .or_else(|| {
                let mut families = paired.families.iter().filter(|_| paired.families.len() > 1);
                families.find_map(|family| {
                    let of = |took: &&Took| took.family.as_deref() == Some(&*family.name);
                    let before = Pace::of(
                        times.iter().filter(of).map(|took| took.before),
                        Duration::MAX,
                    );
                    let known = before.timed >= MIN_TIMED;
                    let usual = known.then(|| self.marks.usual(before.mean()))?;
                    let reason = self.slow_on(usual, times.iter().filter(of))?;
                    Some(of_family(&family.name, &reason))
                })
            })
    }

    fn slow_on<'a>(
        &self,
        usual: Usual,
        times: impl Iterator<Item = &'a Took> + Clone,
    ) -> Option<String> {
        let control = Pace::of(times.clone().map(|took| took.before), usual.slow_above);
        let now = Pace::of(times.map(|took| took.now), usual.slow_above);
        self.marks.slow(usual, now, control, true)
    }

    fn judge_at_last(&self) {
        let beside = self.beside.lock();
        let paired = beside.paired.as_ref();
        let less = paired.and_then(|paired| self.marks.less(paired, true));
        let (control, controls) = (beside.pace, beside.families.clone());
        drop(beside);
        if let Some(reason) = less {
            return self.fail_for_less(reason);
        }
        let slow = |time: &Timing, control| {
            let usual = time.usual()?;
            self.marks.slow(usual, time.pace(), control, true)
        };
        let families = self.families.get().into_iter().flatten().zip(controls);
        let mut families = families.filter_map(|((name, time), control)| {
            let reason = slow(time, control)?;
            Some(of_family(name, &reason))
        });
        if let Some(reason) = slow(&self.time, control).or_else(|| families.next()) {
            self.fail(reason);
        }
    }

    /// Judges the time of one event, and of what it has become. One that the revision failed on
    /// is judged as that: where both take their whole deadline, neither is slower.
    pub fn note_time(&self, took: Duration, outcome: &Outcome) {
        if let Some((usual, pace)) = self.time.add(took) {
            let control = self.beside.lock().pace;
            if let Some(reason) = self.marks.slow(usual, pace, control, false) {
                self.fail(reason);
            }
        }
        if let Some((place, (name, time))) = self.family(outcome)
            && let Some((usual, pace)) = time.add(took)
        {
            let control = self.beside.lock().families[place];
            if let Some(reason) = self.marks.slow(usual, pace, control, false) {
                self.fail(of_family(name, &reason));
            }
        }
    }

    /// The timing of the family that an event has become, by its place.
    fn family(&self, outcome: &Outcome) -> Option<(usize, &(String, Timing))> {
        let families = self
            .families
            .get()
            .filter(|families| !families.is_empty())?;
        let name = family_of(outcome)?;
        let mut families = families.iter().enumerate();
        families.find(|(_, (family, _))| family == name)
    }

    /// Adds what both revisions made of one event that neither failed on, and how long it took
    /// the one before. What they made `counts` where both have seen the same before it.
    pub fn note_both(
        &self,
        before: (&Descriptor, &Outcome),
        now: (&Descriptor, &Outcome),
        took: Duration,
        counts: bool,
    ) {
        let mut beside = self.beside.lock();
        if beside.paired.is_none() {
            beside.prepare(Paired::of(before.0, now.0), &self.families);
        }
        beside.pace.add_control(took, &self.time, &self.marks);
        if let Some((place, (_, time))) = self.family(before.1) {
            beside.families[place].add_control(took, time, &self.marks);
        }
        let Some(paired) = beside.paired.as_mut().filter(|_| counts) else {
            return;
        };
        paired.note(before.1, now.1);
        let less = self.marks.less(paired, false);
        drop(beside);
        if let Some(reason) = less {
            self.fail_for_less(reason);
        }
    }

    /// Whether it does not stay because clients had less of it than of the revision before.
    pub fn made_less(&self) -> bool {
        self.made_less.load(Ordering::Acquire)
    }

    fn fail_for_less(&self, reason: String) {
        self.made_less.store(true, Ordering::Release);
        self.fail(reason);
    }

    fn fail(&self, reason: String) {
        self.decide(Verdict::Failed(reason));
    }

    /// The first verdict stands.
    fn decide(&self, verdict: Verdict) {
        let stays = verdict == Verdict::Passed;
        if self.verdict.set(verdict).is_ok() {
            if let Some(origin) = self.origin.get().filter(|_| !stays) {
                origin.withdraw();
            }
            self.decision.notify_waiters();
        }
    }
}

fn of_family(name: &str, reason: &str) -> String {
    format!("of family {name}, {reason}")
}

#[cfg(test)]
mod tests;
