//! The fleet as operators are shown it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{Refused, Registry};
use super::board::Known;
use super::hosts::HostTransform;
use super::order::Stage;
use crate::transform::RevisionId;

/// Who runs what, beside what is meant to run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FleetReport {
    /// The fleet's name.
    pub fleet: String,
    /// The host that answers.
    pub host: String,
    pub hosts: Vec<HostReport>,
    /// By transform; one that is not here was never changed through the fleet.
    pub desired: BTreeMap<String, DesiredReport>,
}

/// One host, as it last said of itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HostReport {
    pub host: String,
    /// Of Tidegate.
    pub version: String,
    pub started: Timestamp,
    pub seen_seconds_ago: f64,
    /// Whether it was seen within the last 15 seconds.
    pub alive: bool,
    pub transforms: BTreeMap<String, HostTransform>,
}

/// What the fleet wants of one transform.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DesiredReport {
    pub revision: RevisionId,
    pub previous: Option<RevisionId>,
    pub stage: Stage,
    /// The hosts that go first.
    pub canary: Vec<String>,
    pub paused: bool,
    /// Grows with each change.
    pub number: u64,
    pub by: String,
    pub at: Timestamp,
    /// Why the fleet returned by itself.
    pub note: Option<String>,
}

impl From<&Known> for DesiredReport {
    fn from(known: &Known) -> Self {
        let order = &known.order;
        Self {
            revision: order.revision.id.clone(),
            previous: order.previous.as_ref().map(|one| one.id.clone()),
            stage: order.stage,
            canary: order.canary.clone(),
            paused: order.paused,
            number: order.number,
            by: order.by.clone(),
            at: order.at,
            note: order.note.clone(),
        }
    }
}

impl Registry {
    /// What each host of the fleet runs, and what it should.
    ///
    /// # Errors
    /// There is no fleet, or its Redis does not answer.
    pub async fn fleet(&self) -> Result<FleetReport, Refused> {
        let fleet = self.fleet.as_ref().ok_or(Refused::NoFleet)?;
        let (hosts, orders) = tokio::try_join!(fleet.hosts(), fleet.look())?;
        let host = |one: &super::hosts::HostRecord| HostReport {
            host: one.host.clone(),
            version: one.version.clone(),
            started: one.started,
            seen_seconds_ago: hosts.age(one),
            alive: hosts.is_alive(one),
            transforms: one.transforms.clone(),
        };
        let stand = orders.iter().filter(|(_, known)| !known.order.removed);
        let desired = stand.map(|(name, known)| (name.clone(), DesiredReport::from(&**known)));
        Ok(FleetReport {
            fleet: fleet.name.clone(),
            host: fleet.host().to_owned(),
            hosts: hosts.all.iter().map(host).collect(),
            desired: desired.collect(),
        })
    }
}
