//! The fleet as operators are shown it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Refused, Registry};
use super::hosts::{HostRecord, HostTransform};
use super::look::read_all;
use crate::transform::RevisionId;
use crate::wanted::desired::Desired;

/// Who runs what, beside what is meant to run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FleetReport {
    /// The fleet's name.
    pub fleet: String,
    /// The host that answers.
    pub host: String,
    pub hosts: Vec<HostReport>,
    /// By transform; one that is not here is not known to the fleet, or was written by another
    /// version.
    pub desired: BTreeMap<String, DesiredReport>,
}

/// One host, as it last said of itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DesiredReport {
    pub revision: RevisionId,
    /// What a rollback goes to.
    pub previous: Option<RevisionId>,
    /// Those that were taken back.
    pub withdrawn: Vec<RevisionId>,
    /// The hosts that go first; none: it is for all.
    pub first: Vec<String>,
    pub paused: bool,
    /// Grows with each decision.
    pub generation: u64,
    /// The last that did not stand, and why.
    pub failed: Option<FailedReport>,
    /// Who chose the revision, and when.
    pub by: String,
    pub since: Timestamp,
}

/// A revision that could not stay in the fleet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FailedReport {
    pub revision: RevisionId,
    pub why: String,
}

impl DesiredReport {
    /// None where it was removed.
    fn of(desired: &Desired) -> Option<Self> {
        let chosen = desired.choice.revision.as_ref()?;
        let withdrawn = desired.withdrawn.iter().filter(|(_, decided)| decided.yes);
        Some(Self {
            revision: chosen.clone(),
            previous: desired.previous().cloned(),
            withdrawn: withdrawn.map(|(id, _)| id.clone()).collect(),
            first: desired.choice.first.clone(),
            paused: desired.paused.yes,
            generation: desired.generation,
            failed: desired.failed.as_ref().map(|failed| FailedReport {
                revision: failed.revision.clone(),
                why: failed.why.clone(),
            }),
            by: desired.choice.by.clone(),
            since: desired.choice.since,
        })
    }
}

/// What each host of the fleet runs, and what it should.
///
/// # Errors
/// There is no fleet, or its Redis does not answer.
pub async fn fleet_report(registry: &Registry) -> Result<FleetReport, Refused> {
    let fleet = registry.fleet.as_ref().ok_or(Refused::NoFleet)?;
    let (hosts, read) = read_all(fleet).await?;
    let host = |record: &HostRecord| HostReport {
        host: record.host.clone(),
        version: record.version.clone(),
        started: record.started,
        seen_seconds_ago: hosts.age(record),
        alive: hosts.is_alive(record),
        transforms: record.transforms.clone(),
    };
    let desired = read.iter().filter_map(|(name, read)| {
        let shared = read.as_ref().ok()?;
        Some((name.clone(), DesiredReport::of(&shared.desired)?))
    });
    Ok(FleetReport {
        fleet: fleet.member.fleet().to_owned(),
        host: fleet.host().to_owned(),
        hosts: hosts.records.iter().map(host).collect(),
        desired: desired.collect(),
    })
}
