//! Whose sessions count together: those of one key, and those of one subject of signed tokens,
//! however many tokens it has.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::fleet_limits::{FleetPlaces, OwnerName};
use super::places::KeyPlaces;

/// Who has places.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) places: Mutex<KeyPlaces>,
    /// Where a subject of signed tokens is known by its name.
    entry: Option<SubjectEntry>,
    /// As what it is counted on all hosts of a fleet; none where this host is on its own.
    pub(super) member: Option<FleetMember>,
}

/// An owner that has places on several hosts.
#[derive(Debug, Clone)]
pub(super) struct FleetMember {
    pub(super) places: Arc<FleetPlaces>,
    pub(super) owner: OwnerName,
}

/// The subjects of signed tokens that have a session or stand at the door: there are never more.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    known: Mutex<HashMap<String, Weak<Owner>>>,
    fleet: Option<Arc<FleetPlaces>>,
}

#[derive(Debug)]
struct SubjectEntry {
    subjects: Weak<Subjects>,
    name: String,
}

impl Owner {
    /// Of the sessions of a key, which the gate knows.
    pub(super) fn of_key(member: Option<FleetMember>) -> Self {
        Self {
            places: Mutex::default(),
            entry: None,
            member,
        }
    }
}

impl FleetMember {
    pub(super) fn new(places: &Arc<FleetPlaces>, owner: OwnerName) -> Self {
        Self {
            places: places.clone(),
            owner,
        }
    }
}

impl Subjects {
    /// Whose sessions count on all hosts of the fleet, where there is one.
    pub(super) fn new(fleet: Option<Arc<FleetPlaces>>) -> Arc<Self> {
        Arc::new(Self {
            known: Mutex::default(),
            fleet,
        })
    }

    /// The owner of that name: the same for all who ask while anybody holds it.
    pub(super) fn owner(self: &Arc<Self>, name: &str) -> Arc<Owner> {
        let mut known = self.known.lock();
        if let Some(owner) = known.get(name).and_then(Weak::upgrade) {
            return owner;
        }
        let member = self.fleet.as_ref();
        let member = member.map(|fleet| FleetMember::new(fleet, OwnerName::of_subject(name)));
        let owner = Arc::new(Owner {
            places: Mutex::default(),
            member,
            entry: Some(SubjectEntry {
                subjects: Arc::downgrade(self),
                name: name.to_owned(),
            }),
        });
        known.insert(name.to_owned(), Arc::downgrade(&owner));
        owner
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.lock().len()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(SubjectEntry { subjects, name }) = &self.entry else {
            return;
        };
        let Some(subjects) = subjects.upgrade() else {
            return;
        };
        let mut known = subjects.known.lock();
        // Somebody may have come in the meantime, who has an owner of its own.
        if known
            .get(name)
            .is_some_and(|owner| owner.strong_count() == 0)
        {
            known.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_owner_for_as_long_as_anybody_holds_it() {
        let subjects = Subjects::new(None);
        let first = subjects.owner("a");
        let second = subjects.owner("a");
        let stranger = subjects.owner("b");
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &stranger));
        assert_eq!(subjects.len(), 2);
        drop((first, stranger));
        assert_eq!(subjects.len(), 1, "the second is held");
        drop(second);
        assert_eq!(subjects.len(), 0);
        let _anew = subjects.owner("a");
        assert_eq!(subjects.len(), 1);
    }
}
