//! What the host knows of the Redis around it from one connection to the next, and where the
//! next one goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Lost;
use super::course::{ClusterKnowledge, Course, Departure, in_cluster};
use super::questions::{NodeWord, ask_all};
use super::sentinels::Sentinels;
use super::server::Server;
use super::view::{ClusterNode, ClusterView};
use crate::settings::RedisNode;
use crate::upstream::place::{ServerReport, ServerRole, UpstreamKind};

/// How long a node is left alone that was lost or could not be had, where there are others.
const SHUNNED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Guide {
    known: Mutex<Knowledge>,
    /// It was said that the cluster may not be asked for its nodes.
    warned: AtomicBool,
}

#[derive(Debug)]
struct Knowledge {
    kind: UpstreamKind,
    /// Where the subscription is or was, and its node's id where that is known.
    current: Option<RedisNode>,
    id: Option<String>,
    /// The last that saw a majority.
    view: Option<ClusterView>,
    /// A node for each failure of the last seconds.
    shunned: Vec<(RedisNode, Instant)>,
    /// Drawn at the start, so that hosts begin at different nodes.
    lot: u64,
}

impl Knowledge {
    fn shunned(&mut self, now: Instant) -> Vec<RedisNode> {
        self.shunned
            .retain(|(_, since)| now.duration_since(*since) < SHUNNED);
        self.shunned.iter().map(|(node, _)| node.clone()).collect()
    }
}

impl Guide {
    pub(super) fn new(server: &Server) -> Self {
        let url = server.url();
        let kind = if url.watched().is_some() {
            UpstreamKind::Sentinel
        } else if url.names_several() {
            UpstreamKind::Cluster
        } else {
            UpstreamKind::Unknown
        };
        Self {
            known: Mutex::new(Knowledge {
                kind,
                current: None,
                id: None,
                view: None,
                shunned: Vec::new(),
                lot: fastrand::u64(..u64::from(u32::MAX)),
            }),
            warned: AtomicBool::default(),
        }
    }

    pub(super) fn kind(&self) -> UpstreamKind {
        self.known.lock().kind
    }

    /// Whether the subscription may be on several servers, one after the other.
    pub(super) fn has_several(&self) -> bool {
        matches!(self.kind(), UpstreamKind::Cluster | UpstreamKind::Sentinel)
    }

    /// A server said what it is.
    pub(super) fn found(&self, kind: UpstreamKind) {
        self.known.lock().kind = kind;
    }

    /// The subscription is on this server now.
    pub(super) fn arrived(&self, node: &RedisNode) {
        let mut known = self.known.lock();
        if known.current.as_ref() != Some(node) {
            known.id = None;
        }
        known.current = Some(node.clone());
    }

    /// This server does not do: where there are others, these are tried first.
    pub(super) fn shun(&self, node: &RedisNode) {
        let mut known = self.known.lock();
        let now = Instant::now();
        known.shunned(now);
        known.shunned.retain(|(shunned, _)| shunned != node);
        known.shunned.push((node.clone(), now));
    }

    /// Where to subscribe.
    ///
    /// # Errors
    /// There is nowhere.
    pub(super) async fn destination(&self, server: &Server) -> Result<RedisNode, Lost> {
        match self.kind() {
            UpstreamKind::Sentinel => {
                let mut sentinels = Sentinels::of(server);
                sentinels.master(server).await.map_err(Lost::NoMaster)
            }
            UpstreamKind::Cluster => self.node_of_cluster(server).await,
            _ => Ok(server.url().nodes()[0].clone()),
        }
    }

    async fn node_of_cluster(&self, server: &Server) -> Result<RedisNode, Lost> {
        if let Course::Move(node, _) = self.plan() {
            return Ok(node);
        }
        let mut words = ask_all(server, &self.known_nodes(server)).await;
        let views: Vec<&ClusterView> = words.iter().filter_map(view).collect();
        self.forgive(&words);
        let course = self.decide(None, &views, 0);
        if let Course::Move(node, _) = course {
            self.keep(&views);
            return Ok(node);
        }
        if let Some((node, _)) = words
            .iter()
            .find(|(_, word)| matches!(word, NodeWord::Denied))
        {
            self.warn_denied();
            return Ok(node.clone());
        }
        Err(match words.pop().map(|(_, word)| word) {
            Some(NodeWord::Alone) => Lost::Refused(
                "redis-url names several servers, as of a cluster, and the one that answers is in none; name one \
                 server, or sentinels by redis+sentinel://"
                    .to_owned(),
            ),
            Some(NodeWord::Failed(error)) => Lost::Redis(error),
            _ => Lost::NoNode,
        })
    }

    /// Who answers is to be had again, for want of others.
    fn forgive(&self, words: &[(RedisNode, NodeWord)]) {
        let answers = |shunned: &RedisNode| {
            let mut views = words.iter().filter_map(|word| Some((&word.0, view(word)?)));
            views.any(|(node, view)| node == shunned || view.own.at == *shunned)
        };
        let mut known = self.known.lock();
        known.shunned.retain(|(shunned, _)| !answers(shunned));
    }

    /// Where to go by what is known already; nowhere where that has not helped.
    fn plan(&self) -> Course {
        let mut known = self.known.lock();
        let view = known.view.take();
        drop(known);
        let course = match &view {
            Some(view) => self.decide(None, &[view], 0),
            None => Course::Wait,
        };
        known = self.known.lock();
        known.view = view.filter(|_| course != Course::Wait);
        course
    }

    /// What is to be done by these views; `current` is whether it is subscribed now.
    pub(super) fn decide(
        &self,
        current: Option<&str>,
        views: &[&ClusterView],
        unanswered: u32,
    ) -> Course {
        let mut known = self.known.lock();
        known.lot += 1;
        let shunned = known.shunned(Instant::now());
        in_cluster(&ClusterKnowledge {
            current,
            unanswered,
            views: views.to_vec(),
            shunned: &shunned,
            lot: known.lot,
        })
    }

    /// Remembers the best of these views.
    pub(super) fn keep(&self, views: &[&ClusterView]) {
        let trusted = views.iter().filter(|view| view.sees_majority());
        if let Some(view) = trusted.max_by_key(|view| view.epoch()) {
            self.known.lock().view = Some((*view).clone());
        }
    }

    /// Another node than the current one that is well, each in its turn; none where there is none.
    pub(super) fn another(&self, server: &Server, lot: u64) -> Option<RedisNode> {
        let known = self.known.lock();
        let mut nodes: Vec<RedisNode> = match &known.view {
            Some(view) => {
                let well = view.nodes().filter(|node| node.is_well());
                let free = well.filter(|node| known.id.as_ref() != Some(&node.id));
                free.map(|node| node.at.clone()).collect()
            }
            None => server.url().nodes().to_vec(),
        };
        nodes.retain(|node| known.current.as_ref() != Some(node));
        let count = u64::try_from(nodes.len()).ok()?;
        let place = lot.checked_rem(count)?;
        nodes.into_iter().nth(usize::try_from(place).ok()?)
    }

    /// The id of the current node, and whether it was just learnt from its own view.
    pub(super) fn id(
        &self,
        own: Option<&ClusterView>,
        witnessed: Option<&ClusterView>,
    ) -> Option<String> {
        let mut known = self.known.lock();
        if let Some(view) = own {
            known.id = Some(view.own.id.clone());
        }
        // A node that cannot be asked itself is found by its address.
        if known.id.is_none() {
            let at = known.current.clone();
            let mut nodes = witnessed.into_iter().flat_map(ClusterView::nodes);
            known.id = nodes
                .find(|node| Some(&node.at) == at.as_ref())
                .map(|node| node.id.clone());
        }
        known.id.clone()
    }

    /// What is known of the cluster's nodes, for a report.
    pub(super) fn servers(&self) -> Vec<ServerReport> {
        let known = self.known.lock();
        let mut nodes: Vec<_> = known.view.iter().flat_map(ClusterView::nodes).collect();
        nodes.sort_by(|a, b| a.at.cmp(&b.at));
        let report = |node: &ClusterNode| ServerReport {
            address: node.at.to_string(),
            role: match node.is_replica {
                true => ServerRole::Replica,
                false => ServerRole::Master,
            },
            well: node.is_well(),
        };
        nodes.into_iter().map(report).collect()
    }

    pub(super) fn warn_denied(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the Redis user may not ask a cluster for its nodes (+cluster|nodes), so a node that is cut off or \
                 demoted is not left for that; `tidegate serve --check` prints the ACL rules that it needs"
            );
        }
    }

    /// Those that the address names, and those that the cluster named.
    fn known_nodes(&self, server: &Server) -> Vec<RedisNode> {
        let mut nodes = server.url().nodes().to_vec();
        let known = self.known.lock();
        let named = known.view.iter().flat_map(ClusterView::nodes);
        nodes.extend(named.map(|node| node.at.clone()));
        nodes.sort();
        nodes.dedup();
        nodes
    }
}

fn view((_, word): &(RedisNode, NodeWord)) -> Option<&ClusterView> {
    match word {
        NodeWord::View(view) => Some(view),
        _ => None,
    }
}

/// Where to go, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NextServer {
    pub(super) node: RedisNode,
    pub(super) why: Departure,
}
