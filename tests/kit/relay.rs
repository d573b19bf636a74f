//! Ingest hosts and edge hosts on one Redis, or on a cluster.

use crate::arrivals::next_event;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::guest::Guest;
use crate::proxy::Proxy;
use crate::redis::Redis;
use crate::resp::Reply;
use crate::rights::{as_user, rules_in, set_user};
use crate::settings::{Setup, Transform};
use crate::stage::patient;
use crate::tidegate::Tidegate;
use crate::wait::{secs, until};

/// What the relay calls the number of `candles:BTC-USD:1h`, which lies with that channel.
pub const OF_CHANNEL: &str = "tidegate:relay:tidegate:{candles:BTC-USD:1h}:n";

/// What it calls its epoch, which lies with what belongs to no channel.
pub const OF_ALL: &str = "tidegate:relay:tidegate:{tidegate}:epoch";

/// So many of each, and what they have in common.
#[derive(Debug)]
pub struct Relay<R = Redis> {
    pub redis: R,
    url: String,
    pub ingests: Vec<Tidegate>,
    pub edges: Vec<Tidegate>,
}

impl Relay {
    /// Hosts that run the two transforms that every host has.
    pub async fn of(ingests: usize, edges: usize) -> Self {
        Self::with(ingests, edges, None, |setup| setup).await
    }

    /// Hosts whose ingest hosts run this component, with other settings.
    pub async fn with(
        ingests: usize,
        edges: usize,
        guest: Option<&Guest>,
        change: impl Fn(Setup) -> Setup,
    ) -> Self {
        Self::on(Redis::start().await, (ingests, edges), guest, change).await
    }

    /// The same on a Redis that is there.
    pub async fn on(
        redis: Redis,
        count: (usize, usize),
        guest: Option<&Guest>,
        change: impl Fn(Setup) -> Setup,
    ) -> Self {
        let url = redis.url();
        Self::at(redis, url, count, guest, change).await
    }

    /// A further ingest host, in step, and what its path to Redis leads through.
    pub async fn ingest_by_a_proxy(&self) -> (Proxy, Tidegate) {
        let proxy = Proxy::to(self.redis.port()).await;
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let ingest = self.ingest(None).setting("redis-url", &url).start().await;
        is_in_step(&ingest).await;
        (proxy, ingest)
    }

    /// One tick of this symbol.
    pub async fn tick(&self, symbol: &str, number: u64) {
        let channel = format!("{}{symbol}", crate::guest::FEED);
        let payload = format!(r#"{{"n":{number}}}"#);
        self.redis.publish(&channel, payload).await;
    }
}

impl Relay<Cluster> {
    /// Hosts that run the two transforms that every host has, on a cluster.
    pub async fn in_cluster(cluster: Cluster, ingests: usize, edges: usize) -> Self {
        let url = cluster.url();
        Self::in_cluster_at(cluster, url, ingests, edges).await
    }

    /// The same with another `redis-url`.
    pub async fn in_cluster_at(
        cluster: Cluster,
        url: String,
        ingests: usize,
        edges: usize,
    ) -> Self {
        Self::at(cluster, url, (ingests, edges), None, |setup| setup).await
    }

    /// A client of BTC's hourly candles and one of ETH's, which lie in different slots; each has got
    /// the first.
    pub async fn listeners(&self) -> [Client; 2] {
        let mut clients = [
            self.subscriber(0, ["candles:BTC-USD:1h"]).await,
            self.subscriber(0, ["candles:ETH-USD:1h"]).await,
        ];
        for symbol in ["BTC", "ETH"] {
            self.redis.candle(0, symbol, 1).await;
        }
        for client in &mut clients {
            assert_eq!(next_event(client).await["seq"], 1);
        }
        clients
    }
}

impl<R> Relay<R> {
    async fn at(
        redis: R,
        url: String,
        (ingests, edges): (usize, usize),
        guest: Option<&Guest>,
        change: impl Fn(Setup) -> Setup,
    ) -> Self {
        let mut relay = Self {
            redis,
            url,
            ingests: Vec::new(),
            edges: Vec::new(),
        };
        for _ in 0..ingests {
            let ingest = change(relay.ingest(guest)).start().await;
            relay.ingests.push(ingest);
        }
        for _ in 0..edges {
            let edge = change(relay.edge()).start().await;
            relay.edges.push(edge);
        }
        relay
    }

    /// A further ingest host.
    pub fn ingest(&self, guest: Option<&Guest>) -> Setup {
        let setup = patient(Setup::new(&self.url)).state_dir();
        let setup = setup.setting("role", "ingest").without_keys();
        match guest {
            Some(guest) => {
                let file = guest.write(&setup.path(""));
                setup.transform(Transform::file(&file))
            }
            None => setup,
        }
    }

    /// A further edge host.
    pub fn edge(&self) -> Setup {
        patient(Setup::new(&self.url)).setting("role", "edge")
    }

    /// Starts an ingest and an edge host, each as a Redis user that may do what the check prints for
    /// its role and nothing else. `allow` runs a command on every server.
    pub async fn with_printed_rights(mut self, allow: impl AsyncFn(&R, &[&str]) -> Reply) -> Self {
        for role in ["ingest", "edge"] {
            let setup = || match role {
                "ingest" => self.ingest(None),
                _ => self.edge(),
            };
            let (good, said) = setup().check();
            assert!(good, "{said}");
            let command = set_user(role, &rules_in(&said));
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let answer = allow(&self.redis, &command).await;
            assert_eq!(answer, Reply::Simple("OK".into()), "{said}");
            let setup = setup().setting("redis-url", &as_user(role, &self.url));
            let host = setup.start().await;
            match role {
                "ingest" => self.ingests.push(host),
                _ => self.edges.push(host),
            }
        }
        self
    }

    /// A client of an edge host that has subscribed.
    pub async fn subscriber<const N: usize>(&self, edge: usize, channels: [&str; N]) -> Client {
        self.edges[edge].subscriber(channels).await
    }
}

/// A test that fails shows what its hosts said.
impl<R> Drop for Relay<R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in self.ingests.iter().chain(&self.edges) {
                eprintln!("{:?}", host.stderr());
            }
        }
    }
}

/// The ingest host sends all that it makes.
pub async fn is_in_step(ingest: &Tidegate) {
    until("in step", secs(10), async || {
        let log = ingest.stderr().text();
        log.rfind("ingest host is in step") > log.rfind("leaves its messages to the others")
    })
    .await;
}
