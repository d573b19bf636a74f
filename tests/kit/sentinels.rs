//! A master with a replica, and sentinels that watch them: real ones, for one test.

use crate::nodes::{Node, NodePlace};
use crate::ports::free_port;
use crate::segment::Segment;
use crate::wait::{eventually, secs, until};

const CONFIG: &str = "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0";

/// What the sentinels call what they watch.
pub const WATCHED: &str = "main";

/// The servers and the sentinels; all of it dies with the test.
#[derive(Debug)]
pub struct Sentinels {
    /// The first is the master at first, the second its replica.
    pub servers: Vec<Node>,
    pub sentinels: Vec<Node>,
}

impl Sentinels {
    pub async fn start() -> Self {
        Self::start_at(|_| NodePlace::here()).await
    }

    /// Each server, and then each sentinel, on a machine of its own, of which there are five.
    pub async fn on(segment: &Segment) -> Self {
        Self::start_at(|machine| segment.place(machine)).await
    }

    async fn start_at(place: impl Fn(u8) -> NodePlace) -> Self {
        let master = server_at(&place(1), "").await;
        let follows = format!("replicaof {} {}", master.host(), master.port);
        let replica = server_at(&place(2), &follows).await;
        until("a replica that follows", secs(20), async || {
            replica.info("master_link_status").await == "up"
        })
        .await;
        let mut sentinels = Vec::new();
        for machine in 3..6 {
            sentinels.push(sentinel_at(&place(machine), &master, "").await);
        }
        let watched = Self {
            servers: vec![master, replica],
            sentinels,
        };
        watched.settle().await;
        watched
    }

    /// Waits until the sentinels know each other and the replica.
    pub async fn settle(&self) {
        for sentinel in &self.sentinels {
            until("a sentinel that knows the others", secs(30), async || {
                let known = sentinel.ask(&["INFO", "sentinel"]).await.text();
                known.contains("status=ok,") && known.contains("slaves=1,sentinels=3")
            })
            .await;
        }
    }

    pub fn url(&self) -> String {
        let sentinels: Vec<_> = self.sentinels.iter().map(Node::address).collect();
        format!("redis+sentinel://{}/{WATCHED}", sentinels.join(","))
    }

    /// The port of the master by the word of the first sentinel.
    pub async fn master(&self) -> u16 {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", WATCHED];
        let crate::resp::Reply::Array(answer) = self.sentinels[0].ask(&question).await else {
            panic!("the sentinel does not know its own master");
        };
        answer[1].text().parse().expect("a port")
    }

    /// Waits until another server than this is the master by the word of most sentinels.
    pub async fn promote_another(&self, than: u16) -> u16 {
        eventually("another master", secs(30), async || {
            let mut votes = 0;
            let mut port = than;
            for sentinel in &self.sentinels {
                let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", WATCHED];
                if let crate::resp::Reply::Array(answer) = sentinel.ask(&question).await
                    && answer[1].text() != than.to_string()
                {
                    votes += 1;
                    port = answer[1].text().parse().expect("a port");
                }
            }
            (votes >= 2).then_some(port)
        })
        .await
    }

    /// The server that listens on this port.
    pub fn server(&self, port: u16) -> &Node {
        let server = self.servers.iter().find(|server| server.port == port);
        server.expect("one of the servers")
    }

    pub fn server_mut(&mut self, port: u16) -> &mut Node {
        let server = self.servers.iter_mut().find(|server| server.port == port);
        server.expect("one of the servers")
    }
}

/// An address of sentinels on these ports.
pub fn url(ports: &[u16]) -> String {
    let sentinels: Vec<_> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    format!("redis+sentinel://{}/{WATCHED}", sentinels.join(","))
}

/// A server by itself.
pub async fn server(config: &str) -> Node {
    server_at(&NodePlace::here(), config).await
}

async fn server_at(place: &NodePlace, config: &str) -> Node {
    for _ in 0..20 {
        let config = format!("{CONFIG}\n{config}");
        let started = Node::try_start_at(place.clone(), free_port(), &config, &[]);
        if let Some(node) = started.await {
            return node;
        }
    }
    panic!("no free port for a server in twenty tries");
}

/// A sentinel that watches this master, and agrees with one other.
pub async fn sentinel(master: &Node) -> Node {
    sentinel_with(master, "").await
}

/// The same with further lines of configuration.
pub async fn sentinel_with(master: &Node, config: &str) -> Node {
    sentinel_at(&NodePlace::here(), master, config).await
}

async fn sentinel_at(place: &NodePlace, master: &Node, config: &str) -> Node {
    let (host, port) = (master.host(), master.port);
    let config = format!(
        "{config}\n\
         sentinel monitor {WATCHED} {host} {port} 2\n\
         sentinel down-after-milliseconds {WATCHED} 1000\n\
         sentinel failover-timeout {WATCHED} 4000"
    );
    for _ in 0..20 {
        let started = Node::try_start_at(place.clone(), free_port(), &config, &["--sentinel"]);
        if let Some(node) = started.await {
            return node;
        }
    }
    panic!("no free port for a sentinel in twenty tries");
}
