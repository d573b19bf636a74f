//! Hosts, their disks and their fleet's Redis, and what happened to them, whoever remembers it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::desired::{Desired, Needs};
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
    let all = (0..REVISIONS).map(revision);
    all.filter(|other| !needs(of, other).wider).collect()
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
}

#[derive(Debug)]
pub(super) struct Host {
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
}

pub(super) type Checked = Result<(), String>;

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(why()) }
}

impl Host {
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
