//! Three hosts and one Redis, which share what shall run.

use std::time::Duration;

use serde_json::Value;

use crate::admin::Admin;
use crate::guest::Guest;
use crate::redis::Redis;
use crate::settings::{Setup, Transform};
use crate::stage::patient;
use crate::tidegate::Tidegate;
use crate::wait::{secs, until};

/// Three hosts that all run `a`, and what they have in common.
#[derive(Debug)]
pub struct Fleet {
    pub redis: Redis,
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
        let setup = Setup::new(&format!("redis://127.0.0.1:{port}"));
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

    /// What the fleet wants of the ticks.
    pub async fn desired(&self) -> Value {
        let mut report = self.admin(0).get("/v1/fleet").await.done();
        report["desired"]["ticks"].take()
    }

    /// Each with its own state folder.
    pub async fn of_three(change: impl Fn(Setup) -> Setup) -> Self {
        let redis = Redis::start().await;
        let a = Guest::stamped("a");
        let port = redis.port();
        let (first, second, third) = tokio::join!(
            Self::host("one", port, &a, &change),
            Self::host("two", port, &a, &change),
            Self::host("three", port, &a, &change)
        );
        let fleet = Self {
            redis,
            hosts: vec![first, second, third],
        };
        fleet.sees(3).await;
        fleet
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
        self.redis.publish("feed:ticks:AB", r#"{"n":0}"#).await;
        for follower in followers {
            follower.sees_mark(mark, &["AB"], secs(10)).await;
        }
    }
}
