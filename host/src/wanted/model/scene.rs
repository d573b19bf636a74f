//! Hosts, their disks and their fleet's Redis, and what happened to them, whoever remembers it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::desired::{Choice, Chooser, Desired, Needs};
use super::super::intent::Intent;
use super::super::reconcile::Process;
use crate::transform::RevisionId;

/// Revisions there are, by number; each has the surfaces that its number's bits say.
pub(super) const REVISIONS: usize = 6;

pub(super) fn revision(number: usize) -> RevisionId {
    let digits = format!("{:064x}", number % REVISIONS);
    digits.parse().expect("it has 64 digits")
}

/// What becomes public, as bits: 0 and 1 are alike, later ones publish more or other things.
fn surface(revision: &RevisionId) -> u8 {
    [0b001, 0b001, 0b011, 0b011, 0b101, 0b000]
        [usize::from_str_radix(revision.as_str(), 16).expect("it is a number")]
}

/// Those that show no more than a revision.
pub(super) fn covers(of: &RevisionId) -> Vec<RevisionId> {
    let revisions = (0..REVISIONS).map(revision);
    revisions.filter(|to| !needs(of, to).wider).collect()
}

/// Compares two revisions by their bits.
pub(super) fn needs(from: &RevisionId, to: &RevisionId) -> Needs {
    Needs {
        wider: surface(to) & !surface(from) != 0,
        breaking: surface(from) & !surface(to) != 0,
        ..Needs::default()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Redis {
    pub(super) doc: Option<Desired>,
    pub(super) snapshot: Option<Desired>,
    pub(super) writable: bool,
    /// What stands at a master that was failed over and takes writes all the same.
    pub(super) zombie: Option<Option<Desired>>,
    /// The hosts that reach that one.
    pub(super) at_zombie: BTreeSet<usize>,
}

impl Redis {
    pub(super) fn new() -> Self {
        Self {
            doc: None,
            snapshot: None,
            writable: true,
            zombie: None,
            at_zombie: BTreeSet::new(),
        }
    }

    /// Another server is the master, perhaps without the last writes; the one before goes on.
    pub(super) fn fail_over(&mut self, loses: bool) {
        self.zombie = Some(self.doc.clone());
        self.at_zombie.clear();
        if loses {
            self.doc = self.snapshot.clone();
        }
    }

    /// The master that was failed over follows the other one: what it took is gone.
    pub(super) fn heal(&mut self) {
        self.zombie = None;
        self.at_zombie.clear();
    }

    /// What a host reads.
    pub(super) fn seen_by(&self, host: usize) -> Option<&Desired> {
        match &self.zombie {
            Some(zombie) if self.at_zombie.contains(&host) => zombie.as_ref(),
            _ => self.doc.as_ref(),
        }
    }

    /// Whether what one of two hosts says of itself is read by the other.
    pub(super) fn reach_the_same(&self, host: usize, peer: usize) -> bool {
        let at_zombie = |host| self.zombie.is_some() && self.at_zombie.contains(&host);
        at_zombie(host) == at_zombie(peer)
    }

    /// What a host writes.
    pub(super) fn write(&mut self, host: usize, desired: Desired) {
        match &mut self.zombie {
            Some(zombie) if self.at_zombie.contains(&host) => *zombie = Some(desired),
            _ => self.doc = Some(desired),
        }
    }
}

#[derive(Debug)]
pub(super) struct ModelHost {
    pub(super) name: String,
    pub(super) disk: Intent,
    pub(super) disk_full: bool,
    /// None: the process is not there.
    pub(super) up: Option<Up>,
    pub(super) reaches_redis: bool,
    /// What cannot be loaded here, for now.
    pub(super) broken: BTreeSet<RevisionId>,
    /// Since when what is in memory is not on disk.
    pub(super) unsaved_since: Option<u64>,
    /// Starts within one probation, counted by who kills.
    pub(super) crashes: BTreeMap<RevisionId, u32>,
}

#[derive(Debug)]
pub(super) struct Up {
    pub(super) intent: Intent,
    pub(super) process: Process,
    /// Loads are slow: what is asked for waits.
    pub(super) slow: bool,
}

/// What happened, whoever remembers it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) time: u64,
    /// The last that happened to a revision: withdrawn on a host, or named by an operator.
    pub(super) revisions: BTreeMap<RevisionId, (bool, u64, usize)>,
    /// The last pause or resumption, and where.
    pub(super) paused: Option<(bool, u64, usize)>,
    pub(super) granted: BTreeSet<RevisionId>,
    pub(super) good: BTreeSet<RevisionId>,
    pub(super) passed: BTreeSet<(usize, RevisionId)>,
    /// What somebody agreed to have back from a revision, though it shows more.
    pub(super) agreed: BTreeSet<(RevisionId, RevisionId)>,
    /// What should never have been decided.
    pub(super) wrong: Option<String>,
}

impl Ledger {
    /// Looks at what a host wants now instead of what it wanted before, if Tidegate itself turned
    /// to it here and no other host did.
    pub(super) fn note_turn(&mut self, before: &Intent, now: &Intent, redis: Option<&Desired>) {
        if before.detached.is_some() && now.detached.is_none() {
            // Whoever follows the fleet again turns to what that wanted all the while.
            return;
        }
        let (was, is) = (before.wanted(), now.wanted());
        let read = redis.map(|read| &read.choice);
        let turned = is.choice.revision != was.choice.revision && Some(&is.choice) != read;
        let Some(to) = is.choice.revision.as_ref() else {
            return;
        };
        if is.choice != was.choice && Some(&is.choice) != read && !is.choice.first.is_empty() {
            self.note_rest(&was, &is);
        }
        if !turned || is.choice.chooser != Chooser::Itself {
            return;
        }
        let left = [Some(&was.choice), Some(&before.desired.choice), read];
        let is_left = |choice: &&Choice| {
            let left = choice.revision.as_ref();
            left.is_some_and(|left| is.is_withdrawn(left)) && self.admits(choice, to)
        };
        if !left.into_iter().flatten().any(|choice| is_left(&choice)) {
            self.wrong = Some(format!(
                "it returned to {to:?}, which shows more: {was:?} {is:?}"
            ));
        }
    }

    /// Looks at what the other hosts are to run while some go first.
    fn note_rest(&mut self, was: &Desired, is: &Desired) {
        let another = "of no host that goes first";
        let Some(rest) = is.target(another) else {
            return;
        };
        if was.target(another) != Some(rest) {
            self.wrong = Some(format!("others turn to {rest:?} meanwhile: {was:?} {is:?}"));
        }
    }

    /// Whether another revision may run in the place of a choice, by what really is.
    pub(super) fn admits(&self, choice: &Choice, revision: &RevisionId) -> bool {
        let Some(chosen) = &choice.revision else {
            return false;
        };
        let goes_on = !choice.first.is_empty() && choice.meanwhile.as_ref() == Some(revision);
        let is_agreed = || self.agreed.contains(&(chosen.clone(), revision.clone()));
        goes_on || !needs(chosen, revision).wider || is_agreed()
    }
}

pub(super) type Checked = Result<(), String>;

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(why()) }
}

impl ModelHost {
    pub(super) fn up(&self) -> &Up {
        self.up.as_ref().expect("it is up")
    }
}

pub(super) fn all(consent: bool) -> Needs {
    Needs {
        wider: consent,
        breaking: true,
        silent: true,
        failing: true,
    }
}
