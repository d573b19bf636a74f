//! What two revisions made of the same events, counted by public family.

use super::failure::Failure;
use crate::transform::{Descriptor, Fault, Outcome};

/// Events that both took or rejected: what either failed on is counted elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paired {
    pub events: u64,
    /// Those that the revision before did not reject.
    pub taken: u64,
    /// Of these, those that the other one rejected.
    pub refused: u64,
    /// Of each family that both have.
    pub families: Vec<Published>,
}

/// How many publications of a family came of these events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub name: String,
    pub before: u64,
    pub now: u64,
}

impl Paired {
    /// What is gone from a descriptor is agreed to, and what is new was not there before.
    pub fn of(before: &Descriptor, now: &Descriptor) -> Self {
        let both = now
            .family_names()
            .filter(|name| before.family(name).is_some());
        let families = both.map(|name| Published {
            name: name.to_owned(),
            before: 0,
            now: 0,
        });
        Self {
            families: families.collect(),
            ..Self::default()
        }
    }

    /// As `note`, unless one of them failed.
    pub fn note_answers(&mut self, before: &Result<Outcome, Fault>, now: &Result<Outcome, Fault>) {
        if let (None, None) = (Failure::of(before), Failure::of(now))
            && let (Ok(before), Ok(now)) = (before, now)
        {
            self.note(before, now);
        }
    }

    /// Adds what both made of one event.
    pub fn note(&mut self, before: &Outcome, now: &Outcome) {
        self.events += 1;
        if !is_rejected(before) {
            self.taken += 1;
            self.refused += u64::from(is_rejected(now));
        }
        for family in &mut self.families {
            family.before += published(before, &family.name);
            family.now += published(now, &family.name);
        }
    }
}

/// The family that an event has become first.
pub(super) fn family_of(outcome: &Outcome) -> Option<&str> {
    let Outcome::Published(publications) = outcome else {
        return None;
    };
    let first = publications.iter().flatten().next()?;
    Some(first.channel.as_pattern().family())
}

fn is_rejected(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected(_))
}

fn published(outcome: &Outcome, family: &str) -> u64 {
    let Outcome::Published(publications) = outcome else {
        return 0;
    };
    let admitted = publications.iter().flatten();
    let of_family = admitted.filter(|admitted| admitted.channel.as_pattern().family() == family);
    of_family.count() as u64
}
