//! Whether what the first hosts run is opened to all: only by what every one of them said.

use super::desired::{Desired, Failed, Generation};
use super::faults::{PlantedFault, is_planted};
use super::request::Request;
use crate::transform::RevisionId;

/// How many of a fleet's hosts go first: `percent` of them, and one at least. Never more than
/// were asked for.
pub fn count(hosts: usize, percent: u8) -> usize {
    (hosts * usize::from(percent) / 100).max(1)
}

/// What a host last said of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub host: String,
    /// Of the choice that it speaks of.
    pub at: Generation,
    pub state: CanaryState,
    /// It has said something lately.
    pub alive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryState {
    /// It has not come to it, or its probation is not over.
    Waiting,
    Passed,
    Failed,
}

/// What is to be asked for by what the first hosts say; none: it is not known yet. `overdue`
/// is whether they had all the time that they may take.
pub fn judge(desired: &Desired, reports: &[Report], overdue: bool) -> Option<Request> {
    let revision: &RevisionId = desired.choice.revision.as_ref()?;
    if desired.choice.first.is_empty() || desired.is_withdrawn(revision) {
        return None;
    }
    let states: Vec<CanaryState> = desired
        .choice
        .first
        .iter()
        .map(|host| {
            let mut reports = reports.iter();
            let said =
                reports.find(|report| report.host == *host && report.at == desired.choice.at);
            match said {
                Some(report) if report.state != CanaryState::Waiting => report.state,
                Some(report) if !report.alive && is_planted(PlantedFault::DeadCanaryIsSuccess) => {
                    CanaryState::Passed
                }
                None if is_planted(PlantedFault::DeadCanaryIsSuccess) => CanaryState::Passed,
                _ => CanaryState::Waiting,
            }
        })
        .collect();
    if states.contains(&CanaryState::Failed) {
        let why = "one of the first hosts could not run it";
        return Some(Request::Fail(Failed::new(revision, why)));
    }
    if states.iter().all(|state| *state == CanaryState::Passed) {
        return Some(Request::Open(revision.clone()));
    }
    // Silence is not success.
    let why = "not all of the first hosts have said in time that it does well";
    overdue.then(|| Request::Fail(Failed::new(revision, why)))
}
