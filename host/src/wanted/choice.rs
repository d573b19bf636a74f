//! Which revision shall run, who said so, and what may run in its place.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::{DecisionId, Generation};
use crate::transform::RevisionId;

/// Which revision shall run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Choice {
    /// None where the transform was removed.
    pub revision: Option<RevisionId>,
    pub at: Generation,
    pub id: DecisionId,
    pub chooser: Chooser,
    /// Who chose it, and when: for people.
    pub by: String,
    pub since: Timestamp,
    /// What was agreed to when it was chosen.
    pub consent: Needs,
    /// Whether it is watched after it takes over.
    pub probation: bool,
    /// The hosts that go first, while the others go on with `meanwhile`; none: all go.
    pub first: Vec<String>,
    /// What the other hosts go on with meanwhile.
    #[serde(default)]
    pub meanwhile: Option<RevisionId>,
    /// The revisions that show no more than this one, or that somebody agreed to have back: where
    /// it cannot run or does not stay, one of these may run.
    pub covers: Vec<RevisionId>,
}

impl Choice {
    /// Whether Tidegate may let a revision run, by itself, where this choice cannot run or does
    /// not stay. While some hosts go first, clients see what the others go on with anyway.
    pub fn admits(&self, revision: &RevisionId) -> bool {
        let goes_on = !self.first.is_empty() && self.meanwhile.as_ref() == Some(revision);
        goes_on || self.covers.contains(revision)
    }
}

/// Who chose a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Chooser {
    /// The settings file; a later start follows it again.
    #[default]
    Configuration,
    /// The watched folder.
    Folder,
    /// A person, or whatever uses a person's token.
    Operator,
    /// Tidegate itself, after a failure.
    Itself,
}

/// What a change needs that somebody agrees to, or what somebody agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Needs {
    /// More becomes public, more is read, or more may be put out.
    pub wider: bool,
    /// What clients rely on changes or goes.
    pub breaking: bool,
    /// It publishes nothing where the one before did.
    pub silent: bool,
    /// It failed on events on which the one before did not, or a probation would undo it.
    pub failing: bool,
}

impl Needs {
    /// What of this is not agreed to.
    pub fn without(self, consent: Self) -> Self {
        Self {
            wider: self.wider && !consent.wider,
            breaking: self.breaking && !consent.breaking,
            silent: self.silent && !consent.silent,
            failing: self.failing && !consent.failing,
        }
    }

    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}
