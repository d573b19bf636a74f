//! Ingest hosts and edge hosts on one Redis.

use crate::client::Client;
use crate::guest::Guest;
use crate::redis::Redis;
use crate::settings::{Setup, Transform};
use crate::stage::patient;
use crate::tidegate::Tidegate;

/// So many of each, and what they have in common.
#[derive(Debug)]
pub struct Relay {
    pub redis: Redis,
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
        let redis = Redis::start().await;
        let mut relay = Self {
            redis,
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
        let setup = patient(Tidegate::on(&self.redis)).state_dir();
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
        patient(Tidegate::on(&self.redis)).setting("role", "edge")
    }

    /// A client of an edge host that has subscribed.
    pub async fn subscriber<const N: usize>(&self, edge: usize, channels: [&str; N]) -> Client {
        self.edges[edge].subscriber(channels).await
    }

    /// One tick of this symbol.
    pub async fn tick(&self, symbol: &str, number: u64) {
        let channel = format!("{}{symbol}", crate::guest::FEED);
        let payload = format!(r#"{{"n":{number}}}"#);
        self.redis.publish(&channel, payload).await;
    }
}
