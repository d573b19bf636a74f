//! What each host says of itself in Redis, every two seconds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::report::TransformState;
use super::order::{Order, Stage};
use super::{Fleet, Unreachable};
use crate::transform::RevisionId;

/// After how many silent seconds a host does not count as alive.
const SILENT: f64 = 15.0;

/// After how many it is forgotten.
const GONE: f64 = 24.0 * 3600.0;

/// A host's report as it stands in Redis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HostRecord {
    pub(super) host: String,
    /// Tells two processes of one host name apart.
    pub(super) instance: String,
    pub(super) version: String,
    pub(super) started: Timestamp,
    /// By the clock of Redis, in seconds.
    pub(super) seen: f64,
    pub(super) transforms: BTreeMap<String, HostTransform>,
}

/// What a host runs of one transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostTransform {
    pub revision: RevisionId,
    pub state: TransformState,
    /// The last order of the fleet that it acted on.
    pub number: Option<u64>,
    pub outcome: Option<Outcome>,
}

/// What became of an order on one host: `waiting`, `probation`, `passed`, or `failed: ` and
/// `refused: ` with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Outcome {
    /// Not acted on yet.
    Waiting,
    Probation,
    Passed,
    /// It ran, and the host returned from it by itself.
    Failed(String),
    /// It never ran.
    Refused(String),
}

impl From<Outcome> for String {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Waiting => "waiting".into(),
            Outcome::Probation => "probation".into(),
            Outcome::Passed => "passed".into(),
            Outcome::Failed(why) => format!("failed: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
        }
    }
}

impl From<String> for Outcome {
    fn from(text: String) -> Self {
        match text.split_once(": ") {
            Some(("failed", why)) => Self::Failed(why.into()),
            Some(("refused", why)) => Self::Refused(why.into()),
            _ if text == "passed" => Self::Passed,
            _ if text == "probation" => Self::Probation,
            _ => Self::Waiting,
        }
    }
}

/// All hosts, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    /// By the clock of Redis, in seconds.
    pub(super) now: f64,
    pub(super) all: Vec<HostRecord>,
}

impl Hosts {
    /// What cannot be read was written by another version, and counts as nobody.
    pub(super) fn of(now: f64, records: &BTreeMap<String, String>) -> Self {
        let all = records.values();
        let mut all: Vec<HostRecord> = all
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        all.sort_by(|a, b| a.host.cmp(&b.host));
        Self { now, all }
    }

    pub(super) fn age(&self, host: &HostRecord) -> f64 {
        (self.now - host.seen).max(0.0)
    }

    pub(super) fn is_alive(&self, host: &HostRecord) -> bool {
        self.age(host) < SILENT
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = &HostRecord> {
        self.all.iter().filter(|host| self.is_alive(host))
    }

    /// Whether the hosts that go first have all stood the probation, as far as they live. A
    /// paused transform proves nothing.
    pub(super) fn have_stood(&self, order: &Order) -> bool {
        let passed = |host: &HostRecord| {
            let report = host.transforms.get(&order.revision.transform);
            report.is_some_and(|report| {
                report.number == Some(order.number)
                    && report.outcome == Some(Outcome::Passed)
                    && report.revision == order.revision.id
            })
        };
        let first: Vec<&HostRecord> = self
            .alive()
            .filter(|host| order.canary.contains(&host.host))
            .collect();
        order.stage == Stage::Canary
            && !order.paused
            && !first.is_empty()
            && first.into_iter().all(passed)
    }

    /// Those that nobody waits for any more.
    pub(super) fn gone(&self) -> Vec<&str> {
        let gone = self.all.iter().filter(|host| self.age(host) > GONE);
        gone.map(|host| host.host.as_str()).collect()
    }
}

impl Fleet {
    /// # Errors
    /// Redis does not answer.
    pub(super) async fn hosts(&self) -> Result<Hosts, Unreachable> {
        let mut look = redis::pipe();
        look.cmd("TIME");
        look.cmd("HGETALL").arg(self.keys.hosts());
        let (time, records): ((u64, u64), BTreeMap<String, String>) = self.link.ask(&look).await?;
        Ok(Hosts::of(seconds(time), &records))
    }
}

/// What `TIME` answers, as one number.
pub(super) fn seconds((seconds, micros): (u64, u64)) -> f64 {
    seconds as f64 + micros as f64 / 1e6
}

#[cfg(test)]
mod tests;
