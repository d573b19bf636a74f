//! What is wanted of one transform: the choice of a revision, whether it is paused, and which
//! revisions were taken back. A single host keeps it on disk; a fleet shares it.
//!
//! Every part names the decision that made it so, and the whole the decisions that it came
//! from, so that two copies can be brought together whichever of them was lost. Times of day
//! decide nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::choice::{Choice, Chooser, Needs};
use super::faults::{PlantedFault, is_planted};
use crate::transform::RevisionId;

/// How many proven revisions are remembered, newest first.
pub const MAX_PROVEN: usize = 20;

/// How many decisions about revisions are remembered. The oldest of those that no proven
/// revision needs goes first.
pub const MAX_DECIDED: usize = 256;

/// How many of the decisions that led here are remembered. A copy that is older than all of
/// them is taken for one that was decided beside them.
pub const MAX_LINEAGE: usize = 256;

/// Who chooses what the settings name.
pub const CONFIGURATION: &str = "configuration";

/// The most hosts that can be named to go first, and the most bytes of a name.
pub const MAX_FIRST: usize = 1_000;
pub const MAX_NAME: usize = 256;

/// Characters of a reason that is shared.
const MAX_WHY: usize = 400;

/// No host comes that far by deciding.
pub const MAX_GENERATION: Generation = 1 << 60;

/// Grows with each decision about a transform.
pub type Generation = u64;

/// Names one decision; random, so no other has the same.
pub type DecisionId = u64;

/// A decision that has not got its name yet.
const UNNAMED: DecisionId = DecisionId::MAX;

/// What every host begins with.
const FIRST: DecisionId = 0;

/// What is wanted of one transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    pub generation: Generation,
    /// The decision that made it so.
    pub id: DecisionId,
    /// The decisions before, newest first.
    pub lineage: Vec<(Generation, DecisionId)>,
    pub choice: Choice,
    pub paused: Decided,
    /// The revisions that were taken back, and those that somebody asked for again by name.
    pub withdrawn: BTreeMap<RevisionId, Decided>,
    /// Those that stood a probation, or needed none; newest first, each once.
    pub proven: Vec<RevisionId>,
    /// The last that did not stand, and why: for people.
    pub failed: Option<Failed>,
}

/// A revision that could not stay, and why, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    pub revision: RevisionId,
    pub why: String,
}

impl Failed {
    pub fn new(revision: &RevisionId, why: &str) -> Self {
        Self {
            revision: revision.clone(),
            why: why.chars().take(MAX_WHY).collect(),
        }
    }
}

/// What makes a decision one of its own, and what people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Random: no other decision has the same.
    pub id: DecisionId,
    /// The name of a token, or `tidegate`.
    pub by: String,
    /// By the clock of the host where it was asked for. It decides nothing.
    pub at: Timestamp,
}

/// Yes or no, and when that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decided {
    pub yes: bool,
    pub at: Generation,
    pub id: DecisionId,
}

impl Decided {
    /// A decision of this generation that is to be stamped.
    pub(super) fn unnamed(yes: bool, at: Generation) -> Self {
        Self {
            yes,
            at,
            id: UNNAMED,
        }
    }
}

impl Desired {
    /// What the settings file names, where nothing was decided before.
    pub fn configured(revision: RevisionId, since: Timestamp) -> Self {
        Self {
            generation: 1,
            id: FIRST,
            lineage: Vec::new(),
            choice: Choice {
                revision: Some(revision.clone()),
                at: 1,
                id: FIRST,
                chooser: Chooser::Configuration,
                by: CONFIGURATION.to_owned(),
                since,
                ..Choice::default()
            },
            paused: Decided::default(),
            withdrawn: BTreeMap::new(),
            proven: vec![revision],
            failed: None,
        }
    }

    /// Nothing, as nobody has named the transform so far.
    pub fn nothing() -> Self {
        Self {
            generation: 0,
            id: FIRST,
            lineage: Vec::new(),
            choice: Choice {
                id: FIRST,
                ..Choice::default()
            },
            paused: Decided::default(),
            withdrawn: BTreeMap::new(),
            proven: Vec::new(),
            failed: None,
        }
    }

    /// Whether its parts are within their bounds: it may come from elsewhere.
    ///
    /// # Errors
    /// Which of them is not.
    pub fn check(&self) -> Result<(), String> {
        let text = |text: &String| text.len() <= MAX_NAME;
        let why = |failed: &Failed| failed.why.chars().count() <= MAX_WHY;
        let bounds = [
            (self.generation < MAX_GENERATION, "the generation"),
            (self.lineage.len() <= MAX_LINEAGE, "the lineage"),
            (self.withdrawn.len() <= MAX_DECIDED, "what is withdrawn"),
            (self.proven.len() <= MAX_PROVEN, "what is proven"),
            (
                self.choice.first.len() <= MAX_FIRST,
                "the hosts that go first",
            ),
            (self.choice.first.iter().all(text), "a host's name"),
            (self.choice.covers.len() <= MAX_PROVEN, "what may stand in"),
            (text(&self.choice.by), "the name of who chose it"),
            (
                self.failed.as_ref().is_none_or(why),
                "the reason of a failure",
            ),
        ];
        match bounds.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, what)) => Err(format!("{what} is beyond its bound")),
        }
    }

    /// The same as one decision, which came from what `parents` say.
    #[must_use]
    pub fn stamped(mut self, stamp: &Stamp, parents: &[&Self]) -> Self {
        self.sign(&stamp.by, stamp.at);
        let id = stamp.id;
        let ancestors = parents.iter().flat_map(|parent| parent.ancestors());
        self.lineage = ancestors.collect();
        self.lineage
            .sort_unstable_by(|first, second| second.cmp(first));
        self.lineage.dedup();
        self.lineage.truncate(MAX_LINEAGE);
        self.id = id;
        let withdrawn = self.withdrawn.values_mut();
        let decided = withdrawn
            .chain([&mut self.paused])
            .map(|decided| &mut decided.id);
        for unnamed in decided.chain([&mut self.choice.id]) {
            if *unnamed == UNNAMED {
                *unnamed = id;
            }
        }
        self
    }

    /// Says who made the choice, where it is new.
    pub(super) fn sign(&mut self, by: &str, at: Timestamp) {
        if self.choice.id == UNNAMED && self.choice.by.is_empty() {
            by.clone_into(&mut self.choice.by);
            self.choice.since = at;
        }
    }

    /// Its own decision, and those that it came from.
    fn ancestors(&self) -> impl Iterator<Item = (Generation, DecisionId)> + '_ {
        [(self.generation, self.id)]
            .into_iter()
            .chain(self.lineage.iter().copied())
    }

    /// Whether the other came from this one, or is it.
    pub fn led_to(&self, later: &Self) -> bool {
        if self.generation == 0 {
            return true;
        }
        later
            .ancestors()
            .any(|ancestor| ancestor == (self.generation, self.id))
    }

    /// Whether anybody has decided something, other than by what the settings name at first.
    pub fn is_decided(&self) -> bool {
        self.id != FIRST
    }

    /// Whether it came from a decision, or is it.
    pub fn knows(&self, decision: DecisionId) -> bool {
        decision == FIRST || self.ancestors().any(|(_, id)| id == decision)
    }

    pub fn is_withdrawn(&self, revision: &RevisionId) -> bool {
        self.withdrawn
            .get(revision)
            .is_some_and(|decided| decided.yes)
    }

    /// Those that were good and were not taken back, newest first: a person may return to them.
    pub fn safe(&self) -> impl Iterator<Item = &RevisionId> {
        self.proven
            .iter()
            .filter(|revision| !self.is_withdrawn(revision))
    }

    /// What a rollback without a name goes to.
    pub fn previous(&self) -> Option<&RevisionId> {
        let chosen = self.choice.revision.as_ref()?;
        self.safe().find(|revision| *revision != chosen)
    }

    /// What Tidegate returns to by itself: nothing that shows more than what is chosen, unless
    /// somebody agreed to that.
    pub fn return_by_itself(&self) -> Option<&RevisionId> {
        let chosen = self.choice.revision.as_ref()?;
        let admitted = |revision: &&RevisionId| {
            self.choice.admits(revision) || is_planted(PlantedFault::ReturnIsWider)
        };
        let mut safe = self.safe().filter(|revision| *revision != chosen);
        safe.find(admitted)
    }

    /// What this host shall run: the choice, or, while other hosts go first, what it ran before.
    /// None where nothing may run.
    pub fn target(&self, host: &str) -> Option<&RevisionId> {
        let chosen = self.choice.revision.as_ref()?;
        let first = &self.choice.first;
        let target = if first.is_empty() || first.iter().any(|name| name == host) {
            Some(chosen)
        } else {
            self.choice.meanwhile.as_ref()
        };
        target.filter(|revision| !self.is_withdrawn(revision))
    }

    /// The revisions that hosts may have to run at any time, each once: what is wanted, and the
    /// ways back.
    pub fn in_use(&self) -> Vec<&RevisionId> {
        let choice = &self.choice;
        let mut in_use: Vec<&RevisionId> = Vec::new();
        let chosen = [choice.revision.as_ref(), choice.meanwhile.as_ref()];
        let ways_back = [self.return_by_itself(), self.previous()];
        for revision in chosen.into_iter().chain(ways_back).flatten() {
            if !in_use.contains(&revision) {
                in_use.push(revision);
            }
        }
        in_use
    }

    /// Notes a decision about whether a revision is withdrawn.
    pub(super) fn set_withdrawn(&mut self, revision: &RevisionId, withdrawn: bool) {
        let decided = Decided::unnamed(withdrawn, self.generation);
        self.withdrawn.insert(revision.clone(), decided);
        self.forget_oldest();
    }

    /// Notes that a revision can be returned to.
    pub(super) fn prove(&mut self, revision: &RevisionId) {
        self.proven.retain(|proven| proven != revision);
        self.proven.insert(0, revision.clone());
        self.proven.truncate(MAX_PROVEN);
    }

    /// Makes a revision the choice, without a probation. Whoever comes here has looked at
    /// consents.
    pub(super) fn take(&mut self, revision: Option<RevisionId>, chooser: Chooser, consent: Needs) {
        self.choice = Choice {
            revision,
            at: self.generation,
            id: UNNAMED,
            chooser,
            consent,
            ..Choice::default()
        };
    }

    /// Keeps the decisions within their bound.
    pub(super) fn forget_oldest(&mut self) {
        while self.withdrawn.len() > MAX_DECIDED {
            let needed = |revision: &RevisionId| self.proven.contains(revision);
            let oldest = self
                .withdrawn
                .iter()
                .filter(|(revision, _)| !needed(revision))
                .min_by_key(|(_, decided)| decided.at)
                .map(|(revision, _)| revision.clone());
            match oldest {
                Some(revision) => self.withdrawn.remove(&revision),
                None => return,
            };
        }
    }
}
