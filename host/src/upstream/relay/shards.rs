//! The servers that the relay lies on: one, or every master of a cluster, and which has what: that is
//! decided by the slot of its name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, Value};

use super::inbox::EdgeInbox;
use super::link::{self, RelayLost};
use super::owners::SlotOwners;
use super::pushes::PushReceiver;
use super::server_clock::{ServerClock, ServerClocks};
use crate::settings::RedisNode;
use crate::upstream::redis::{ClusterMap, Server, SlotRanges, cluster_map, hash_slot};

/// How long a connection that is given up may take to bring what it has left.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What connections are for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// Messages are sent, by this script.
    Send(&'static str),
    /// Messages are brought to this.
    Hear(Arc<EdgeInbox>),
}

pub(super) struct Shards {
    pub(super) server: Server,
    purpose: Purpose,
    known: KnownServers,
    pub(super) masters: Vec<Shard>,
    /// How new what is known of the cluster is.
    version: u64,
    /// Who had which slots before that changed, until somebody asks.
    before: Option<SlotOwners>,
}

/// What stays known of servers across connections.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownServers {
    /// Nodes of the cluster that are well; none where there is no cluster.
    nodes: Vec<RedisNode>,
    clocks: ServerClocks,
}

/// One master.
pub(super) struct Shard {
    pub(super) at: RedisNode,
    slots: SlotRanges,
    pub(super) id: String,
    pub(super) commands: MultiplexedConnection,
    /// What brings messages: in a cluster for nothing else, as there the server ends subscriptions
    /// by itself, and the library takes what it says then for the answer to something else.
    pub(super) pushes: MultiplexedConnection,
    /// What `pushes` brings counts for as long as this is there.
    _alive: Arc<()>,
    /// What brought messages before, and may have some left.
    before: Option<(MultiplexedConnection, Arc<()>)>,
    /// What the server calls the script that messages are sent by.
    pub(super) script: String,
}

impl Shards {
    /// Connects to all. `known` is what was known of them before.
    ///
    /// # Errors
    /// Some cannot be had, or cannot be used.
    pub(super) async fn connect(
        server: &Server,
        known: &KnownServers,
        purpose: Purpose,
    ) -> Result<Self, RelayLost> {
        let mut shards = Self {
            server: server.clone(),
            purpose,
            known: known.clone(),
            masters: Vec::new(),
            version: 0,
            before: None,
        };
        if server.names_several() {
            shards.known.nodes.extend_from_slice(server.nodes());
        }
        if !shards.known.nodes.is_empty() {
            let followed = shards.follow().await;
            // Nothing was there before.
            shards.before = None;
            // What was a node of a cluster may stand by itself now.
            if followed.is_ok() || server.names_several() {
                return followed.map(|()| shards);
            }
        }
        let lead = server.lead().await;
        let node = lead.map_err(|error| RelayLost::of(&error, server))?;
        let opened = shards.open(node.clone(), vec![0..=u16::MAX], false).await?;
        let (shard, clock, in_cluster) = opened;
        if in_cluster {
            drop(shard);
            shards.known.nodes = vec![node];
            shards.follow().await?;
        } else {
            shards.known.nodes.clear();
            shards.known.clocks.note(&node, clock);
            shards.masters = vec![shard];
        }
        shards.before = None;
        Ok(shards)
    }

    pub(super) fn in_cluster(&self) -> bool {
        !self.known.nodes.is_empty()
    }

    /// What stays known across connections.
    pub(super) fn known(&self) -> &KnownServers {
        &self.known
    }

    /// How new what is known of the cluster is; 0 where there is none.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What the servers call themselves.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.masters.iter().map(|shard| &*shard.id)
    }

    pub(super) fn count(&self) -> usize {
        self.masters.len()
    }

    /// The place among all servers of the one that has this name.
    pub(super) fn place(&self, name: &str) -> usize {
        match self.masters.len() {
            1 => 0,
            _ => self.place_of(hash_slot(name)),
        }
    }

    /// Every slot has a master, or there would be no map.
    pub(super) fn place_of(&self, hash_slot: u16) -> usize {
        let has = |shard: &Shard| shard.slots.iter().any(|range| range.contains(&hash_slot));
        self.masters.iter().position(has).unwrap_or_default()
    }

    pub(super) fn at(&self, place: usize) -> &Shard {
        &self.masters[place]
    }

    /// A server, another one for each count, that is not at this address if there is more than one.
    pub(super) fn another(&self, than: &str, count: usize) -> &Shard {
        let masters = self.masters.iter();
        let others: Vec<&Shard> = masters
            .filter(|shard| shard.at.to_string() != than)
            .collect();
        match others.len() {
            0 => &self.masters[0],
            length => others[count % length],
        }
    }

    pub(super) fn owners(&self) -> SlotOwners {
        let masters = self.masters.iter();
        SlotOwners::new(
            masters
                .map(|shard| (shard.at.clone(), shard.slots.clone()))
                .collect(),
        )
    }

    /// Who had which slots before that changed, where it has since this was last asked.
    pub(super) fn take_change(&mut self) -> Option<SlotOwners> {
        self.before.take()
    }

    /// Looks who has which slots in a cluster, and connects to masters that are new.
    ///
    /// # Errors
    /// Nobody knows, or a master cannot be had.
    pub(super) async fn follow(&mut self) -> Result<(), RelayLost> {
        if !self.in_cluster() {
            return Ok(());
        }
        let known = self.masters.first_mut();
        let known = known.map(|shard| (&mut shard.commands, &shard.at));
        let asked = cluster_map(&self.server, known, &self.known.nodes).await;
        let ClusterMap {
            masters,
            nodes,
            epoch,
        } = asked.map_err(RelayLost)?;
        if epoch < self.version {
            // A node that has not heard of it yet.
            return Ok(());
        }
        self.version = epoch;
        self.known.nodes = nodes;
        if self.server.names_several() {
            let named = self.server.nodes().iter();
            let missing = named.filter(|node| !self.known.nodes.contains(node));
            let missing: Vec<_> = missing.cloned().collect();
            self.known.nodes.extend(missing);
        }
        let owners = self.owners();
        if owners.is(&masters) {
            return Ok(());
        }
        self.before.get_or_insert(owners);
        let mut known = std::mem::take(&mut self.masters);
        let (mut kept, mut fresh) = (Vec::new(), Vec::new());
        for (node, slots) in masters {
            match known.iter().position(|shard| shard.at == node) {
                Some(place) => {
                    let shard = known.swap_remove(place);
                    kept.push(Shard { slots, ..shard });
                }
                None => fresh.push(self.open_master(node, slots)),
            }
        }
        for (shard, clock) in try_join_all(fresh).await? {
            self.known.clocks.note(&shard.at, clock);
            kept.push(shard);
        }
        kept.sort_by(|left, right| left.at.cmp(&right.at));
        self.masters = kept;
        let servers = self.masters.iter().map(|shard| &shard.at);
        self.known.clocks.keep(servers, Instant::now());
        Ok(())
    }

    /// A connection to a master of a cluster.
    async fn open_master(
        &self,
        at: RedisNode,
        slots: SlotRanges,
    ) -> Result<(Shard, ServerClock), RelayLost> {
        let opened = self.open(at.clone(), slots, true).await;
        let (shard, clock, _) = opened.map_err(|lost| lost.at(&at))?;
        Ok((shard, clock))
    }

    /// A connection to a master, its clock, and whether it is one of a cluster.
    async fn open(
        &self,
        at: RedisNode,
        slots: SlotRanges,
        in_cluster: bool,
    ) -> Result<(Shard, ServerClock, bool), RelayLost> {
        let alive = Arc::new(());
        let (mut commands, identity, pushes) = match &self.purpose {
            Purpose::Hear(inbox) if !in_cluster => {
                let config = hearing(inbox, &alive, None);
                let connecting = link::connect(&self.server, &at, ProtocolVersion::RESP3, config);
                let (connection, identity) = connecting.await?;
                (connection.clone(), identity, connection)
            }
            purpose => {
                let config = AsyncConnectionConfig::new();
                let connecting = link::connect(&self.server, &at, ProtocolVersion::RESP2, config);
                let (commands, identity) = connecting.await?;
                let pushes = match purpose {
                    Purpose::Send(_) => commands.clone(),
                    Purpose::Hear(inbox) => self.open_pushes(&at, inbox, &alive).await?,
                };
                (commands, identity, pushes)
            }
        };
        let clock = link::clock(&mut commands).await;
        let clock = clock.map_err(|error| RelayLost::of(&error, &self.server))?;
        let mut script = String::new();
        if let Purpose::Send(text) = self.purpose {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(text);
            let loaded = load.query_async::<String>(&mut commands).await;
            script = loaded.map_err(|error| RelayLost::of(&error, &self.server))?;
        }
        let shard = Shard {
            at,
            slots,
            id: identity.id,
            commands,
            pushes,
            _alive: alive,
            before: None,
            script,
        };
        Ok((shard, clock, identity.in_cluster))
    }

    async fn open_pushes(
        &self,
        at: &RedisNode,
        inbox: &Arc<EdgeInbox>,
        alive: &Arc<()>,
    ) -> Result<MultiplexedConnection, RelayLost> {
        let config = hearing(inbox, alive, Some(at));
        link::open(&self.server, at, ProtocolVersion::RESP3, config).await
    }

    /// Connects anew to what brings messages from this server, if it is still one of these. Nothing
    /// is subscribed to there then; what was goes on until `give_up_before`.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) async fn reopen(&mut self, at: &RedisNode) -> Result<(), RelayLost> {
        let Purpose::Hear(inbox) = self.purpose.clone() else {
            return Ok(());
        };
        let Some(place) = self.masters.iter().position(|shard| shard.at == *at) else {
            return Ok(());
        };
        let alive = Arc::new(());
        let pushes = self.open_pushes(at, &inbox, &alive).await?;
        let shard = &mut self.masters[place];
        let pushes = std::mem::replace(&mut shard.pushes, pushes);
        let alive = std::mem::replace(&mut shard._alive, alive);
        shard.before.get_or_insert((pushes, alive));
        Ok(())
    }

    /// Gives up the connections that brought messages before, once they have brought all that was sent
    /// until now.
    pub(super) async fn give_up_before(&mut self) {
        let before = self.masters.iter_mut().map(|shard| shard.before.take());
        let last_words = before.flatten().map(async |(mut pushes, _alive)| {
            let ping = redis::cmd("PING");
            // What it does not bring any more, the numbers tell of.
            let _ = tokio::time::timeout(LAST_WORDS, ping.query_async::<Value>(&mut pushes)).await;
        });
        join_all(last_words).await;
    }

    /// Notes the clock of a server.
    pub(super) fn note_clock(&mut self, place: usize, clock: ServerClock) {
        self.known.clocks.note(&self.masters[place].at, clock);
    }

    /// By how many milliseconds more than it was a message may seem to have been sent before, as a
    /// clock was set ahead of late, or a channel is on a server whose clock is ahead.
    pub(super) fn leap(&self) -> u64 {
        self.known.clocks.leap(Instant::now())
    }

    /// The clock of a server, as far as that can be told without asking it.
    pub(super) fn now(&self, place: usize) -> u64 {
        self.known
            .clocks
            .now(&self.masters[place].at, Instant::now())
    }

    /// Asks each server of a cluster for its clock, and sees that all are there and who has which
    /// slots.
    ///
    /// # Errors
    /// A server does not answer, or nobody knows who has which slots.
    pub(super) async fn check(&mut self) -> Result<(), RelayLost> {
        if !self.in_cluster() {
            return Ok(());
        }
        let hears = matches!(self.purpose, Purpose::Hear(_));
        let checks = self.masters.iter_mut().map(async |shard| {
            if hears {
                let ping = redis::cmd("PING");
                let answer = ping.query_async::<Value>(&mut shard.pushes).await;
                answer.map_err(|error| RelayLost::of(&error, &self.server).at(&shard.at))?;
            }
            let clock = link::clock(&mut shard.commands).await;
            clock.map_err(|error| RelayLost::of(&error, &self.server).at(&shard.at))
        });
        let clocks = try_join_all(checks).await?;
        for (place, clock) in clocks.into_iter().enumerate() {
            self.note_clock(place, clock);
        }
        self.follow().await
    }
}

/// How a connection brings messages, from this node of a cluster if it is in one.
fn hearing(
    inbox: &Arc<EdgeInbox>,
    alive: &Arc<()>,
    node: Option<&RedisNode>,
) -> AsyncConnectionConfig {
    let into = PushReceiver::new(inbox, alive, node.cloned());
    AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        into.receive(push);
        Ok::<(), redis::aio::SendError>(())
    })
}
