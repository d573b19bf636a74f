//! The way back to a revision that was good before. What is left is withdrawn by it, and runs
//! again only when somebody names it.

use std::sync::Arc;
use std::time::Duration;

use super::apply::in_words;
use super::claims::{refuse_claims, refuse_conflicts};
use super::decide::{Prepared, at, decide_start, decide_stop, not_yet, refused};
use super::deployment::Ready;
use super::fleet::hear_desired_now;
use super::prepare::load_kept;
use super::report::Applied;
use super::{Caller, MIN_PREFIX, Record, Refused, Registry, RollbackRequest, shown};
use crate::revision::Revision;
use crate::revision::claims::Claims;
use crate::revision::needs::{measures, needs_from, shows_more};
use crate::transform::RevisionId;
use crate::wanted::desired::{Desired, Needs};
use crate::wanted::request::{Request, Rollback};

/// How long an answer waits for a revision that does not stand ready.
const LOAD_PATIENCE: Duration = Duration::from_secs(10);

/// Leaves what is wanted now for the last revision that was good, or for a named one. What
/// only takes something away holds at once, whatever disk and Redis do.
///
/// # Errors
/// There is nothing to return to, a consent is missing, or something else is wanted than the
/// one who asks saw: of two who return at once, the second would bring back what the first
/// has left.
pub async fn rollback(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    request: RollbackRequest,
) -> Result<Applied, Refused> {
    let mut outcome = roll_back(registry, by, name, &request).await;
    if let (Some(fleet), Err(Refused::NoPrevious(_))) = (&registry.fleet, &outcome) {
        // The fleet may have gone on, and this host not have heard of it.
        outcome = match hear_desired_now(registry, fleet, name).await {
            Ok(()) => roll_back(registry, by, name, &request).await,
            Err(refused) => Err(refused),
        };
    }
    let record = Record {
        by,
        action: "rollback",
        transform: Some(shown(name)),
        revision: outcome.as_ref().ok().map(|applied| applied.to.clone()),
        plan: None,
        detail: outcome.as_ref().map_or_else(|_| String::new(), in_words),
    };
    registry
        .record_stop(record, outcome, |applied| &mut applied.not_yet)
        .await
}

async fn roll_back(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    request: &RollbackRequest,
) -> Result<Applied, Refused> {
    let wanted = registry.with(name, |deployment| deployment.intent.wanted())?;
    let from = wanted.choice.revision.clone();
    let from = from.ok_or_else(|| Refused::NoPrevious(name.to_owned()))?;
    if let Some(seen) = &request.from {
        is_still(&wanted, name, seen)?;
    }
    let to = match &request.to {
        Some(beginning) => Some(was_good(registry, name, &wanted, beginning)?),
        None => None,
    };
    let goes_to = to.or_else(|| wanted.rolls_back_to());
    let goes_to = goes_to.ok_or_else(|| Refused::NoPrevious(name.to_owned()))?;
    let next = registry.record_of(name, &goes_to);
    if let Some(next) = &next {
        let claims = Claims::from(&next.surface);
        refuse_claims(registry, &registry.deployments.lock(), name, &claims)?;
    }
    let needs = needs_of_return(registry, name, &wanted, &goes_to, next.as_deref());
    let covers = next
        .as_ref()
        .map_or_else(Vec::new, |next| registry.covers(&wanted, next));
    let given = Needs {
        wider: request.allow_wider,
        breaking: request.allow_breaking,
        ..Needs::default()
    };
    let request = Request::Rollback(Rollback {
        from: from.clone(),
        to: goes_to.clone(),
        needs,
        consent: given,
        covers,
    });
    if let Err(missing) = wanted.after(&request) {
        return Err(refused(name, &wanted, &missing));
    }
    let changed = if request.is_stop(&wanted) {
        decide_stop(registry, name, request, by.name)?
    } else {
        registry.trail.ready().await?;
        let ready = load_for_return(registry, name, &goes_to).await?;
        let prepared = Some(Prepared {
            ready,
            instances: Vec::new(),
        });
        decide_start(registry, name, &request, by.name, prepared, |_| Ok(())).await?
    };
    let (number, took) = changed.followed().await;
    let runs = runs_soon(registry, name, &goes_to).await;
    let mut not_yet = not_yet(registry, name, number).await;
    if !runs {
        not_yet.push(format!(
            "running: {goes_to} is being made ready, nothing goes out"
        ));
    }
    let paused = registry.with(name, |deployment| deployment.intent.wanted().paused.yes)?;
    Ok(Applied {
        transform: name.to_owned(),
        from: Some(from),
        to: goes_to,
        probation_seconds: None,
        switch_micros: runs.then(|| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        paused,
        not_yet,
    })
}

/// What a return needs that somebody agrees to.
fn needs_of_return(
    registry: &Registry,
    name: &str,
    wanted: &Desired,
    to: &RevisionId,
    next: Option<&Revision>,
) -> Needs {
    let measures = measures(wanted, registry.runs(name).as_ref());
    let record = |id: &RevisionId| registry.record_of(name, id);
    if wanted.is_withdrawn(to) {
        return needs_from(&measures, next, record);
    }
    let mut before = measures.iter().filter(|from| from.as_ref() != Some(to));
    let wider = before.any(|from| {
        let from = from.as_ref().and_then(record);
        shows_more(from.as_deref(), next)
    });
    Needs {
        wider,
        ..Needs::default()
    }
}

/// A revision that ran here and was good, or was taken back.
fn was_good(
    registry: &Registry,
    name: &str,
    wanted: &Desired,
    beginning: &str,
) -> Result<RevisionId, Refused> {
    let revision = registry.known_revision(beginning)?.revision;
    if wanted.choice.revision.as_ref() == Some(&revision.id) {
        return Err(Refused::AlreadyActive(revision.id));
    }
    let ran = wanted.proven.contains(&revision.id) || wanted.withdrawn.contains_key(&revision.id);
    if revision.transform != name || !ran {
        return Err(Refused::NeverActive {
            transform: name.to_owned(),
            revision: revision.id,
        });
    }
    Ok(revision.id)
}

async fn load_for_return(
    registry: &Registry,
    name: &str,
    id: &RevisionId,
) -> Result<Ready, Refused> {
    let ready = registry.with(name, |deployment| deployment.ready(id).cloned())?;
    if let Some(ready) = ready {
        return Ok(ready);
    }
    let loaded = load_kept(&registry.loader, name, id).await;
    let ready = loaded.map_err(|why| Refused::check(name, vec![why]))?;
    refuse_conflicts(registry, &ready.component)?;
    Ok(ready)
}

/// Whether a revision runs before nobody waits for it any more.
async fn runs_soon(registry: &Registry, name: &str, id: &RevisionId) -> bool {
    let runs = || {
        let runs = registry.with(name, |deployment| {
            let running = deployment.running.as_ref();
            running.is_some_and(|running| running.revision.id == *id)
        });
        runs.unwrap_or(false)
    };
    let until = tokio::time::Instant::now() + LOAD_PATIENCE;
    while !runs() {
        if tokio::time::Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// # Errors
/// What is wanted does not begin with `seen`.
fn is_still(wanted: &Desired, name: &str, seen: &str) -> Result<(), Refused> {
    if seen.len() < MIN_PREFIX {
        return Err(Refused::NoSuchRevision(seen.to_owned()));
    }
    let revision = wanted.choice.revision.as_ref();
    match revision.is_some_and(|id| id.as_str().starts_with(seen)) {
        true => Ok(()),
        false => Err(Refused::Conflict(at(name, wanted))),
    }
}
