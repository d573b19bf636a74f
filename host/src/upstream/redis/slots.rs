//! Which slot of a cluster a name lies in, and which master has it.

use std::ops::RangeInclusive;

use redis::aio::MultiplexedConnection;

use super::questions::{NodeWord, ask, ask_all};
use super::reason::{is_answer, reason};
use super::server::Server;
use super::view::ClusterView;
use crate::settings::RedisNode;

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// The slots of one master.
pub(in crate::upstream) type SlotRanges = Vec<RangeInclusive<u16>>;

/// Who has which slots. Every slot has a master that is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upstream) struct ClusterMap {
    pub(in crate::upstream) masters: Vec<(RedisNode, SlotRanges)>,
    /// All nodes that are well.
    pub(in crate::upstream) nodes: Vec<RedisNode>,
    /// It grows with each change of who has what.
    pub(in crate::upstream) epoch: u64,
}

impl ClusterMap {
    /// # Errors
    /// Some slots have no master that is well.
    fn of(view: &ClusterView) -> Result<Self, String> {
        let well = || view.nodes().filter(|node| node.is_well());
        let masters = well().filter(|node| node.has_slots() && !node.is_replica);
        let mut masters: Vec<(RedisNode, SlotRanges)> = masters
            .map(|node| (node.at.clone(), node.slots.clone()))
            .collect();
        masters.sort_by(|left, right| left.0.cmp(&right.0));
        let ranges = masters.iter().flat_map(|(_, slots)| slots);
        let covered: usize = ranges.map(ExactSizeIterator::len).sum();
        if covered != usize::from(SLOTS) {
            return Err(format!(
                "{} of the cluster's {SLOTS} slots have no master that is well; they have again when a replica is \
                 promoted or the node is started",
                usize::from(SLOTS).saturating_sub(covered)
            ));
        }
        Ok(Self {
            masters,
            nodes: well().map(|node| node.at.clone()).collect(),
            epoch: view.epoch(),
        })
    }
}

/// The slot of a key or a sharded channel: of what stands between its first braces, if there is
/// anything, else of all of it.
pub fn hash_slot(name: &str) -> u16 {
    let tag = name.split_once('{').and_then(|(_, rest)| {
        let (tag, _) = rest.split_once('}')?;
        (!tag.is_empty()).then_some(tag)
    });
    crc16(tag.unwrap_or(name).as_bytes()) % SLOTS
}

/// CRC16 as Redis Cluster has it (XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

/// Asks who has which slots: over this connection to a node first, then all of these, of which the
/// last word of one that reaches most of the cluster counts.
///
/// # Errors
/// Nobody knows, or some slots have no master, in words for operators.
pub(in crate::upstream) async fn cluster_map(
    server: &Server,
    known: Option<(&mut MultiplexedConnection, &RedisNode)>,
    nodes: &[RedisNode],
) -> Result<ClusterMap, String> {
    if let Some((connection, node)) = known
        && let NodeWord::View(view) = ask(connection, node, server.url().is_tls()).await
        && view.sees_majority()
    {
        return ClusterMap::of(&view);
    }
    let mut why = "no node of the cluster answers".to_owned();
    for (_, word) in ask_all(server, nodes).await {
        match word {
            NodeWord::View(view) if view.sees_majority() => return ClusterMap::of(&view),
            NodeWord::View(_) => {
                why = "no node that answers reaches most of its cluster; see that redis-url names nodes that belong to it, \
                       and that they reach each other (CLUSTER NODES)"
                    .to_owned();
            }
            NodeWord::Denied => {
                why = format!(
                    "NOPERM: the Redis user {:?} may not ask the cluster for its nodes (+cluster|nodes); `tidegate serve \
                     --check` prints the ACL rules that it needs",
                    server.user()
                );
            }
            NodeWord::Alone => {
                why = "redis-url names several servers, as of a cluster, and the one that answers is in none; name \
                       one server, or sentinels by redis+sentinel://"
                    .to_owned();
            }
            NodeWord::Failed(error) if is_answer(&error) => why = reason(&error, server.user()),
            NodeWord::Failed(_) | NodeWord::Silent => {}
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::super::view::ClusterNode;
    use super::super::view::tests::at;
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // CLUSTER KEYSLOT says so.
        assert_eq!(hash_slot("foo"), 12_182);
        for name in ["foo", "a{foo}", "a{foo}b{bar}", "{foo}"] {
            assert_eq!(hash_slot(name), 12_182, "{name}");
        }
        assert_eq!(hash_slot("{}foo"), crc16(b"{}foo") % SLOTS);
        assert_eq!(hash_slot("{foo"), crc16(b"{foo") % SLOTS);
    }

    fn master(port: u16, slots: RangeInclusive<u16>) -> ClusterNode {
        ClusterNode {
            id: port.to_string(),
            at: at(port),
            is_replica: false,
            slots: vec![slots],
            failed: false,
            reached: true,
            epoch: u64::from(port),
        }
    }

    #[test]
    fn a_map_has_a_master_for_every_slot_or_is_none() {
        let mut view = ClusterView {
            own: master(2, 8_000..=16_383),
            others: vec![master(1, 0..=7_999)],
        };
        let map = ClusterMap::of(&view).unwrap();
        let masters: Vec<u16> = map.masters.iter().map(|(node, _)| node.port).collect();
        assert_eq!((masters, map.epoch), (vec![1, 2], 2));
        view.others[0].failed = true;
        let why = ClusterMap::of(&view).unwrap_err();
        assert!(why.starts_with("8000 of the"), "{why}");
    }
}
