//! How a decision is taken. What stops something holds at once, and is made lasting and known
//! afterwards; what starts something is lasting and known before it is followed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::change::{Changed, Deployments, change_deployment, come_to_wanted, kept_set};
use super::deployment::{Deployment, Ready};
use super::fleet::decide_with_all;
use super::keeper::write_set;
use super::{Refused, Registry};
use crate::state::{KeptSet, KeptTransform};
use crate::transform::Instance;
use crate::wanted::desired::{DecisionId, Desired, Stamp};
use crate::wanted::intent::Intent;
use crate::wanted::request::{Refusal, Request};

/// How long a stop waits for the disk before it answers that it is not there yet.
const STOP_PATIENCE: Duration = Duration::from_millis(500);

/// How often a start is decided anew because something was stopped meanwhile.
const TRIES: usize = 3;

/// A revision that a start is about, made ready.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) ready: Ready,
    pub(super) instances: Vec<Instance>,
}

/// Notes a stop and follows it, whatever disk, Redis and others do.
///
/// # Errors
/// There is no such transform, or nothing to stop.
pub(super) fn decide_stop(
    registry: &Arc<Registry>,
    name: &str,
    request: Request,
    by: &str,
) -> Result<Changed, Refused> {
    let (stamp, in_fleet) = (stamp(by), registry.fleet.is_some());
    let (stopped, changed) = change_deployment(registry, name, |deployment| {
        let intent = &mut deployment.intent;
        let stopped = match in_fleet {
            true => intent.stop(request, &stamp),
            false => intent.ask(&request, &stamp),
        };
        stopped.map_err(|refusal| refused(name, &intent.wanted(), &refusal))
    })?;
    stopped?;
    if let Some(fleet) = &registry.fleet {
        fleet.look_soon();
    }
    Ok(changed)
}

/// Decides on a start, makes that lasting, and follows it. `holds` says whether it still may
/// be, by what is there when it is decided.
///
/// # Errors
/// Why it is not granted or cannot be made lasting; nothing changes.
pub(super) async fn decide_start(
    registry: &Arc<Registry>,
    name: &str,
    request: &Request,
    by: &str,
    mut prepared: Option<Prepared>,
    holds: impl Fn(&Deployments) -> Result<(), Refused>,
) -> Result<Changed, Refused> {
    let stamp = stamp(by);
    for _ in 0..TRIES {
        let detached = registry.with(name, |deployment| deployment.intent.detached.is_some());
        let changed = match &registry.fleet {
            Some(fleet) if !detached.unwrap_or(false) => {
                let record = prepared.as_ref().map(|prepared| &*prepared.ready.revision);
                let decided =
                    decide_with_all(registry, fleet, name, request, &stamp, record, &holds);
                let (shared, stops) = decided.await?;
                let heard = |intent: &mut Intent| intent.shared(shared.clone(), &stops);
                write_ahead(registry, name, heard).await;
                follow(registry, name, &mut prepared, |deployment| {
                    heard(&mut deployment.intent);
                    deployment.begun = Some(deployment.intent.wanted().choice.id);
                    true
                })
            }
            _ => {
                // Until what is decided is followed, nothing else goes to the disk.
                let _writing = registry.keeper.writing.lock().await;
                let Decision { before, next } =
                    decide_alone(registry, name, request, &stamp, &holds).await?;
                follow(registry, name, &mut prepared, |deployment| {
                    let is_same = deployment.intent == before;
                    if is_same {
                        deployment.intent = next;
                    }
                    is_same
                })
            }
        };
        if let Some(changed) = changed {
            return Ok(changed);
        }
    }
    Err(Refused::Busy(format!("{name} is being changed")))
}

/// Writes down what is decided before anybody follows it. To be called with `keeper.writing` held.
async fn decide_alone(
    registry: &Registry,
    name: &str,
    request: &Request,
    stamp: &Stamp,
    holds: &impl Fn(&Deployments) -> Result<(), Refused>,
) -> Result<Decision, Refused> {
    let (decision, set, change) = {
        let deployments = registry.deployments.lock();
        holds(&deployments)?;
        let decision = decide(&deployments, name, request, stamp)?;
        let set = set_with(&deployments, name, decision.next.clone());
        (decision, set, registry.keeper.number())
    };
    if let Err(refused) = write_set(registry, set, change).await {
        // It may have got to the disk all the same.
        registry.keeper.note_change();
        return Err(refused);
    }
    Ok(decision)
}

/// Writes down what was decided with all others before this host follows it, if a probation
/// begins with that. Where the disk does not take it, that is said, and followed all the same:
/// the others do.
async fn write_ahead(registry: &Registry, name: &str, hear: impl Fn(&mut Intent)) {
    let begun = |deployments: &Deployments| {
        let known = deployments.get(name);
        let mut intent = known.map_or_else(nothing_yet, |known| known.intent.clone());
        hear(&mut intent);
        let runs = known.and_then(|known| known.running.as_ref());
        let runs = runs.map(|running| &running.revision.id);
        let begins = intent.begins(registry.host(), runs)?;
        intent.begin(begins);
        Some(intent)
    };
    if begun(&registry.deployments.lock()).is_none() {
        return;
    }
    let _writing = registry.keeper.writing.lock().await;
    let (set, change) = {
        let deployments = registry.deployments.lock();
        let Some(intent) = begun(&deployments) else {
            return;
        };
        let set = set_with(&deployments, name, intent);
        (set, registry.keeper.number())
    };
    // What went wrong is in the log, and the keeper tries again.
    let _written = write_set(registry, set, change).await;
}

/// Turns to what was decided, unless `take` finds that something else was meanwhile.
fn follow(
    registry: &Arc<Registry>,
    name: &str,
    prepared: &mut Option<Prepared>,
    take: impl FnOnce(&mut Deployment) -> bool,
) -> Option<Changed> {
    let mut deployments = registry.deployments.lock();
    let deployment = deployments.entry(name.to_owned()).or_insert_with(|| {
        let intent = nothing_yet();
        let in_fleet = registry.fleet.is_some();
        Deployment::new(KeptTransform { intent, lanes: 1 }, None, in_fleet)
    });
    let before = deployment.intent.clone();
    if !take(deployment) {
        registry.keeper.note_change();
        return None;
    }
    // Whoever decides knows what is wanted.
    deployment.unlooked = false;
    if let Some(Prepared { ready, instances }) = prepared.take() {
        deployment.warm = Some((ready.id().clone(), instances));
        deployment.add_ready(ready);
    }
    Some(come_to_wanted(registry, name, deployments, &before))
}

/// What a change of a transform has not come to yet, for whoever asked for it.
pub(super) async fn not_yet(registry: &Registry, name: &str, change: Option<u64>) -> Vec<String> {
    let mut not_yet = Vec::new();
    if registry.loader.store.is_none() {
        not_yet.push("written down: this host has no state folder".to_owned());
    } else if let Some(change) = change
        && let Err(why) = registry.keeper.wait(change, STOP_PATIENCE).await
    {
        not_yet.push(format!("written down: {why}"));
    }
    let pending = registry.with(name, |deployment| !deployment.intent.pending.is_empty());
    if registry.fleet.is_some() && pending.unwrap_or(false) {
        not_yet.push("known to the fleet".to_owned());
    }
    not_yet
}

/// What the disk is to have of all transforms once this one is intended so.
fn set_with(deployments: &Deployments, name: &str, intent: Intent) -> KeptSet {
    let mut set = kept_set(deployments);
    let known = deployments.get(name);
    let lanes = known.map_or(1, |deployment| deployment.lanes);
    let kept = KeptTransform { intent, lanes };
    set.transforms.insert(name.to_owned(), kept);
    set
}

/// What was intended, and what is from now on.
#[derive(Debug)]
struct Decision {
    before: Intent,
    next: Intent,
}

/// What comes of a request on a host that decides for itself.
fn decide(
    deployments: &Deployments,
    name: &str,
    request: &Request,
    stamp: &Stamp,
) -> Result<Decision, Refused> {
    let known = deployments
        .get(name)
        .map(|deployment| deployment.intent.clone());
    let before = known.unwrap_or_else(nothing_yet);
    let mut next = before.clone();
    let asked = next.ask(request, stamp);
    asked.map_err(|refusal| refused(name, &before.wanted(), &refusal))?;
    Ok(Decision { before, next })
}

/// What is intended of a transform that nobody has named so far.
pub(super) fn nothing_yet() -> Intent {
    Intent::new(Desired::nothing())
}

/// Another for each decision.
pub(super) fn stamp(by: &str) -> Stamp {
    // Without randomness the time is telling enough.
    let by_time = || Timestamp::now().as_nanosecond() as u64;
    let id: DecisionId = getrandom::u64().unwrap_or_else(|_| by_time());
    Stamp {
        id: id.clamp(1, DecisionId::MAX - 1),
        by: by.to_owned(),
        at: Timestamp::now(),
    }
}

/// What is wanted of a transform, for somebody who knows of something else.
pub(super) fn at(name: &str, wanted: &Desired) -> String {
    let choice = &wanted.choice;
    match &choice.revision {
        Some(id) => format!("{name} is at {id} since {}, by {}", choice.since, choice.by),
        None => format!("{name} was removed"),
    }
}

/// Why a request is not granted, for whoever made it.
pub(super) fn refused(name: &str, wanted: &Desired, refusal: &Refusal) -> Refused {
    let needed = |what: &str| vec![format!("{name} {what}")];
    match refusal {
        Refusal::AlreadyChosen => Refused::AlreadyChosen(name.to_owned()),
        Refusal::Needs(needs) if needs.breaking => {
            Refused::NeedsAllowBreaking(needed("would lose what clients rely on"))
        }
        Refusal::Needs(needs) if needs.wider => {
            Refused::NeedsAllowWider(needed("would publish, or read, more"))
        }
        Refusal::Needs(_) => Refused::NeedsAllowFailing(needed("may fail or fall silent")),
        Refusal::Withdrawn => Refused::Withdrawn(name.to_owned()),
        Refusal::Standing => Refused::Standing(name.to_owned()),
        Refusal::NothingToReturnTo => Refused::NoPrevious(name.to_owned()),
        Refusal::FirstWithoutProbation => Refused::CanaryWithoutProbation,
        Refusal::FirstOverProbation => Refused::CanaryOverProbation(name.to_owned()),
        Refusal::Stale => Refused::Conflict(at(name, wanted)),
    }
}
