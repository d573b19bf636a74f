//! Carries out a plan: the revision is made ready beside the lanes, decided on, and followed.

use std::sync::Arc;
use std::time::Duration;

use super::change::{Changed, Deployments};
use super::claims::refuse_conflicts_in;
use super::decide::{Prepared, decide_start};
use super::deployment::Ready;
use super::fleet::first_hosts;
use super::plans::{StoredPlan, load_planned, still_holds};
use super::prepare::warm;
use super::report::{Applied, Reasons};
use super::{Caller, Consent, Record, Refused, Registry, consent, shown};
use crate::revision::Revision;
use crate::transform::{Component, RevisionId};
use crate::wanted::desired::{Chooser, MAX_PROVEN, Needs};
use crate::wanted::request::{Request, Wish};

/// How long the upstream may take to confirm a subscription that a revision needs.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);

/// In whose name a plan is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct InNameOf {
    pub(super) chooser: Chooser,
    /// It comes from a file that was there when the host started.
    pub(super) was_there: bool,
}

/// Carries out a plan.
///
/// # Errors
/// Something moved since the plan, a consent is missing, or the revision could not be
/// made ready. What ran before runs on.
pub async fn apply(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    plan: &str,
    consent: Consent,
) -> Result<Applied, Refused> {
    let name_of = InNameOf {
        chooser: Chooser::Operator,
        was_there: false,
    };
    apply_in_name_of(registry, by, plan, consent, name_of).await
}

pub(super) async fn apply_in_name_of(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    plan: &str,
    consent: Consent,
    name_of: InNameOf,
) -> Result<Applied, Refused> {
    let stored = registry.plans.lock().find(plan);
    let planned = stored.as_ref().ok().map(|stored| stored.plan.clone());
    let consents = consent.stated();
    let outcome = async {
        let stored = stored?;
        registry.trail.ready().await?;
        carry_out(registry, by, &stored, consent, name_of).await
    };
    let outcome = outcome.await;
    let record = Record {
        by,
        action: "apply",
        transform: planned.as_ref().map(|plan| plan.transform.clone()),
        revision: planned.as_ref().map(|plan| plan.to.clone()),
        plan: Some(shown(plan)),
        detail: with_consents(outcome.as_ref().ok(), consents),
    };
    registry.record(record, outcome).await
}

async fn carry_out(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    stored: &StoredPlan,
    consent: Consent,
    name_of: InNameOf,
) -> Result<Applied, Refused> {
    let (revision, component) = load_planned(registry, stored).await?;
    still_holds(&registry.deployments.lock(), stored)?;
    if let Some(missing) = consent::missing(&stored.plan.needs, &consent) {
        return Err(missing);
    }
    if consent.canary.is_some() && registry.fleet.is_none() {
        return Err(Refused::NoFleet);
    }
    let name = &stored.plan.transform;
    let needs = needs_of(&stored.plan.needs);
    let probation = consent.probation && !registry.options.probation.is_zero();
    let request = Request::Choose(Wish {
        revision: stored.plan.to.clone(),
        chooser: name_of.chooser,
        needs,
        // All that is missing was looked at, with its reasons, just above.
        consent: needs,
        probation,
        first: first_hosts(registry, consent.canary).await?,
        covers: may_return_to(registry, &revision, &consent),
        was_there: name_of.was_there,
    });
    let lanes = registry
        .with(name, |deployment| deployment.lanes)
        .unwrap_or(1);
    let instances = warm(registry, &component, lanes).await?;
    subscribe_ahead(registry, &component).await?;
    let prepared = Prepared {
        ready: Ready {
            revision,
            component: component.clone(),
        },
        instances,
    };
    let holds = |deployments: &Deployments| {
        still_holds(deployments, stored)?;
        refuse_conflicts_in(registry, deployments, &component)
    };
    let changed = decide_start(registry, name, &request, by.name, Some(prepared), holds).await;
    if changed.is_err() {
        registry.intake.want(&[]);
    }
    let (from, to) = (stored.plan.from.clone(), stored.plan.to.clone());
    Ok(applied(registry, name, from, to, changed?).await)
}

/// Those that Tidegate may return to by itself from what is applied: what runs now is among
/// them also where it shows more, if somebody agreed to that.
fn may_return_to(registry: &Registry, revision: &Revision, consent: &Consent) -> Vec<RevisionId> {
    let wanted = registry.with(&revision.transform, |deployment| deployment.intent.wanted());
    let Ok(wanted) = wanted else {
        return Vec::new();
    };
    let covers = registry.covers(&wanted, revision);
    let agreed = wanted.choice.revision.filter(|_| consent.return_wider);
    let others = covers.into_iter().filter(|id| Some(id) != agreed.as_ref());
    let others: Vec<RevisionId> = others.collect();
    agreed.into_iter().chain(others).take(MAX_PROVEN).collect()
}

/// What a start has come to on this host, once its lanes have followed.
pub(super) async fn applied(
    registry: &Registry,
    name: &str,
    from: Option<RevisionId>,
    to: RevisionId,
    changed: Changed,
) -> Applied {
    let (_, took) = changed.followed().await;
    let here = registry.with(name, |deployment| {
        let running = deployment.running.as_ref();
        let runs = running.is_some_and(|running| running.revision.id == to);
        let watched = runs && deployment.intent.probation.is_some();
        (runs, watched, deployment.intent.wanted().paused.yes)
    });
    let (runs, watched, paused) = here.unwrap_or_default();
    Applied {
        transform: name.to_owned(),
        from,
        to,
        probation_seconds: watched.then_some(registry.options.probation.as_secs_f64()),
        switch_micros: runs.then(|| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        paused,
        // It is lasting, and known, before it is followed.
        not_yet: Vec::new(),
    }
}

/// Has the upstream subscribe to what a revision needs before it takes over.
async fn subscribe_ahead(registry: &Registry, component: &Component) -> Result<(), Refused> {
    let needed = &component.globs();
    registry.intake.want(needed);
    let subscribed = registry.intake.subscribed(needed);
    let in_time = tokio::time::timeout(SUBSCRIBE_PATIENCE, subscribed).await;
    in_time.map_err(|_| {
        registry.intake.want(&[]);
        Refused::NotReady(format!(
            "its upstream channels were not subscribed within {SUBSCRIBE_PATIENCE:?}; \
             see whether Redis is there and lets its user subscribe to them"
        ))
    })
}

/// What there are reasons for.
fn needs_of(reasons: &Reasons) -> Needs {
    Needs {
        wider: !reasons.wider.is_empty(),
        breaking: !reasons.breaking.is_empty(),
        silent: !reasons.silent.is_empty(),
        failing: !reasons.failing.is_empty(),
    }
}

pub(super) fn in_words(applied: &Applied) -> String {
    match &applied.from {
        Some(from) => format!("{} after {from}", applied.to),
        None => format!("{}, the first", applied.to),
    }
}

/// What was applied, if it was, and the consents that were given.
fn with_consents(applied: Option<&Applied>, consents: String) -> String {
    let mut parts: Vec<String> = applied.map(in_words).into_iter().collect();
    parts.extend((!consents.is_empty()).then_some(consents));
    parts.join("; ")
}
