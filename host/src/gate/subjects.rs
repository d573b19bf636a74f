//! Whose sessions count together: those of one key, and those of one subject of signed tokens,
//! however many tokens it has.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::places::KeyPlaces;

/// Who has places.
#[derive(Debug, Default)]
pub(super) struct Owner {
    pub(super) places: Mutex<KeyPlaces>,
    /// Where a subject of signed tokens is known by its name.
    entry: Option<SubjectEntry>,
}

/// The subjects of signed tokens that have a session or stand at the door: there are never more.
#[derive(Debug, Default)]
pub(super) struct Subjects(Mutex<HashMap<String, Weak<Owner>>>);

#[derive(Debug)]
struct SubjectEntry {
    subjects: Weak<Subjects>,
    name: String,
}

impl Subjects {
    /// The owner of that name: the same for all who ask while anybody holds it.
    pub(super) fn owner(self: &Arc<Self>, name: &str) -> Arc<Owner> {
        let mut known = self.0.lock();
        if let Some(owner) = known.get(name).and_then(Weak::upgrade) {
            return owner;
        }
        let owner = Arc::new(Owner {
            places: Mutex::default(),
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
        self.0.lock().len()
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
        let mut known = subjects.0.lock();
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
        let subjects = Arc::<Subjects>::default();
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
