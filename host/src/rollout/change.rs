//! How a deployment comes from what runs to what is wanted: in memory, under the lock of the
//! deployments, with whatever stands ready. What takes time is left for afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use tokio::task::JoinHandle;

use super::claims::blocked_switch;
use super::deployment::{Deployment, Ready, Running};
use super::prepare::{note_fallback, prepare_revision};
use super::switch::{end_lanes, hold_lanes, switch_lanes};
use super::{Refused, Registry, shown};
use crate::pipeline::Following;
use crate::state::KeptSet;
use crate::tasks::blocking;
use crate::transform::{Instance, RevisionId};
use crate::wanted::intent::Intent;
use crate::wanted::reconcile::{Action, needed, reconcile};

/// How long the lanes may take until nobody waits for them any more. They follow when they have
/// worked off what waits.
const LANE_PATIENCE: Duration = Duration::from_secs(5);

/// How many removed transforms are remembered, with what was withdrawn of them.
const MAX_REMOVED: usize = 256;

/// By the transform's name.
pub(super) type Deployments = BTreeMap<String, Deployment>;

/// What the disk is to have of all of them.
pub(super) fn kept_set(deployments: &Deployments) -> KeptSet {
    let kept = deployments
        .iter()
        .map(|(name, deployment)| (name.clone(), deployment.kept()));
    KeptSet {
        transforms: kept.collect(),
    }
}

/// A change that was followed, as far as that takes no time.
#[derive(Debug)]
pub(super) struct Changed {
    /// Its number for the keeper; none where there is nothing to write down.
    pub(super) number: Option<u64>,
    pub(super) since: Instant,
    /// None where the lanes had nothing to do.
    lanes: Option<JoinHandle<()>>,
}

impl Changed {
    /// Waits until the lanes have followed, or for long enough, and says how long that took.
    pub(super) async fn followed(self) -> (Option<u64>, Duration) {
        if let Some(lanes) = self.lanes {
            // It ends by itself; a panic in it was logged where it happened.
            let _ = lanes.await;
        }
        (self.number, self.since.elapsed())
    }
}

/// What is left to do when the lock is released.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    pub(super) following: Vec<Following>,
    prepare: Vec<RevisionId>,
    /// Taken down where it costs nobody time.
    gone: Vec<Ready>,
    pub(super) ran: Option<Running>,
    cold: Vec<Instance>,
    falls_back: Option<(RevisionId, String)>,
}

impl Aftermath {
    fn is_empty(&self) -> bool {
        let lanes = self.following.is_empty() && self.ran.is_none() && self.cold.is_empty();
        lanes && self.gone.is_empty() && self.falls_back.is_none()
    }
}

/// Changes a deployment, and does at once what follows from that.
///
/// # Errors
/// There is no such transform.
pub(super) fn change_deployment<T>(
    registry: &Arc<Registry>,
    name: &str,
    change: impl FnOnce(&mut Deployment) -> T,
) -> Result<(T, Changed), Refused> {
    let mut deployments = registry.deployments.lock();
    let deployment = deployments.get_mut(name);
    let deployment = deployment.ok_or_else(|| Refused::NoSuchTransform(shown(name)))?;
    let before = deployment.intent.clone();
    let outcome = change(deployment);
    let changed = come_to_wanted(registry, name, deployments, &before);
    Ok((outcome, changed))
}

/// Does what is to be done for one transform; `before` is what was intended so far.
pub(super) fn come_to_wanted(
    registry: &Arc<Registry>,
    name: &str,
    mut deployments: MutexGuard<'_, Deployments>,
    before: &Intent,
) -> Changed {
    let since = Instant::now();
    let mut left = Aftermath::default();
    let mut publish = false;
    // This is the one door through which a revision comes to run.
    while let Some((revision, why)) = blocked_switch(registry, &deployments, name) {
        tracing::error!(transform = name, %revision, why, "a revision may not run");
        if let Some(deployment) = deployments.get_mut(name) {
            deployment.note_failing(revision, why);
        }
    }
    if let Some(deployment) = deployments.get_mut(name) {
        publish = act(registry, name, deployment, &mut left);
    }
    if publish {
        forget_oldest_removed(&mut deployments);
        publish_catalog(registry, &deployments);
    }
    let now = deployments.get(name).map(|deployment| &deployment.intent);
    let number = (now != Some(before)).then(|| registry.keeper.note_change());
    drop(deployments);
    Changed {
        number,
        since,
        lanes: do_the_rest(registry, name, left),
    }
}

/// True where other channels are there afterwards.
fn act(
    registry: &Arc<Registry>,
    name: &str,
    deployment: &mut Deployment,
    left: &mut Aftermath,
) -> bool {
    let process = deployment.process(registry.host());
    let actions = reconcile(&deployment.intent, &process, registry.host());
    let mut publish = false;
    for action in actions {
        match action {
            Action::Hold(held) => hold_lanes(registry, name, deployment, held, left),
            Action::Switch { to, behind } => {
                switch_lanes(registry, name, deployment, &to, behind.as_ref(), left);
                publish = true;
            }
            Action::End => {
                end_lanes(registry, name, deployment, left);
                publish = true;
            }
            Action::Prepare(revision) => {
                if deployment.preparing.insert(revision.clone()) {
                    left.prepare.push(revision);
                }
            }
            Action::Fallback { failing } => {
                if deployment.fallback.as_ref() != Some(&failing) {
                    let why = deployment
                        .failing
                        .get(&failing)
                        .map(|failing| failing.why.clone());
                    left.falls_back = Some((failing.clone(), why.unwrap_or_default()));
                    deployment.fallback = Some(failing);
                }
            }
        }
    }
    // They were for this switch, if it came to one.
    let cold = deployment.warm.take().into_iter();
    left.cold.extend(cold.flat_map(|(_, instances)| instances));
    put_away(registry, name, deployment, left);
    publish
}

/// Lets go of what is not needed any more.
fn put_away(registry: &Registry, name: &str, deployment: &mut Deployment, left: &mut Aftermath) {
    let wanted = deployment.intent.wanted();
    let needed: Vec<&RevisionId> = needed(&wanted, registry.host()).collect();
    let running = deployment
        .running
        .as_ref()
        .map(|running| running.revision.id.clone());
    let stays = |id: &RevisionId| needed.contains(&id) || running.as_ref() == Some(id);
    let (ready, gone) = std::mem::take(&mut deployment.ready)
        .into_iter()
        .partition(|ready| stays(ready.id()));
    deployment.ready = ready;
    deployment.failing.retain(|id, _| stays(id));
    if wanted.target(registry.host()) == running.as_ref() {
        deployment.fallback = None;
    }
    let metrics = registry.metrics.transform(name);
    metrics.fallback.set(deployment.fallback.is_some().into());
    let lets_nothing_through = deployment.held && running.is_some();
    metrics.paused.set(lets_nothing_through.into());
    for ready in &gone {
        registry
            .metrics
            .forget_revision(name, Ready::id(ready).short());
    }
    left.gone.extend(gone);
}

/// What takes time, after the lock is released.
fn do_the_rest(registry: &Arc<Registry>, name: &str, left: Aftermath) -> Option<JoinHandle<()>> {
    for revision in &left.prepare {
        prepare_revision(registry, name, revision);
    }
    if left.is_empty() {
        return None;
    }
    let tasks = &registry.tasks;
    let (registry, name) = (registry.clone(), name.to_owned());
    let follow = tasks.brief("lanes_follow", async move {
        let Aftermath {
            following,
            gone,
            ran,
            cold,
            falls_back,
            ..
        } = left;
        let follows = futures_util::future::join_all(following.into_iter().map(Following::done));
        match tokio::time::timeout(LANE_PATIENCE, follows).await {
            // Taking instances down costs time that nobody needs to wait for.
            Ok(instances) => drop(registry.tasks.brief(
                "taking_down",
                blocking(move || drop((instances, gone, ran, cold))),
            )),
            Err(_) => tracing::warn!(transform = name, "a lane has not followed yet"),
        }
        tell_clients(&registry, &name);
        if let Some((failing, why)) = falls_back {
            note_fallback(&registry, &name, failing, why).await;
        }
    });
    Some(follow)
}

/// Once the lanes let nothing through, clients are told.
fn tell_clients(registry: &Registry, name: &str) {
    let deployments = registry.deployments.lock();
    let deployment = deployments.get(name).filter(|deployment| deployment.held);
    let running = deployment.and_then(|deployment| deployment.running.as_ref());
    for family in running.iter().flat_map(|running| running.live.families()) {
        registry.hub.set_paused(family, true);
    }
}

/// Lets clients see the channels of what runs now.
fn publish_catalog(registry: &Registry, deployments: &Deployments) {
    let running = deployments
        .values()
        .filter_map(|deployment| deployment.running.as_ref());
    registry
        .catalog
        .replace(running.map(|running| running.component().descriptor.clone()));
}

/// Keeps what is known of removed transforms within its bound.
fn forget_oldest_removed(deployments: &mut Deployments) {
    let is_removed = |deployment: &Deployment| {
        deployment.running.is_none() && deployment.intent.wanted().choice.revision.is_none()
    };
    let mut removed: Vec<_> = deployments
        .iter()
        .filter(|(_, deployment)| is_removed(deployment))
        .map(|(name, deployment)| (deployment.intent.wanted().choice.since, name.clone()))
        .collect();
    removed.sort();
    let beyond = removed.len().saturating_sub(MAX_REMOVED);
    for (_, name) in removed.into_iter().take(beyond) {
        deployments.remove(&name);
    }
}
