//! What the fleet wants of one transform, as it stands in Redis, and what that asks of a host.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::Revision;
use super::super::swap::Kind;

/// An order to all hosts. Each change of it has the next number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) revision: Revision,
    /// What ran before: for hosts that are not to go first, and for the way back.
    pub(super) previous: Option<Revision>,
    pub(super) stage: Stage,
    /// The hosts that go first.
    pub(super) canary: Vec<String>,
    pub(super) paused: bool,
    /// The transform is to end on all hosts whose settings do not name it.
    #[serde(default)]
    pub(super) removed: bool,
    pub(super) probation: bool,
    pub(super) kind: OrderKind,
    pub(super) number: u64,
    pub(super) by: String,
    /// When the revision was asked for; stays the same when it goes from the first hosts to all.
    pub(super) at: Timestamp,
    /// Why the fleet returned by itself.
    pub(super) note: Option<String>,
}

/// Whom an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    All,
    /// The named hosts; the others when these have stood their probation.
    Canary,
}

/// How a host turns to the revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OrderKind {
    Apply,
    Settings,
    Rollback,
    Return,
}

impl From<Kind> for OrderKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Apply => Self::Apply,
            Kind::Settings => Self::Settings,
            Kind::Rollback => Self::Rollback,
            Kind::Return => Self::Return,
        }
    }
}

impl From<OrderKind> for Kind {
    fn from(kind: OrderKind) -> Self {
        match kind {
            OrderKind::Apply => Self::Apply,
            OrderKind::Settings => Self::Settings,
            OrderKind::Rollback => Self::Rollback,
            OrderKind::Return => Self::Return,
        }
    }
}

/// Tells one state of a transform's order from any other, also after Redis was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::registry) struct Mark {
    number: u64,
    at: Timestamp,
}

impl Order {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            number: self.number,
            at: self.at,
        }
    }

    /// Those that hosts may have to fetch.
    pub(super) fn revisions(&self) -> impl Iterator<Item = &Revision> {
        [Some(&self.revision), self.previous.as_ref()]
            .into_iter()
            .flatten()
    }

    /// What this host shall run; none where it shall keep what it has.
    pub(super) fn target(&self, host: &str) -> Option<&Revision> {
        if self.removed {
            None
        } else if self.goes_first(host) {
            Some(&self.revision)
        } else {
            self.previous.as_ref()
        }
    }

    /// Whether the new revision is meant for this host by now.
    pub(super) fn goes_first(&self, host: &str) -> bool {
        self.stage == Stage::All || self.canary.iter().any(|one| one == host)
    }

    /// What a later order would call the revision before it.
    pub(super) fn settled(&self) -> Option<&Revision> {
        match self.stage {
            _ if self.removed => None,
            Stage::All => Some(&self.revision),
            Stage::Canary => self.previous.as_ref(),
        }
    }

    /// The order after a host could not run this one: everyone back, or a halt where there is
    /// nothing to go back to.
    pub(super) fn turned_back(&self, note: String, by: &str, now: Timestamp) -> Self {
        let next = Self {
            number: self.number + 1,
            note: Some(note),
            ..self.clone()
        };
        match &self.previous {
            Some(previous) => Self {
                revision: previous.clone(),
                previous: None,
                stage: Stage::All,
                canary: Vec::new(),
                probation: false,
                kind: OrderKind::Return,
                by: by.to_owned(),
                at: now,
                ..next
            },
            None => Self {
                paused: true,
                ..next
            },
        }
    }

    /// The order when the first hosts have stood their probation.
    pub(super) fn for_all(&self) -> Self {
        Self {
            stage: Stage::All,
            canary: Vec::new(),
            number: self.number + 1,
            ..self.clone()
        }
    }

    /// In words for an operator who was slower.
    pub(super) fn told(&self) -> String {
        format!(
            "{} is at revision {} in the fleet, by {} since {}",
            self.revision.transform, self.revision.id, self.by, self.at
        )
    }
}

/// The hosts that go first: `percent` of them, rounded up, other ones each time.
pub(super) fn canaries(mut hosts: Vec<String>, percent: u8, number: u64) -> Vec<String> {
    let count = (hosts.len() * usize::from(percent)).div_ceil(100).max(1);
    hosts.sort_by_cached_key(|host| Sha256::digest(format!("{number} {host}")));
    hosts.truncate(count);
    hosts.sort();
    hosts
}

#[cfg(test)]
pub(super) mod examples;
#[cfg(test)]
mod tests;
