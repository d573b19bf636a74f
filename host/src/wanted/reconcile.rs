//! What a host does next to come from what runs to what is wanted. The stops come first, and
//! depend on nothing.

use std::collections::BTreeSet;

use super::desired::Desired;
use super::faults::{PlantedFault, is_planted};
use super::intent::Intent;
use crate::transform::RevisionId;

/// What is known of this process, and of what it holds ready.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    pub running: Option<RevisionId>,
    /// The lanes let nothing through.
    pub held: bool,
    /// Revisions that could take over at once.
    pub ready: BTreeSet<RevisionId>,
    /// Revisions that could not be made ready; that is tried again.
    pub failing: BTreeSet<RevisionId>,
    /// It is of a fleet, and does not know yet what that wants.
    pub unlooked: bool,
}

/// One step, to be taken in the order in which it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The lanes let nothing through, or something again.
    Hold(bool),
    /// The lanes turn to another revision, with a proven one behind it.
    Switch {
        to: RevisionId,
        behind: Option<Backing>,
    },
    /// The lanes end: the transform was removed.
    End,
    /// A revision is loaded, beside the lanes.
    Prepare(RevisionId),
    /// What runs is not what is wanted: operators are told, and `failing` is tried again.
    Fallback { failing: RevisionId },
}

/// A revision that is asked about the same events while another is on probation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    pub revision: RevisionId,
    /// What it says goes out where the other one fails. Otherwise it shows more than was chosen,
    /// and both are compared only.
    pub answers: bool,
}

/// What this host, of this name, does next.
pub fn reconcile(intent: &Intent, process: &Process, host: &str) -> Vec<Action> {
    let wanted = intent.wanted();
    let target = wanted.target(host);
    let next = runs_next(&wanted, process, target);
    let hold = must_hold(&wanted, process, next.as_ref()) || intent.paused_unread;
    let mut actions = Vec::new();
    // To stop first is to stop, whatever else has to be done.
    if hold && !process.held {
        actions.push(Action::Hold(true));
    }
    if wanted.choice.revision.is_none() && process.running.is_some() {
        actions.push(Action::End);
    }
    if let Some(to) = &next
        && process.running.as_ref() != Some(to)
    {
        actions.push(Action::Switch {
            to: to.clone(),
            behind: behind(&wanted, process, to),
        });
    }
    if !hold && process.held {
        actions.push(Action::Hold(false));
    }
    if let Some(target) = target
        && next.as_ref() != Some(target)
        && process.failing.contains(target)
    {
        actions.push(Action::Fallback {
            failing: target.clone(),
        });
    }
    let missing = needed(&wanted, host).filter(|revision| !process.ready.contains(*revision));
    actions.extend(missing.cloned().map(Action::Prepare));
    actions
}

/// What shall stand ready here, each once: what is wanted, and the ways back.
pub fn needed<'a>(wanted: &'a Desired, host: &str) -> impl Iterator<Item = &'a RevisionId> {
    let target = wanted.target(host);
    let ways_back = [wanted.return_by_itself(), wanted.previous()];
    let ways_back = ways_back.into_iter().flatten();
    let ways_back: BTreeSet<&RevisionId> = ways_back
        .filter(move |safe| Some(*safe) != target)
        .collect();
    target.into_iter().chain(ways_back)
}

/// What stands behind a revision that may be on probation.
fn behind(wanted: &Desired, process: &Process, to: &RevisionId) -> Option<Backing> {
    let answers = |revision: &RevisionId| {
        wanted.choice.admits(revision) || is_planted(PlantedFault::BehindIsWider)
    };
    let is_ready = |safe: &&RevisionId| *safe != to && process.ready.contains(*safe);
    let ready: Vec<&RevisionId> = wanted.safe().filter(is_ready).collect();
    let admitted = ready.iter().find(|revision| answers(revision));
    admitted.or(ready.first()).map(|revision| Backing {
        revision: (*revision).clone(),
        answers: answers(revision),
    })
}

/// What runs by the end of this step; none where nothing may.
fn runs_next(
    wanted: &Desired,
    process: &Process,
    target: Option<&RevisionId>,
) -> Option<RevisionId> {
    let target = target?;
    if process.ready.contains(target) {
        return Some(target.clone());
    }
    let is_failing = process.failing.contains(target);
    // What others go on with has nothing in its place.
    let is_chosen = wanted.choice.revision.as_ref() == Some(target);
    let admits = |revision: &RevisionId| is_chosen && wanted.choice.admits(revision);
    // What runs goes on until the target is ready, or is known to be in trouble.
    let runs_on = |running: &&RevisionId| {
        let may = !is_failing || admits(running) || is_planted(PlantedFault::RunsOnThoughWider);
        may && !wanted.is_withdrawn(running)
    };
    if let Some(running) = process.running.as_ref().filter(runs_on) {
        return Some(running.clone());
    }
    let may_stand_in = |safe: &&RevisionId| {
        let may = admits(safe) || is_planted(PlantedFault::FallbackIsWider);
        process.ready.contains(*safe) && may
    };
    let mut safe = wanted.safe().filter(|_| is_failing);
    safe.find(may_stand_in).cloned()
}

fn must_hold(wanted: &Desired, process: &Process, next: Option<&RevisionId>) -> bool {
    let waits_for_target = is_planted(PlantedFault::PauseWaitsForTarget)
        && wanted.choice.revision.as_ref() != process.running.as_ref();
    let unlooked = process.unlooked && !is_planted(PlantedFault::PublishesBeforeLook);
    wanted.paused.yes && !waits_for_target || unlooked || next.is_none()
}
