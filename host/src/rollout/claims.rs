//! Whose each family and each type of message is on this host. What runs, and what answers behind
//! it, keeps them from all others, by whatever door a revision comes to run: an apply, a
//! rollback, a return, a fallback, a start, the fleet. Requests are held against what is wanted, too.

use super::change::Deployments;
use super::deployment::Deployment;
use super::{Refused, Registry};
use crate::revision::claims::{Claim, Claims};
use crate::transform::{Component, RevisionId};
use crate::wanted::reconcile::{Action, reconcile};

/// # Errors
/// The component claims what is another transform's.
pub(super) fn refuse_conflicts(registry: &Registry, component: &Component) -> Result<(), Refused> {
    refuse_conflicts_in(registry, &registry.deployments.lock(), component)
}

/// As `refuse_conflicts`, by what is there now.
pub(super) fn refuse_conflicts_in(
    registry: &Registry,
    deployments: &Deployments,
    component: &Component,
) -> Result<(), Refused> {
    let descriptor = &*component.descriptor;
    refuse_claims(registry, deployments, &descriptor.name, &descriptor.into())
}

/// # Errors
/// What a transform would claim is another's: that runs with it, or shall and does not yet.
pub(super) fn refuse_claims(
    registry: &Registry,
    deployments: &Deployments,
    name: &str,
    claims: &Claims,
) -> Result<(), Refused> {
    let held = deployments.get(name).map(held_by).unwrap_or_default();
    // What it has already is not kept from it by somebody who waits for that.
    let new = claims.without(&held);
    let others = deployments.iter().filter(|(owner, _)| *owner != name);
    let faults: Vec<String> = others
        .filter_map(|(owner, deployment)| {
            let (theirs, next) = (held_by(deployment), wanted_by(registry, owner, deployment));
            let taken = claims.shared_with(&theirs);
            let taken = taken.or_else(|| new.shared_with(&next))?;
            Some(belongs(taken, owner))
        })
        .collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Refused::check(name, faults)),
    }
}

/// The revision that a transform would turn to next and that may not run, and why.
pub(super) fn blocked_switch(
    registry: &Registry,
    deployments: &Deployments,
    name: &str,
) -> Option<(RevisionId, String)> {
    let (deployment, host) = (deployments.get(name)?, registry.host());
    let actions = reconcile(&deployment.intent, &deployment.process(host), host);
    let next = actions.iter().find_map(|action| match action {
        Action::Switch { to, behind } => Some((to, behind)),
        _ => None,
    });
    let (to, behind) = next?;
    let answers = behind.iter().filter(|behind| behind.answers);
    let mut next = [to]
        .into_iter()
        .chain(answers.map(|behind| &behind.revision));
    next.find_map(|id| {
        let claims = Claims::from(&*deployment.ready(id)?.component.descriptor);
        let why = why_taken(registry, deployments, name, id, &claims)?;
        Some((id.clone(), why))
    })
}

/// Why a revision of a transform may not run; none where it may. What only stands in for what
/// is wanted takes nothing that is wanted elsewhere either.
pub(super) fn why_taken(
    registry: &Registry,
    deployments: &Deployments,
    name: &str,
    id: &RevisionId,
    claims: &Claims,
) -> Option<String> {
    let wanted = deployments.get(name)?.intent.wanted();
    if wanted.target(registry.host()) != Some(id) {
        let refused = refuse_claims(registry, deployments, name, claims);
        return refused.err().map(|refused| refused.faults().join("; "));
    }
    let mut others = deployments.iter().filter(|(owner, _)| *owner != name);
    others.find_map(|(owner, deployment)| {
        let theirs = held_by(deployment);
        Some(belongs(claims.shared_with(&theirs)?, owner))
    })
}

/// What is wanted of a transform claims, as far as it is known.
fn wanted_by(registry: &Registry, name: &str, deployment: &Deployment) -> Claims {
    let wanted = deployment.intent.wanted();
    let choice = &wanted.choice;
    let mut claims = Claims::default();
    for id in choice.revision.iter().chain(&choice.meanwhile) {
        let ready = || deployment.ready(id).map(|ready| ready.revision.clone());
        let record = ready().or_else(|| registry.recorded(name, id));
        if let Some(record) = record.filter(|_| !wanted.is_withdrawn(id)) {
            claims.add(Claims::from(&record.surface));
        }
    }
    claims
}

/// What is kept from all other transforms while this one runs.
fn held_by(deployment: &Deployment) -> Claims {
    let Some(running) = &deployment.running else {
        return Claims::default();
    };
    let mut claims = Claims::from(&*running.component().descriptor);
    if let Some(behind) = &running.behind {
        claims.add(Claims::from(&*behind.component.descriptor));
    }
    claims
}

fn belongs(claim: &Claim, owner: &str) -> String {
    let Claim { kind, name } = claim;
    format!("the {kind} \"{name}\" belongs to the transform {owner}")
}
