//! What each host says of itself in Redis, every two seconds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::deployment::Deployment;
use super::super::report::TransformState;
use super::{Fleet, Unreachable};
use crate::fleet::SILENT;
use crate::transform::RevisionId;
use crate::wanted::canary::{CanaryState, Report};
use crate::wanted::desired::Generation;

/// After how many it is forgotten.
const GONE: f64 = 24.0 * 3600.0;

/// Characters of a reason that others are told.
const MAX_REASON: usize = 400;

/// After so many tries, a revision that cannot be made ready counts as refused.
const MIN_TRIES: u32 = 3;

/// The most hosts that are looked at.
const MAX_HOSTS: usize = 1_000;

/// A host's report as it stands in Redis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HostRecord {
    pub(super) host: String,
    /// Tells two processes of one host name apart.
    pub(super) instance: String,
    pub(super) version: String,
    pub(super) started: Timestamp,
    /// By the clock that hosts speak by, in seconds.
    pub(super) seen: f64,
    pub(super) transforms: BTreeMap<String, HostTransform>,
}

/// What a host runs of one transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostTransform {
    /// None where nothing of it runs.
    pub revision: Option<RevisionId>,
    pub state: TransformState,
    /// The last decision of the fleet that it knows of.
    pub generation: Generation,
    /// The generation of the choice that `progress` is about.
    pub choice: Generation,
    pub progress: Progress,
    /// It goes its own way until it is resumed.
    #[serde(default)]
    pub detached: bool,
}

impl HostTransform {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let desired = &deployment.intent.desired;
        let running = deployment.running.as_ref();
        let chosen = desired.choice.revision.as_ref();
        let failing = chosen.and_then(|chosen| deployment.failing.get(chosen));
        let failing = failing.filter(|failing| failing.tries >= MIN_TRIES);
        let revision = running.map(|running| running.revision.id.clone());
        let progress = match failing {
            Some(failing) => Progress::Refused(failing.why.chars().take(MAX_REASON).collect()),
            None if deployment.intent.has_stood() => Progress::Passed,
            None if revision.as_ref() != chosen => Progress::Waiting,
            None if deployment.intent.probation.is_some() => Progress::Probation,
            None => Progress::Passed,
        };
        Self {
            revision,
            state: deployment.state_now(),
            generation: desired.generation,
            choice: desired.choice.at,
            progress,
            detached: deployment.intent.detached.is_some(),
        }
    }
}

/// How far a host is with a choice: `waiting`, `probation`, `passed`, or `refused: ` with the
/// reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Progress {
    /// It has not come to it.
    Waiting,
    Probation,
    /// It runs, and has stood its probation where it had one.
    Passed,
    /// It cannot be made ready there.
    Refused(String),
}

impl From<Progress> for String {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Waiting => "waiting".into(),
            Progress::Probation => "probation".into(),
            Progress::Passed => "passed".into(),
            Progress::Refused(why) => format!("refused: {why}"),
        }
    }
}

impl From<String> for Progress {
    fn from(text: String) -> Self {
        match text.split_once(": ") {
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
    /// By the clock that they speak by, in seconds.
    pub(super) now: f64,
    pub(super) records: Vec<HostRecord>,
}

impl Hosts {
    /// What cannot be read was written by another version, and counts as nobody.
    pub(super) fn of(now: f64, records: &BTreeMap<String, String>) -> Self {
        let texts = records.values().take(MAX_HOSTS);
        let mut records: Vec<HostRecord> = texts
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        records.sort_by(|a, b| a.host.cmp(&b.host));
        Self { now, records }
    }

    pub(super) fn record_of(&self, host: &str) -> Option<&HostRecord> {
        self.records.iter().find(|record| record.host == host)
    }

    pub(super) fn age(&self, host: &HostRecord) -> f64 {
        (self.now - host.seen).max(0.0)
    }

    pub(super) fn is_alive(&self, host: &HostRecord) -> bool {
        self.age(host) < SILENT
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = &HostRecord> {
        self.records.iter().filter(|host| self.is_alive(host))
    }

    /// Whether another host than this one has to do with a transform and does not wait itself
    /// until it knows what is wanted.
    pub(super) fn others_know(&self, own: &str, transform: &str) -> bool {
        let mut others = self.alive().filter(|host| host.host != own);
        others.any(|host| {
            let transform = host.transforms.get(transform);
            transform.is_some_and(|transform| transform.state != TransformState::Held)
        })
    }

    /// What each says of a transform.
    pub(super) fn reports(&self, name: &str) -> Vec<Report> {
        let said = self.records.iter().filter_map(|host| {
            let transform = host.transforms.get(name)?;
            Some(Report {
                host: host.host.clone(),
                at: transform.choice,
                state: match transform.progress {
                    Progress::Waiting | Progress::Probation => CanaryState::Waiting,
                    Progress::Passed => CanaryState::Passed,
                    Progress::Refused(_) => CanaryState::Failed,
                },
                alive: self.is_alive(host),
            })
        });
        said.collect()
    }

    /// Those that nobody waits for any more.
    pub(super) fn gone(&self) -> Vec<&str> {
        let gone = self.records.iter().filter(|host| self.age(host) > GONE);
        gone.map(|host| host.host.as_str()).collect()
    }
}

/// # Errors
/// Redis does not answer.
pub(super) async fn hosts(fleet: &Fleet) -> Result<Hosts, Unreachable> {
    let mut look = redis::pipe();
    fleet.member.ask_the_clock(&mut look);
    look.cmd("HGETALL").arg(fleet.member.names().hosts());
    let (clock, records): ((u64, u64), BTreeMap<String, String>) = fleet.link().ask(&look).await?;
    Ok(Hosts::of(fleet.member.reach(clock.0), &records))
}

#[cfg(test)]
mod tests;
