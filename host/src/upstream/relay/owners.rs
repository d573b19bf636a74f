//! Which master of a cluster has which slots, at one moment.

use crate::settings::RedisNode;
use crate::upstream::redis::{SlotRanges, hash_slot};

/// Which master has which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotOwners(Vec<(RedisNode, SlotRanges)>);

impl SlotOwners {
    pub(super) fn new(owners: Vec<(RedisNode, SlotRanges)>) -> Self {
        Self(owners)
    }

    pub(super) fn is(&self, owners: &[(RedisNode, SlotRanges)]) -> bool {
        self.0 == owners
    }

    pub(super) fn of(&self, name: &str) -> Option<&RedisNode> {
        let hash_slot = hash_slot(name);
        let has = |slots: &SlotRanges| slots.iter().any(|range| range.contains(&hash_slot));
        let mut owners = self.0.iter();
        owners.find(|(_, slots)| has(slots)).map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_where_its_slot_is() {
        let node = |port| RedisNode {
            host: "a".into(),
            port,
        };
        let owners = SlotOwners::new(vec![
            (node(1), vec![0..=99, 12_000..=16_383]),
            (node(2), vec![100..=11_999]),
        ]);
        // The slot of `foo` is 12182.
        assert_eq!(owners.of("x{foo}:n"), Some(&node(1)));
        assert_eq!(owners.of("bar"), Some(&node(2)));
    }
}
