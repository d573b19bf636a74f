//! Where to be subscribed: to stay, to move, or to wait. Decided from what is known, without
//! I/O and without a clock.

use super::view::{ClusterNode, ClusterView};
use crate::settings::RedisNode;

/// How often in a row a node may leave a question unanswered before it counts as gone, where
/// others answer.
pub(super) const SILENT_AFTER: u32 = 3;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    Stay,
    Move(RedisNode, Departure),
    /// There is nowhere to go.
    Wait,
}

/// Why a server is left, or that there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Departure {
    /// Nothing was subscribed to.
    Arrival,
    /// The cluster agrees that the node failed.
    Failed,
    /// The node is a replica now, and well.
    Demoted,
    /// The node does not reach most of its cluster.
    CutOff,
    /// The cluster does not know the node any more.
    Forgotten,
    /// The node does not answer, and others do.
    Silent,
    /// Most sentinels name another server.
    Superseded,
}

impl Departure {
    /// As metrics and reports have it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Failed => "failed",
            Self::Demoted => "demoted",
            Self::CutOff => "cut_off",
            Self::Forgotten => "forgotten",
            Self::Silent => "silent",
            Self::Superseded => "superseded",
        }
    }

    /// What the server that is left is still good for.
    pub(super) fn remains(self) -> Remains {
        match self {
            // A replica that its cluster reaches gets all that a master gets.
            Self::Demoted => Remains::Everything,
            // Publishers may not know yet.
            Self::Superseded => Remains::Something,
            _ => Remains::Nothing,
        }
    }
}

/// What a server that is left still brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remains {
    /// All that the next one brings, and no event has gone by it.
    Everything,
    /// Events that the next one does not bring, and not all of them.
    Something,
    /// Nothing that would not come too late.
    Nothing,
}

/// What is known of a cluster at a moment.
#[derive(Debug, Default)]
pub(super) struct ClusterKnowledge<'a> {
    /// The id of the node that is subscribed at.
    pub(super) current: Option<&'a str>,
    /// How many questions in a row it has not answered.
    pub(super) unanswered: u32,
    /// What those said that answered, the current one perhaps among them.
    pub(super) views: Vec<&'a ClusterView>,
    /// Servers that did not do lately.
    pub(super) shunned: &'a [RedisNode],
    /// Any number: hosts that draw different ones go to different nodes.
    pub(super) lot: u64,
}

/// Where to be in a cluster. What the smaller part of a cluster says of the larger does not count.
pub(super) fn in_cluster(known: &ClusterKnowledge<'_>) -> Course {
    let trusted = known.views.iter().filter(|view| view.sees_majority());
    let Some(trusted) = trusted.max_by_key(|view| view.epoch()) else {
        // Events may come in any part, and where there is no whole one this is as good as another.
        return match (known.current, known.views.first()) {
            (Some(_), _) => Course::Stay,
            (None, Some(view)) => Course::Move(view.own.at.clone(), Departure::Arrival),
            (None, None) => Course::Wait,
        };
    };
    let why = match known.current {
        None => Departure::Arrival,
        Some(id) => match departure(id, known, trusted) {
            Some(why) => why,
            None => return Course::Stay,
        },
    };
    match best(trusted, known) {
        Some(node) => Course::Move(node.at.clone(), why),
        None if known.current.is_some() => Course::Stay,
        None => Course::Wait,
    }
}

/// Why the node is to be left; none where it is well.
fn departure(id: &str, known: &ClusterKnowledge<'_>, trusted: &ClusterView) -> Option<Departure> {
    let Some(node) = trusted.node(id) else {
        return Some(Departure::Forgotten);
    };
    let own = known.views.iter().find(|view| view.own.id == id);
    if node.failed {
        Some(Departure::Failed)
    } else if own.is_some_and(|view| !view.sees_majority()) {
        Some(Departure::CutOff)
    } else if own.is_none() && known.unanswered >= SILENT_AFTER {
        Some(Departure::Silent)
    } else if node.is_replica && has_master(trusted) {
        Some(Departure::Demoted)
    } else {
        None
    }
}

fn has_master(view: &ClusterView) -> bool {
    view.nodes().any(is_good_master)
}

fn is_good_master(node: &ClusterNode) -> bool {
    node.is_well() && node.has_slots() && !node.is_replica
}

/// A master that is well, or else a replica.
fn best<'a>(view: &'a ClusterView, known: &ClusterKnowledge<'_>) -> Option<&'a ClusterNode> {
    let free = |node: &&ClusterNode| {
        node.is_well() && known.current != Some(&node.id) && !known.shunned.contains(&node.at)
    };
    let mut nodes: Vec<&ClusterNode> = view.nodes().filter(free).collect();
    if nodes.iter().any(|node| is_good_master(node)) {
        nodes.retain(|node| is_good_master(node));
    }
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let count = u64::try_from(nodes.len()).unwrap_or(u64::MAX);
    let place = usize::try_from(known.lot.checked_rem(count)?).ok()?;
    nodes.get(place).copied()
}

/// The server that more than half of all sentinels that are named call the master; `answers`
/// has one for each of them.
pub(super) fn named_by_most(answers: &[Option<RedisNode>]) -> Option<&RedisNode> {
    answers.iter().flatten().find(|node| {
        let votes = answers.iter().flatten().filter(|voted| voted == node);
        2 * votes.count() > answers.len()
    })
}

/// Where to be by the word of sentinels. Without a majority what stands stays.
pub(super) fn by_sentinels(current: Option<&RedisNode>, answers: &[Option<RedisNode>]) -> Course {
    match (current, named_by_most(answers)) {
        (Some(current), Some(master)) if current == master => Course::Stay,
        (Some(_), None) => Course::Stay,
        (Some(_), Some(master)) => Course::Move(master.clone(), Departure::Superseded),
        (None, Some(master)) => Course::Move(master.clone(), Departure::Arrival),
        (None, None) => Course::Wait,
    }
}

#[cfg(test)]
mod tests;
