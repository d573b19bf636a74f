//! What can be asked for, by whom, and what it makes of what is wanted. This is the only place
//! where a choice is made, so the rules about consents and withdrawn revisions stand here once.

use serde::{Deserialize, Serialize};

use super::desired::{Chooser, Decided, Desired, Failed, Needs};
use super::faults::{PlantedFault, is_planted};
use super::intent::Stop;
use crate::transform::RevisionId;

/// A wish about one transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Choose(Wish),
    Rollback(Rollback),
    /// A revision has failed its probation, or cannot run where it shall.
    Fail(Failed),
    /// A revision has stood its probation.
    Prove(RevisionId),
    /// The first hosts have stood their probation: now all.
    Open(RevisionId),
    Pause(bool),
    Remove,
    /// The settings do not name it any more.
    Unname,
}

impl Request {
    /// The revision that it names to go to.
    fn goes_to(&self) -> Option<&RevisionId> {
        match self {
            Self::Choose(wish) => Some(&wish.revision),
            Self::Rollback(rollback) => Some(&rollback.to),
            _ => None,
        }
    }

    /// Whether a later one makes an earlier one of no use.
    pub fn says_the_same(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Rollback(later), Self::Rollback(earlier)) => later.from == earlier.from,
            (Self::Fail(later), Self::Fail(earlier)) => later.revision == earlier.revision,
            (later, earlier) => later == earlier,
        }
    }

    /// Whether it only takes something away: then it holds at once, whoever can be reached.
    /// What brings a withdrawn revision back does not.
    pub fn is_stop(&self, wanted: &Desired) -> bool {
        match self {
            Self::Rollback(_) => !self.goes_to().is_some_and(|to| wanted.is_withdrawn(to)),
            Self::Pause(paused) => *paused,
            Self::Fail(_) | Self::Remove | Self::Unname => true,
            Self::Choose(_) | Self::Prove(_) | Self::Open(_) => false,
        }
    }
}

/// A revision that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub revision: RevisionId,
    pub chooser: Chooser,
    /// What taking it needs, compared with what is chosen now.
    pub needs: Needs,
    pub consent: Needs,
    pub probation: bool,
    pub first: Vec<String>,
    /// The known revisions that show no more than this one, or that somebody agrees to have back
    /// if it fails.
    pub covers: Vec<RevisionId>,
    /// It comes from a file that was there when the host started, not from somebody who put it
    /// there since.
    pub was_there: bool,
}

/// The way back from a revision, which is withdrawn by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What is left.
    pub from: RevisionId,
    /// Where it goes: what was looked at, and nothing else, however much was decided meanwhile.
    pub to: RevisionId,
    /// Compared with what is left.
    pub needs: Needs,
    pub consent: Needs,
    /// The known revisions that show no more than where it goes.
    pub covers: Vec<RevisionId>,
}

/// Why a wish is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    AlreadyChosen,
    /// The consents that are missing.
    Needs(Needs),
    /// It was taken back; only a person who names it brings it back.
    Withdrawn,
    /// Somebody's choice stands, and a file that was there before does not override it.
    Standing,
    /// Nothing proven is left to go back to.
    NothingToReturnTo,
    /// Hosts can go first only where a probation shows how they do.
    FirstWithoutProbation,
    /// Hosts can go first only where the others have something good to go on with.
    FirstOverProbation,
    /// What it is about is not what is wanted any more.
    Stale,
}

impl Desired {
    /// What is wanted after a request, one generation later.
    ///
    /// # Errors
    /// Why it is not granted; nothing changes.
    pub fn after(&self, request: &Request) -> Result<Self, Refusal> {
        let mut next = Self {
            generation: self.generation + 1,
            ..self.clone()
        };
        match request {
            Request::Choose(wish) => next.choose(wish)?,
            Request::Rollback(rollback) => next.roll_back(rollback)?,
            Request::Fail(failed) => next.fail(failed)?,
            Request::Prove(revision) => {
                let is_chosen = self.choice.revision.as_ref() == Some(revision);
                if !is_chosen || self.is_withdrawn(revision) {
                    return Err(Refusal::Stale);
                }
                next.prove(revision);
            }
            Request::Open(revision) => {
                if self.choice.revision.as_ref() != Some(revision) || self.choice.first.is_empty() {
                    return Err(Refusal::Stale);
                }
                next.take(
                    Some(revision.clone()),
                    self.choice.chooser,
                    self.choice.consent,
                );
                // All that went first have stood it; the others are watched as well.
                next.prove(revision);
                next.choice.probation = self.choice.probation;
                next.choice.covers.clone_from(&self.choice.covers);
                next.choice.by.clone_from(&self.choice.by);
                next.choice.since = self.choice.since;
            }
            Request::Pause(paused) => {
                next.paused = Decided::unnamed(*paused, next.generation);
            }
            Request::Remove => next.take(None, Chooser::Operator, Needs::default()),
            Request::Unname => next.take(None, Chooser::Configuration, Needs::default()),
        }
        Ok(next)
    }

    fn choose(&mut self, wish: &Wish) -> Result<(), Refusal> {
        let Wish {
            revision, chooser, ..
        } = wish;
        let stands = !matches!(
            self.choice.chooser,
            Chooser::Configuration | Chooser::Folder
        );
        if wish.was_there && stands && !is_planted(PlantedFault::FirstLookOverrides) {
            return Err(Refusal::Standing);
        }
        if self.choice.revision.as_ref() == Some(revision) && self.choice.chooser == *chooser {
            return Err(Refusal::AlreadyChosen);
        }
        let by_name = *chooser == Chooser::Operator;
        if self.is_withdrawn(revision) && !by_name && !is_planted(PlantedFault::FileBringsBack) {
            return Err(Refusal::Withdrawn);
        }
        let may_widen = wish.was_there && is_planted(PlantedFault::StartWidens);
        permit(wish.needs, wish.consent, may_widen)?;
        if !wish.first.is_empty() && !wish.probation {
            return Err(Refusal::FirstWithoutProbation);
        }
        if is_planted(PlantedFault::UnprovenIsSafetyNet)
            && let Some(unproven) = self.choice.revision.clone()
        {
            self.prove(&unproven);
        }
        let meanwhile = match wish.first.is_empty() {
            true => None,
            false => self.goes_on()?,
        };
        self.turn_to(wish.revision.clone(), *chooser, wish.consent);
        self.choice.meanwhile = meanwhile;
        self.choice.probation = wish.probation;
        self.choice.first.clone_from(&wish.first);
        self.choice.covers.clone_from(&wish.covers);
        if !wish.probation {
            self.prove(&wish.revision);
        }
        Ok(())
    }

    /// What hosts run that do not go first with another choice: what they run now. None where
    /// nothing runs.
    ///
    /// # Errors
    /// They run what is not proven yet.
    fn goes_on(&self) -> Result<Option<RevisionId>, Refusal> {
        let runs = |revision: &&RevisionId| !self.is_withdrawn(revision);
        let Some(chosen) = self.choice.revision.as_ref().filter(runs) else {
            return Ok(None);
        };
        if !self.choice.first.is_empty() {
            // What was taken back meanwhile runs nowhere, also where it is named now.
            let meanwhile = self.choice.meanwhile.as_ref();
            return Ok(meanwhile.filter(runs).cloned());
        }
        match self.proven.contains(chosen) {
            true => Ok(Some(chosen.clone())),
            false if is_planted(PlantedFault::RestIsWider) => Ok(self.previous().cloned()),
            false => Err(Refusal::FirstOverProbation),
        }
    }

    fn roll_back(&mut self, rollback: &Rollback) -> Result<(), Refusal> {
        let Rollback {
            from,
            to,
            needs,
            consent,
            covers,
        } = rollback;
        if self.choice.revision.as_ref() != Some(from) {
            return Err(Refusal::Stale);
        }
        if to == from {
            return Err(Refusal::AlreadyChosen);
        }
        // Clients lose what the newer one brought: that is what a way back is for.
        let needs = Needs {
            breaking: needs.breaking && self.is_withdrawn(to),
            silent: false,
            ..*needs
        };
        permit(needs, *consent, is_planted(PlantedFault::RollbackWidens))?;
        if !is_planted(PlantedFault::RollbackForgets) {
            self.set_withdrawn(from, true);
        }
        self.turn_to(to.clone(), Chooser::Operator, *consent);
        self.choice.covers.clone_from(covers);
        Ok(())
    }

    /// Where a rollback goes that names nothing.
    pub fn rolls_back_to(&self) -> Option<RevisionId> {
        if is_planted(PlantedFault::RollbackReturnsToWithdrawn) {
            let chosen = self.choice.revision.as_ref();
            let mut known = self.withdrawn.keys().chain(&self.proven);
            return known.find(|revision| Some(*revision) != chosen).cloned();
        }
        self.previous().cloned()
    }

    /// The same stop, said of what is wanted by now: what somebody wanted to leave is withdrawn
    /// also where another choice stands already.
    #[must_use]
    pub fn stopped(&self, stop: &Stop) -> Self {
        let request = &stop.request;
        let brings_back = request.goes_to().is_some_and(|to| self.is_withdrawn(to));
        let mut next = match self.after(request) {
            Ok(next) if !brings_back => next,
            _ => self.left(request),
        };
        next.sign(&stop.by, stop.at);
        next
    }

    /// What somebody wanted to leave is withdrawn.
    fn left(&self, request: &Request) -> Self {
        let mut next = self.clone();
        // Said once more where it is so already: somebody else may just be bringing it back.
        let left = match request {
            Request::Rollback(rollback) => Some(&rollback.from),
            Request::Fail(failed) => Some(&failed.revision),
            _ => None,
        };
        if let Some(from) = left {
            next.generation += 1;
            next.set_withdrawn(from, true);
            next.leave_withdrawn();
        }
        next
    }

    /// Where what is chosen was withdrawn, what was proven before and shows no more is chosen
    /// instead.
    pub(super) fn leave_withdrawn(&mut self) {
        let Some(chosen) = self.choice.revision.clone() else {
            return;
        };
        if !self.is_withdrawn(&chosen) {
            return;
        }
        match self.return_by_itself().cloned() {
            Some(safe) => self.turn_to(safe, Chooser::Itself, Needs::default()),
            // Nothing is left that may run: the choice stands, and does not run.
            None if self.paused.yes => {}
            None => self.paused = Decided::unnamed(true, self.generation),
        }
    }

    fn fail(&mut self, failed: &Failed) -> Result<(), Refusal> {
        let revision = &failed.revision;
        if self.choice.revision.as_ref() != Some(revision) || self.is_withdrawn(revision) {
            return Err(Refusal::Stale);
        }
        self.set_withdrawn(revision, true);
        self.failed = Some(failed.clone());
        self.leave_withdrawn();
        Ok(())
    }

    /// Makes a revision the choice that somebody has named or that is safe.
    fn turn_to(&mut self, revision: RevisionId, chooser: Chooser, consent: Needs) {
        if self.withdrawn.contains_key(&revision) {
            self.set_withdrawn(&revision, false);
        }
        self.take(Some(revision), chooser, consent);
    }
}

/// The one place where what is needed is held against what was agreed to.
fn permit(needs: Needs, consent: Needs, planted: bool) -> Result<(), Refusal> {
    let missing = needs.without(consent);
    if missing.is_none() || planted {
        Ok(())
    } else {
        Err(Refusal::Needs(missing))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_was_taken_back_while_first_hosts_tried_another_is_tried_by_first_hosts_only() {
        let [a, b, c] = ['a', 'b', 'c'].map(RevisionId::example);
        let mut wanted = Desired::configured(a.clone(), Timestamp::UNIX_EPOCH);
        wanted.choice.revision = Some(c);
        wanted.choice.first = vec!["one".to_owned()];
        wanted.choice.meanwhile = Some(b.clone());
        wanted.set_withdrawn(&b, true);
        let wish = |revision: &RevisionId| {
            Request::Choose(Wish {
                revision: revision.clone(),
                chooser: Chooser::Operator,
                needs: Needs::default(),
                consent: Needs::default(),
                probation: true,
                first: vec!["two".to_owned()],
                covers: Vec::new(),
                was_there: false,
            })
        };
        let named = wanted.after(&wish(&b)).expect("somebody has named it");
        assert_eq!(named.target("two"), Some(&b));
        assert_eq!(named.target("three"), None);
        wanted.set_withdrawn(&b, false);
        let another = wanted.after(&wish(&a)).expect("it needs nothing");
        assert_eq!(another.target("three"), Some(&b));
    }
}
