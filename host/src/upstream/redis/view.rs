//! A cluster as one of its nodes sees it: what `CLUSTER NODES` says, read. Every release and
//! every kin of Redis has that form since 3.0; newer ones say more in it, which is left alone.

use std::ops::RangeInclusive;

use crate::settings::RedisNode;

/// What a node says of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterView {
    /// The node that was asked.
    pub(super) own: ClusterNode,
    pub(super) others: Vec<ClusterNode>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterNode {
    pub(super) id: String,
    pub(super) at: RedisNode,
    pub(super) is_replica: bool,
    pub(super) slots: Vec<RangeInclusive<u16>>,
    /// The cluster agrees that it failed.
    pub(super) failed: bool,
    /// It can be reached by the node that was asked.
    pub(super) reached: bool,
    /// It grows with each change of who owns what.
    pub(super) epoch: u64,
}

impl ClusterView {
    /// Reads an answer to `CLUSTER NODES`. `asked` is where it was asked: a node may not know its
    /// own address. `by_name` is whether a name that nodes announce is preferred to their address.
    pub(super) fn read(answer: &str, asked: &RedisNode, by_name: bool) -> Option<Self> {
        let (mut own, mut others) = (None, Vec::new());
        for line in answer.lines() {
            let (node, is_own) = node(line, asked, by_name)?;
            match node {
                Some(node) if is_own => own = Some(node),
                Some(node) => others.push(node),
                None => {}
            }
        }
        Some(Self { own: own?, others })
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &ClusterNode> {
        std::iter::once(&self.own).chain(&self.others)
    }

    pub(super) fn node(&self, id: &str) -> Option<&ClusterNode> {
        self.nodes().find(|node| node.id == id)
    }

    /// Whether the node that was asked reaches most of the masters that have slots: whatever else
    /// there may be is the smaller part.
    pub(super) fn sees_majority(&self) -> bool {
        let voters = || {
            self.nodes()
                .filter(|node| node.has_slots() && !node.is_replica)
        };
        let reached = voters().filter(|node| node.is_well()).count();
        2 * reached > voters().count()
    }

    /// The last change of who has which slots that it knows of. What masters without slots have is
    /// left out: it may be the highest for a moment, until they are replicas, and nothing went to them.
    pub(super) fn epoch(&self) -> u64 {
        let masters = self
            .nodes()
            .filter(|node| node.has_slots() && !node.is_replica);
        masters.map(|node| node.epoch).max().unwrap_or(0)
    }
}

impl ClusterNode {
    pub(super) fn is_well(&self) -> bool {
        self.reached && !self.failed
    }

    pub(super) fn has_slots(&self) -> bool {
        !self.slots.is_empty()
    }
}

/// One line: a node, and whether it is the one that was asked. No node where it has no address or
/// is not of the cluster yet.
fn node(line: &str, asked: &RedisNode, by_name: bool) -> Option<(Option<ClusterNode>, bool)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [id, address, flags, _, _, _, epoch, link, slots @ ..] = &words[..] else {
        return None;
    };
    let flags: Vec<&str> = flags.split(',').collect();
    let has = |flag: &str| flags.contains(&flag);
    let is_own = has("myself");
    if (has("noaddr") || has("handshake")) && !is_own {
        return Some((None, false));
    }
    let node = ClusterNode {
        id: (*id).to_owned(),
        at: address_of(address, asked, is_own, by_name)?,
        is_replica: has("slave") || has("replica"),
        slots: slots.iter().filter_map(|range| slot_range(range)).collect(),
        failed: has("fail"),
        reached: is_own || (*link == "connected" && !has("fail?")),
        epoch: epoch.parse().ok()?,
    };
    Some((Some(node), is_own))
}

/// `7` or `0-5460`. Slots that are on their way stand in brackets, and have not moved yet.
fn slot_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// `ip:port@bus[,name[,key=value]…]`.
fn address_of(text: &str, asked: &RedisNode, is_own: bool, by_name: bool) -> Option<RedisNode> {
    let mut parts = text.split(',');
    let place = parts.next()?;
    let name = parts
        .next()
        .filter(|name| !name.is_empty() && !name.contains('='));
    let place = place.split_once('@').map_or(place, |(place, _)| place);
    let (ip, port) = place.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = match name {
        Some(name) if by_name => name,
        // Before another has met it, it does not know.
        _ if ip.is_empty() && is_own => &asked.host,
        _ => ip,
    };
    let port = if port == 0 && is_own {
        asked.port
    } else {
        port
    };
    Some(RedisNode {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn at(port: u16) -> RedisNode {
        RedisNode {
            host: "127.0.0.1".into(),
            port,
        }
    }

    const SEVEN: &str = "\
b7d1 127.0.0.1:7004@17004 slave 00b5 0 1795790705037 3 connected
00b5 127.0.0.1:7003@17003,cache-3.example,shard-id=69bc master - 0 1795790705037 3 connected 10923-16383
c617 127.0.0.1:7005@17005 slave,fail 7232 1795790705037 1795790705037 1 disconnected
be97 127.0.0.1:7006@17006 slave,fail? 64a3 0 1795790705641 2 connected
7232 :7001@17001 myself,master - 0 1795790705000 1 connected 0-5460 [5461->-64a3]
64a3 127.0.0.1:7002@17002 master - 0 1795790705037 2 connected 5461-10922
dead :0@0 master,noaddr - 1 1 0 disconnected
feed 127.0.0.1:7009@17009 handshake - 0 0 0 disconnected
";

    #[test]
    fn what_a_node_says_is_read_and_what_is_not_of_the_cluster_left_out() {
        let view = ClusterView::read(SEVEN, &at(7001), false).unwrap();
        assert_eq!((&*view.own.id, &view.own.at), ("7232", &at(7001)));
        assert_eq!(view.others.len(), 5);
        let node = |id: &str| view.node(id).unwrap();
        assert!(node("b7d1").is_replica && node("b7d1").is_well());
        assert!(!node("00b5").is_replica && node("00b5").has_slots());
        assert_eq!(node("7232").slots, [0..=5460]);
        assert_eq!(node("64a3").slots, [5461..=10_922]);
        assert!(!node("b7d1").has_slots());
        assert!(node("c617").failed && !node("c617").is_well());
        assert!(!node("be97").failed && !node("be97").is_well());
        assert_eq!(node("00b5").at, at(7003));
        assert!(view.sees_majority());
        assert_eq!(view.epoch(), 3);
        let joined = format!("{SEVEN}beef 127.0.0.1:7010@17010 master - 0 0 9 connected\n");
        let joined = ClusterView::read(&joined, &at(7001), false).unwrap();
        assert_eq!(joined.epoch(), 3, "a master that has nothing");
        let named = ClusterView::read(SEVEN, &at(7001), true).unwrap();
        assert_eq!(named.node("00b5").unwrap().at.host, "cache-3.example");
        assert_eq!(named.node("64a3").unwrap().at, at(7002));
    }

    #[test]
    fn a_majority_is_of_the_masters_that_have_slots() {
        let isolated = SEVEN
            .replace(
                "master - 0 1795790705037 3",
                "master,fail? - 0 1795790705037 3",
            )
            .replace(
                "master - 0 1795790705037 2",
                "master - 0 1795790705037 2 disconnected",
            );
        let view = ClusterView::read(&isolated, &at(7001), false).unwrap();
        assert!(!view.sees_majority());
    }

    #[test]
    fn what_is_not_such_an_answer_is_none() {
        for text in [
            "",
            "OK",
            "a b c",
            "7232 x myself,master - 0 0 1 connected",
            "7232 1.1.1.1:x@1 myself - 0 0 1 connected",
        ] {
            assert_eq!(ClusterView::read(text, &at(1), false), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_fall(text in "([a-f0-9:@,. -]{0,12}(myself|master|slave|connected|fail)?[ \n]?){0,30}") {
            let _ = ClusterView::read(&text, &at(1), true);
        }
    }
}
