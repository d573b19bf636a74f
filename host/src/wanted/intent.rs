//! A transform as this host runs it: what is wanted, what was stopped here and is not shared
//! yet, and which probation is under way. All of it lasts beyond the process.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::{Choice, DecisionId, Desired, Failed, Stamp};
use super::faults::{PlantedFault, is_planted};
use super::merge::{Merged, merge};
use super::request::{Refusal, Request};
use crate::pipeline::Verdict;
use crate::transform::RevisionId;

/// In the how manyth start within its probation a revision is taken back: it may be what ends
/// the process.
pub const MAX_STARTS: u32 = 3;

/// Stops that a host remembers until its fleet knows of them. Those that say the same are one, so
/// there are no more than revisions that can be left.
pub const MAX_PENDING: usize = 64;

/// One transform on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// As it was last shared, or decided here where there is no fleet.
    pub desired: Desired,
    /// What was stopped here while the fleet could not be asked; it goes on top.
    pub pending: Vec<Stop>,
    /// An operator's own way for this host only.
    pub detached: Option<Box<Desired>>,
    #[serde(rename = "trial")]
    pub probation: Option<ProbationRecord>,
    /// The choice whose probation was stood here last.
    pub stood: Option<DecisionId>,
    /// What the fleet wants cannot be read here, but that it is paused.
    #[serde(default)]
    pub paused_unread: bool,
}

/// A stop that holds here, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub id: DecisionId,
    pub request: Request,
    pub by: String,
    pub at: Timestamp,
}

/// The probation of a revision on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbationRecord {
    pub revision: RevisionId,
    /// The choice that asked for it.
    pub choice: DecisionId,
    /// Starts of the process since it began.
    pub starts: u32,
}

impl ProbationRecord {
    fn new(revision: RevisionId, choice: DecisionId) -> Self {
        Self {
            revision,
            choice,
            starts: 0,
        }
    }
}

impl Intent {
    pub fn new(desired: Desired) -> Self {
        Self {
            desired,
            pending: Vec::new(),
            detached: None,
            probation: None,
            stood: None,
            paused_unread: false,
        }
    }

    /// Whether its parts are within their bounds: it may come from a folder that somebody wrote to.
    ///
    /// # Errors
    /// Which of them is not.
    pub fn check(&self) -> Result<(), String> {
        self.desired.check()?;
        self.detached.as_ref().map_or(Ok(()), |own| own.check())?;
        match self.pending.len() <= MAX_PENDING {
            true => Ok(()),
            false => Err("the stops that are not shared yet are beyond their bound".to_owned()),
        }
    }

    /// What this host goes by.
    pub fn wanted(&self) -> Desired {
        if let Some(detached) = &self.detached {
            return (**detached).clone();
        }
        let stops = self.pending.iter();
        stops.fold(self.desired.clone(), |wanted, stop| wanted.stopped(stop))
    }

    /// Notes something that was asked for on a host of its own, or that Tidegate decided.
    ///
    /// # Errors
    /// Why it is not granted; nothing changes.
    pub fn ask(&mut self, request: &Request, stamp: &Stamp) -> Result<(), Refusal> {
        let before = self.wanted();
        let wanted = before.after(request)?.stamped(stamp, &[&before]);
        match &mut self.detached {
            Some(detached) => **detached = wanted,
            None => self.desired = wanted,
        }
        Ok(())
    }

    /// Whether this host has said all that it has to say for what is chosen, and that is good.
    pub fn has_stood(&self) -> bool {
        self.stood == Some(self.desired.choice.id)
    }

    /// Notes a stop on a host of a fleet: it holds here at once, and for all once they hear.
    ///
    /// # Errors
    /// Why it is not granted; nothing changes.
    pub fn stop(&mut self, stop: Request, stamp: &Stamp) -> Result<(), Refusal> {
        match self.detached {
            // It is no secret from the others.
            Some(_) => self.ask(&stop, stamp)?,
            None => drop(self.wanted().after(&stop)?),
        }
        self.remember(stop, stamp);
        Ok(())
    }

    fn remember(&mut self, request: Request, stamp: &Stamp) {
        let stop = Stop {
            id: stamp.id,
            request,
            by: stamp.by.clone(),
            at: stamp.at,
        };
        self.pending
            .retain(|pending| !pending.request.says_the_same(&stop.request));
        if self.pending.len() < MAX_PENDING {
            self.pending.push(stop);
        }
    }

    /// Goes its own way, until it is attached again.
    pub fn detach(&mut self) {
        if self.detached.is_none() {
            self.detached = Some(Box::new(self.wanted()));
        }
    }

    /// Follows the fleet again, whatever it did meanwhile.
    pub fn attach(&mut self) {
        self.detached = None;
    }

    /// What stands in the fleet's Redis. Gives what is to be written there, if anything is,
    /// in place of exactly what was read.
    pub fn hear(&mut self, read: Option<&Desired>, stamp: &Stamp) -> Option<Desired> {
        let merged = match merge(&self.desired, read) {
            Merged::Same => self.desired.clone(),
            Merged::Follow(followed) => {
                self.desired = followed.clone();
                followed
            }
            Merged::Offer(offered) => offered,
        };
        let stops = self.pending.iter();
        let wished = stops.fold(merged, |wanted, stop| wanted.stopped(stop));
        if Some(&wished) == read {
            return None;
        }
        if wished == self.desired {
            // What only the settings of this host name is no wish of its fleet.
            return (read.is_some() || wished.is_decided()).then_some(wished);
        }
        let mut parents = vec![&self.desired];
        parents.extend(read);
        Some(wished.stamped(stamp, &parents))
    }

    /// What was written is what stands there now, with these stops in it.
    pub fn shared(&mut self, written: Desired, stops: &[DecisionId]) {
        // What was heard meanwhile may be newer.
        if self.desired.led_to(&written) {
            self.desired = written;
        }
        self.pending.retain(|stop| !stops.contains(&stop.id));
    }

    /// The process starts. A revision within its probation may be what ended it, also before
    /// it was written down that the probation had begun.
    pub fn start(&mut self, in_fleet: bool, stamp: &Stamp) {
        let choice = self.wanted().choice;
        let probation = self.probation.take();
        let goes_on = |probation: &ProbationRecord| {
            let is_same = probation.choice == choice.id || self.is_to_be_tried(&choice);
            is_same && choice.revision.as_ref() == Some(&probation.revision)
        };
        // Whoever has chosen the same once more meanwhile did not begin its probation anew.
        self.probation = probation.filter(goes_on).map(|probation| ProbationRecord {
            choice: choice.id,
            ..probation
        });
        if self.probation.is_none() && !in_fleet && self.is_to_be_tried(&choice) {
            self.probation = choice
                .revision
                .map(|revision| ProbationRecord::new(revision, choice.id));
        }
        let Some(probation) = &mut self.probation else {
            return;
        };
        if !is_planted(PlantedFault::StartsAreNotCounted) {
            probation.starts = probation.starts.saturating_add(1);
        }
        if probation.starts >= MAX_STARTS {
            let revision = probation.revision.clone();
            let why = format!("{MAX_STARTS} starts of the host within its probation");
            self.judge(&revision, &Verdict::Failed(why), in_fleet, stamp);
        }
    }

    /// Notes how a probation went here.
    pub fn judge(
        &mut self,
        revision: &RevisionId,
        verdict: &Verdict,
        in_fleet: bool,
        stamp: &Stamp,
    ) {
        let Some(probation) = self
            .probation
            .take_if(|probation| probation.revision == *revision)
        else {
            return;
        };
        let passed = match verdict {
            Verdict::Passed => Ok(()),
            Verdict::Silent(_) if is_planted(PlantedFault::SilenceIsSuccess) => Ok(()),
            Verdict::Failed(why) | Verdict::Silent(why) => Err(Failed::new(revision, why)),
        };
        if passed.is_ok() {
            self.stood = Some(probation.choice);
        }
        // Whatever cannot be said of it any more has been decided meanwhile.
        let _stale = match (passed, in_fleet) {
            (Ok(()), false) => self.ask(&Request::Prove(revision.clone()), stamp),
            // That is for all to say.
            (Ok(()), true) => Ok(()),
            (Err(failed), false) => self.ask(&Request::Fail(failed), stamp),
            (Err(failed), true) => self.stop(Request::Fail(failed), stamp),
        };
    }

    /// What has stood its probation here is not tried again, by whatever start.
    fn is_to_be_tried(&self, choice: &Choice) -> bool {
        let has_stood =
            self.stood == Some(choice.id) && !is_planted(PlantedFault::StoodIsTriedAgain);
        choice.probation && !has_stood
    }

    /// The probation that begins when a host of this name turns from what `runs` there to what is
    /// wanted; none where none does.
    pub fn begins(&self, host: &str, runs: Option<&RevisionId>) -> Option<ProbationRecord> {
        let wanted = self.wanted();
        let choice = &wanted.choice;
        let target = wanted.target(host).filter(|target| runs != Some(*target))?;
        let is_watched = choice.revision.as_ref() == Some(target) && self.is_to_be_tried(choice);
        is_watched.then(|| ProbationRecord::new(target.clone(), choice.id))
    }

    /// Notes that a probation begins, before anything of it runs: a start counts it then, however
    /// soon it ends the process.
    pub fn begin(&mut self, probation: ProbationRecord) {
        let goes_on = |begun: &ProbationRecord| begun.choice == probation.choice;
        if !self.probation.as_ref().is_some_and(goes_on) {
            self.probation = Some(probation);
        }
    }

    /// Notes that this host has turned to a revision, with a probation where the choice says so.
    pub fn switched(&mut self, to: &RevisionId) {
        let choice = self.wanted().choice;
        if is_planted(PlantedFault::FallbackIsSaved) && choice.revision.as_ref() != Some(to) {
            self.desired.choice.revision = Some(to.clone());
        }
        let chosen = choice.revision.as_ref();
        // A start within a probation goes on with it, and what stands in for the revision
        // meanwhile does not end it: its starts stay counted.
        let goes_on = |probation: &ProbationRecord| {
            chosen == Some(&probation.revision) && probation.choice == choice.id
        };
        let probation = self.probation.take().filter(goes_on);
        self.probation = match self.is_to_be_tried(&choice) {
            false => None,
            true if chosen != Some(to) => probation,
            true => probation.or_else(|| Some(ProbationRecord::new(to.clone(), choice.id))),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::desired::{Chooser, Needs};
    use super::super::request::Wish;
    use super::*;

    fn revision(digit: char) -> RevisionId {
        RevisionId::example(digit)
    }

    fn stamp(id: DecisionId) -> Stamp {
        let (by, at) = ("admin".to_owned(), Timestamp::UNIX_EPOCH);
        Stamp { id, by, at }
    }

    /// `b` was applied with a probation on a host that ran `a`, and the host has not turned yet.
    fn applied() -> Intent {
        let desired = Desired::configured(revision('a'), Timestamp::UNIX_EPOCH);
        let mut intent = Intent::new(desired);
        let wish = Wish {
            revision: revision('b'),
            chooser: Chooser::Operator,
            needs: Needs::default(),
            consent: Needs::default(),
            probation: true,
            first: Vec::new(),
            covers: vec![revision('a')],
            was_there: false,
        };
        intent
            .ask(&Request::Choose(wish), &stamp(1))
            .expect("it needs nothing");
        intent
    }

    #[test]
    fn starts_count_although_the_probation_had_not_been_written_down() {
        let mut intent = applied();
        for start in 1..MAX_STARTS {
            intent.start(false, &stamp(u64::from(start) + 1));
            assert_eq!(intent.wanted().choice.revision, Some(revision('b')));
        }
        intent.start(false, &stamp(9));
        assert_eq!(intent.wanted().choice.revision, Some(revision('a')));
        assert!(intent.wanted().is_withdrawn(&revision('b')));
    }

    #[test]
    fn what_has_stood_its_probation_is_not_tried_again_by_a_start() {
        let mut intent = applied();
        intent.switched(&revision('b'));
        intent.judge(&revision('b'), &Verdict::Passed, false, &stamp(2));
        for start in 3..9 {
            intent.start(false, &stamp(start));
            intent.switched(&revision('b'));
            assert_eq!(intent.probation, None);
        }
        assert_eq!(intent.wanted().choice.revision, Some(revision('b')));
    }

    #[test]
    fn what_stands_in_for_a_revision_does_not_end_the_count_of_its_starts() {
        let mut intent = applied();
        intent.start(false, &stamp(2));
        intent.switched(&revision('a'));
        intent.switched(&revision('b'));
        let probation = intent.probation.as_ref().expect("it goes on");
        assert_eq!(probation.starts, 1);
    }

    #[test]
    fn a_probation_that_is_noted_before_it_begins_counts_each_start_in_a_fleet() {
        let mut intent = applied();
        let (a, b) = (revision('a'), revision('b'));
        assert_eq!(intent.begins("", Some(&b)), None);
        let begins = intent.begins("", Some(&a)).expect("it is to be tried");
        assert_eq!(begins.revision, b);
        intent.begin(begins.clone());
        // The process ends before it has turned, each time.
        for starts in 1..MAX_STARTS {
            intent.start(true, &stamp(starts.into()));
            let probation = intent.probation.clone().expect("it goes on");
            assert_eq!((&probation.revision, probation.starts), (&b, starts));
            intent.begin(begins.clone());
            assert_eq!(intent.probation, Some(probation));
        }
        intent.start(true, &stamp(99));
        assert!(intent.wanted().is_withdrawn(&b));
        assert_eq!(intent.begins("", Some(&a)), None);
    }
}
