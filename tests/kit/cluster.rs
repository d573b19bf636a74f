//! A real Redis Cluster for one test: three masters, and a replica of each. Nodes can be killed,
//! paused, started again, and made to give their mastership away.

use std::ops::RangeInclusive;
use std::time::Instant;

use crate::dice::Dice;
use crate::nodes::{Node, NodePlace};
use crate::payloads::{candle, candle_channel};
use crate::segment::Segment;
use crate::wait::{eventually, secs, until};
use crate::wall_clock::WallClock;

const SLOTS: u16 = 16_384;
const MASTERS: u16 = 3;

const CONFIG: &str = "save \"\"\nappendonly no\ncluster-enabled yes\ncluster-node-timeout 2000\n\
                      cluster-config-file nodes.conf\nrepl-diskless-sync-delay 0\n\
                      cluster-replica-validity-factor 0";

/// The cluster; all of it dies with the test.
#[derive(Debug)]
pub struct Cluster {
    /// At first three masters, then their replicas in the same order.
    pub nodes: Vec<Node>,
}

impl Cluster {
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..2 * MASTERS {
            nodes.push(node(NodePlace::here()).await);
        }
        Self::of(nodes).await
    }

    /// Each node with a wall clock of its own, of which there are six.
    pub async fn with_clocks(clocks: &[WallClock; 2 * MASTERS as usize]) -> Self {
        let mut nodes = Vec::new();
        for clock in clocks {
            nodes.push(node(NodePlace::with_clock(clock)).await);
        }
        Self::of(nodes).await
    }

    /// Each node on a machine of its own, of which there are six.
    pub async fn on(segment: &Segment) -> Self {
        let mut nodes = Vec::new();
        for machine in 1..=2 * MASTERS {
            let machine = u8::try_from(machine).expect("six is a small number");
            nodes.push(node(segment.place(machine)).await);
        }
        Self::of(nodes).await
    }

    async fn of(nodes: Vec<Node>) -> Self {
        let cluster = Self { nodes };
        cluster.meet().await;
        cluster.settles().await;
        cluster
    }

    async fn meet(&self) {
        let first = self.nodes[0].port.to_string();
        for (number, node) in (0_u16..).zip(&self.nodes) {
            let epoch = (number + 1).to_string();
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            let host = self.nodes[0].host();
            node.ask(&["CLUSTER", "MEET", host, &first]).await;
            if number < MASTERS {
                let share = SLOTS / MASTERS;
                let end = match number + 1 {
                    MASTERS => SLOTS,
                    next => next * share,
                };
                // One by one: releases before 7.0 know no ranges.
                let slots: Vec<String> = (number * share..end)
                    .map(|number| number.to_string())
                    .collect();
                let mut command = vec!["CLUSTER", "ADDSLOTS"];
                command.extend(slots.iter().map(String::as_str));
                node.ask(&command).await;
            }
        }
        let (masters, replicas) = self.nodes.split_at(MASTERS.into());
        for (master, replica) in masters.iter().zip(replicas) {
            let id = master.ask(&["CLUSTER", "MYID"]).await.text();
            until("a replica that knows its master", secs(20), async || {
                let answer = replica.ask(&["CLUSTER", "REPLICATE", &id]).await;
                answer.text() == "OK"
            })
            .await;
        }
    }

    /// Waits until all that live agree that the cluster is well and who is a replica, and every replica
    /// follows.
    pub async fn settles(&self) {
        until("a cluster that is well", secs(30), async || {
            let (mut views, mut replicas) = (Vec::new(), 0);
            for node in &self.nodes {
                let info = node.ask(&["CLUSTER", "INFO"]).await.text();
                let is_replica = node.info("role").await == "slave";
                let link = node.info("master_link_status").await;
                if !info.contains("cluster_state:ok") || (is_replica && link != "up") {
                    return false;
                }
                replicas += usize::from(is_replica);
                views.push(node.ask(&["CLUSTER", "NODES"]).await.text());
            }
            views.iter().all(|view| {
                let known = view.lines().count();
                let is_well = !view.contains("fail") && !view.contains("disconnected");
                let following = view.lines().filter(|line| line.contains("slave ")).count();
                known == self.nodes.len() && is_well && following == replicas
            })
        })
        .await;
    }

    /// All nodes, as `redis-url` takes them.
    pub fn url(&self) -> String {
        let nodes = self.nodes.iter();
        let nodes: Vec<_> = nodes.map(Node::address).collect();
        format!("redis://{}", nodes.join(","))
    }

    /// Publishes an hourly candle of this symbol in dollars, at the node of this place.
    pub async fn candle(&self, by: usize, symbol: &str, number: usize) {
        let channel = candle_channel(1, &format!("{symbol}-USD"), "1h");
        self.nodes[by].publish(&channel, candle(number)).await;
    }

    /// The place of the node that listens at this address.
    pub fn place(&self, address: &str) -> usize {
        let port = address.rsplit(':').next().unwrap_or_default();
        let is_it = |node: &Node| node.port.to_string() == port;
        let place = self.nodes.iter().position(is_it);
        place.unwrap_or_else(|| panic!("no node at {address}"))
    }

    /// The replica of a master by that master's own word.
    pub async fn replica_of(&self, place: usize) -> usize {
        let port = eventually("a replica", secs(20), async || {
            let info = self.nodes[place].info("slave0").await;
            let port = info.split("port=").nth(1)?.split(',').next()?.to_owned();
            Some(port)
        })
        .await;
        self.place(&port)
    }

    /// The master of a key's slot by the word of a node that lives, and the slot.
    pub async fn owner_of(&self, key: &str, by: usize) -> (usize, String) {
        let hash_slot = self.nodes[by].ask(&["CLUSTER", "KEYSLOT", key]).await;
        let hash_slot = hash_slot.integer();
        let nodes = self.nodes[by].ask(&["CLUSTER", "NODES"]).await.text();
        let owns = |line: &&str| slots_in(line).any(|range| range.contains(&hash_slot));
        let line = nodes.lines().find(owns).expect("a slot has a master");
        let address = line
            .split([' ', '@'])
            .nth(1)
            .expect("a line has an address");
        (self.place(address), hash_slot.to_string())
    }

    /// The slots that a node has by its own word.
    pub async fn slots_of(&self, place: usize) -> Vec<i64> {
        let nodes = self.nodes[place].ask(&["CLUSTER", "NODES"]).await.text();
        let own = nodes.lines().find(|line| line.contains("myself"));
        slots_in(own.unwrap_or_default()).flatten().collect()
    }

    /// The masters other than this, by their own word.
    pub async fn masters_beside(&self, place: usize) -> Vec<usize> {
        let mut masters = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if at != place && node.info("role").await == "master" {
                masters.push(at);
            }
        }
        masters
    }

    /// Gives slots from one master to another, one after the other, and tells all masters of each, as
    /// `redis-cli --cluster reshard` does.
    pub async fn reshard(&self, slots: &[i64], from: usize, to: usize) {
        let id = self.nodes[to].ask(&["CLUSTER", "MYID"]).await.text();
        let mut masters = vec![to];
        masters.extend(self.masters_beside(to).await);
        for number in slots {
            let number = number.to_string();
            self.begin_to_move(&number, from, to).await;
            self.move_all_keys(&number, from, to).await;
            for place in &masters {
                self.nodes[*place]
                    .ask(&["CLUSTER", "SETSLOT", &number, "NODE", &id])
                    .await;
            }
        }
    }

    /// A master without slots joins; gives its place.
    pub async fn join(&mut self) -> usize {
        let fresh = node(NodePlace::here()).await;
        let port = self.nodes[0].port.to_string();
        fresh
            .ask(&["CLUSTER", "MEET", self.nodes[0].host(), &port])
            .await;
        self.nodes.push(fresh);
        self.settles().await;
        self.nodes.len() - 1
    }

    /// A node leaves: all others forget it, and it ends.
    pub async fn leave(&mut self, place: usize) {
        let mut gone = self.nodes.remove(place);
        let id = gone.ask(&["CLUSTER", "MYID"]).await.text();
        for node in &self.nodes {
            let forgotten = node.ask(&["CLUSTER", "FORGET", &id]).await.text();
            assert_eq!(forgotten, "OK");
        }
        gone.kill();
    }

    /// Moves the slot of a key to another master, as operators do.
    pub async fn move_slot(&self, key: &str) {
        let (from, hash_slot) = self.owner_of(key, 0).await;
        let to = (from + 1) % usize::from(MASTERS);
        self.begin_to_move(&hash_slot, from, to).await;
        self.end_the_move(&hash_slot, from, to).await;
    }

    /// Begins to move a slot: keys that are not at `from` any more are asked for at `to`.
    pub async fn begin_to_move(&self, hash_slot: &str, from: usize, to: usize) {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        let from_id = from.ask(&["CLUSTER", "MYID"]).await.text();
        let to_id = to.ask(&["CLUSTER", "MYID"]).await.text();
        to.ask(&["CLUSTER", "SETSLOT", hash_slot, "IMPORTING", &from_id])
            .await;
        from.ask(&["CLUSTER", "SETSLOT", hash_slot, "MIGRATING", &to_id])
            .await;
    }

    /// Moves one key of a slot that is on its way.
    pub async fn move_key(&self, key: &str, from: usize, to: usize) {
        let port = self.nodes[to].port.to_string();
        let host = self.nodes[to].host();
        let migrate = ["MIGRATE", host, &port, key, "0", "5000"];
        let answer = self.nodes[from].ask(&migrate).await.text();
        assert!(answer == "OK" || answer == "NOKEY", "{answer}");
    }

    /// Moves all the keys that are left, and says whose the slot is.
    pub async fn end_the_move(&self, hash_slot: &str, from: usize, to: usize) {
        self.move_all_keys(hash_slot, from, to).await;
        let id = self.nodes[to].ask(&["CLUSTER", "MYID"]).await.text();
        for place in [to, from] {
            self.nodes[place]
                .ask(&["CLUSTER", "SETSLOT", hash_slot, "NODE", &id])
                .await;
        }
    }

    async fn move_all_keys(&self, hash_slot: &str, from: usize, to: usize) {
        loop {
            let keys = ["CLUSTER", "GETKEYSINSLOT", hash_slot, "100"];
            let crate::resp::Reply::Array(keys) = self.nodes[from].ask(&keys).await else {
                panic!("a list of keys");
            };
            if keys.is_empty() {
                break;
            }
            for key in keys {
                self.move_key(&key.text(), from, to).await;
            }
        }
    }

    /// A master gives its mastership to its replica, and goes on as that one's.
    pub async fn demote(&self, place: usize) {
        let replica = &self.nodes[self.replica_of(place).await];
        // One that does not come about within five seconds is given up by the replica itself.
        let mut asked: Option<Instant> = None;
        until("another master", secs(30), async || {
            if asked.is_none_or(|asked| asked.elapsed() > secs(7)) {
                replica.ask(&["CLUSTER", "FAILOVER"]).await;
                asked = Some(Instant::now());
            }
            self.nodes[place].info("role").await == "slave"
        })
        .await;
    }
}

/// The slots in a line of `CLUSTER NODES`, without those that are on their way.
fn slots_in(line: &str) -> impl Iterator<Item = RangeInclusive<i64>> {
    let ranges = line.split(' ').skip(8);
    let ranges = ranges.filter(|range| !range.starts_with('['));
    ranges.map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let end = |end: &str| end.trim().parse::<i64>().expect("a slot");
        end(first)..=end(last)
    })
}

/// A node on a free port. Its second port lies 10,000 above, and neither is one that the system
/// gives to whoever connects.
async fn node(place: NodePlace) -> Node {
    let mut seed = [0; 8];
    let token = tempfile::tempdir().expect("a temporary folder");
    let name = token.path().as_os_str().as_encoded_bytes();
    seed.copy_from_slice(
        &name[name.len() - 6..]
            .iter()
            .chain(b"xx")
            .copied()
            .collect::<Vec<_>>(),
    );
    let mut dice = Dice::new(u64::from_le_bytes(seed) ^ u64::from(std::process::id()));
    for _ in 0..50 {
        let port = u16::try_from(dice.between(11_000, 22_000)).expect("within a port's range");
        let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port)
            && is_free(port + 10_000)
            && let Some(node) = Node::try_start_at(place.clone(), port, CONFIG, &[]).await
        {
            return node;
        }
    }
    panic!("no free ports for a node of a cluster in fifty tries");
}
