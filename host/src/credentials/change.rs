//! What a new list of credentials changed, in numbers.

use jiff::Timestamp;

use super::Credential;

/// The difference between two lists, by the ids of their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListChange {
    /// How many of the new list are in force.
    pub(super) in_force: usize,
    /// Records whose id is new, whose id is gone, and that say something else.
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) altered: usize,
}

impl ListChange {
    pub(super) fn between<T: Credential>(before: &[T], after: &[T], now: Timestamp) -> Self {
        let missing_in =
            |list: &[T], record: &T| list.iter().all(|known| known.id() != record.id());
        let altered = |record: &&T| {
            before
                .iter()
                .any(|known| known.id() == record.id() && known != *record)
        };
        Self {
            in_force: after.iter().filter(|record| record.in_force(now)).count(),
            added: after
                .iter()
                .filter(|record| missing_in(before, record))
                .count(),
            removed: before
                .iter()
                .filter(|record| missing_in(after, record))
                .count(),
            altered: after.iter().filter(altered).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::keys::{self, AtLimit, KeyRecord};

    fn key(id: &str) -> KeyRecord {
        KeyRecord {
            id: id.into(),
            name: id.into(),
            sha256: keys::digest(id),
            max_connections: 1,
            at_limit: AtLimit::default(),
            channels: None,
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            revoked: None,
        }
    }

    #[test]
    fn what_came_went_and_changed_is_counted() {
        let revoked = KeyRecord {
            revoked: Some(Timestamp::UNIX_EPOCH),
            ..key("b")
        };
        let change = ListChange::between(
            &[key("a"), key("b"), key("c")],
            &[key("a"), revoked, key("d"), key("e")],
            Timestamp::now(),
        );
        let expected = ListChange {
            in_force: 3,
            added: 2,
            removed: 1,
            altered: 1,
        };
        assert_eq!(change, expected);
    }
}
