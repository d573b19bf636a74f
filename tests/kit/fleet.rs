//! Three hosts and a Redis, which share what shall run: one server, a cluster, or what sentinels
//! watch.

use std::time::Duration;

use serde_json::Value;

use crate::admin::Admin;
use crate::cluster::Cluster;
use crate::guest::Guest;
use crate::redis::Redis;
use crate::sentinels::Sentinels;
use crate::settings::{Setup, Transform};
use crate::stage::patient;
use crate::tidegate::Tidegate;
use crate::wait::{secs, until};

/// What hosts of a fleet share what shall run by.
pub trait Shared {
    /// As `redis-url` takes it.
    fn address(&self) -> String;
    /// Publishes an event where the hosts hear it.
    fn event(&self, channel: &str, payload: &str) -> impl Future<Output = ()>;
}

impl Shared for Redis {
    fn address(&self) -> String {
        self.url()
    }

    async fn event(&self, channel: &str, payload: &str) {
        self.publish(channel, payload).await;
    }
}

impl Shared for Cluster {
    fn address(&self) -> String {
        self.url()
    }

    async fn event(&self, channel: &str, payload: &str) {
        for node in &self.nodes {
            if let Some(mut node) = node.connect().await {
                let sent: [&[u8]; 3] = [b"PUBLISH", channel.as_bytes(), payload.as_bytes()];
                node.ask(&sent).await.expect("a node takes an event");
                return;
            }
        }
    }
}

impl Shared for Sentinels {
    fn address(&self) -> String {
        self.url()
    }

    async fn event(&self, channel: &str, payload: &str) {
        let master = self.master().await;
        self.server(master).publish(channel, payload).await;
    }
}

/// Three hosts that all run `a`, and what they have in common.
#[derive(Debug)]
pub struct Fleet<R = Redis> {
    pub redis: R,
    pub hosts: Vec<Tidegate>,
}

impl Fleet {
    /// A host of a fleet, on this port of its Redis.
    pub async fn host(
        name: &str,
        port: u16,
        guest: &Guest,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Tidegate {
        Self::host_at(name, &format!("redis://127.0.0.1:{port}"), guest, change).await
    }

    /// A host of a fleet, at this address of its Redis.
    pub async fn host_at(
        name: &str,
        url: &str,
        guest: &Guest,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Tidegate {
        let setup = Setup::new(url);
        let setup = patient(setup)
            .state_dir()
            .setting("fleet", "redis")
            // Nobody else comes who could know more.
            .setting("fleet-patience", "1s")
            .setting("host-name", name);
        let file = guest.write(&setup.path(""));
        change(setup.transform(Transform::file(&file)))
            .start()
            .await
    }

    /// Each with its own state folder.
    pub async fn of_three(change: impl Fn(Setup) -> Setup) -> Self {
        Self::of_three_at(Redis::start().await, change).await
    }
}

impl<R: Shared> Fleet<R> {
    /// The same at a Redis that is there.
    pub async fn of_three_at(redis: R, change: impl Fn(Setup) -> Setup) -> Self {
        let (a, url) = (Guest::stamped("a"), redis.address());
        let (first, second, third) = tokio::join!(
            Fleet::host_at("one", &url, &a, &change),
            Fleet::host_at("two", &url, &a, &change),
            Fleet::host_at("three", &url, &a, &change)
        );
        let fleet = Self {
            redis,
            hosts: vec![first, second, third],
        };
        fleet.sees(3).await;
        fleet
    }

    /// What the fleet wants of the ticks.
    pub async fn desired(&self) -> Value {
        let mut report = self.admin(0).get("/v1/fleet").await.done();
        report["desired"]["ticks"].take()
    }

    /// The operator of one of them.
    pub fn admin(&self, host: usize) -> Admin {
        self.hosts[host].admin_api()
    }

    /// Waits until the first host knows so many hosts.
    pub async fn sees(&self, count: usize) {
        let admin = self.admin(0);
        until("hosts in the report", secs(10), async || {
            let report = admin.get("/v1/fleet").await.done();
            report["hosts"]
                .as_array()
                .is_some_and(|hosts| hosts.len() == count)
        })
        .await;
    }

    /// Waits until these hosts run a revision.
    pub async fn run<const N: usize>(&self, hosts: [usize; N], revision: &str, within: Duration) {
        for host in hosts {
            let admin = self.admin(host);
            let what = format!("host {host} on {}", &revision[..12]);
            let is = |report: &Value| report["revision"]["id"] == revision;
            admin.becomes("ticks", &what, within, is).await;
        }
    }

    /// How many swaps of this kind each host made.
    pub async fn swaps(&self, kind: &str) -> Vec<f64> {
        let mut counts = vec![];
        for host in &self.hosts {
            let labels = [("transform", "ticks"), ("kind", kind)];
            counts.push(host.metric("tidegate_swaps_total", &labels).await);
        }
        counts
    }

    /// A tick reaches a client of every host, with this mark.
    pub async fn says(&self, mark: &str) {
        let mut followers = vec![];
        for host in &self.hosts {
            followers.push(host.subscriber(["ticks:*"]).await.follow());
        }
        self.redis.event("feed:ticks:AB", r#"{"n":0}"#).await;
        for follower in followers {
            follower.sees_mark(mark, &["AB"], secs(10)).await;
        }
    }
}
