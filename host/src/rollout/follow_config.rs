//! Back to what the settings name, from whatever somebody chose since.

use std::sync::Arc;

use super::apply::{applied, in_words};
use super::claims::refuse_conflicts_in;
use super::decide::{Prepared, decide_start};
use super::prepare::{load_kept, warm};
use super::report::Applied;
use super::requests::FollowRequest;
use super::{Caller, Record, Refused, Registry, shown};
use crate::revision::needs::{measures, needs_from};
use crate::transform::RevisionId;
use crate::wanted::desired::{Chooser, Needs};
use crate::wanted::request::{Request, Wish};

/// Makes the revision that the settings name the one that is wanted, now and at later
/// starts.
///
/// # Errors
/// The settings do not name the transform, a consent is missing, or it cannot be made ready.
pub async fn follow_config(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    request: FollowRequest,
) -> Result<Applied, Refused> {
    let outcome = turn_to_config(registry, by, name, &request).await;
    let record = Record {
        by,
        action: "follow-config",
        transform: Some(shown(name)),
        revision: outcome.as_ref().ok().map(|applied| applied.to.clone()),
        plan: None,
        detail: outcome.as_ref().map_or_else(|_| String::new(), in_words),
    };
    registry.record(record, outcome).await
}

async fn turn_to_config(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    request: &FollowRequest,
) -> Result<Applied, Refused> {
    let (configured, wanted, lanes) = registry.with(name, |deployment| {
        let wanted = deployment.intent.wanted();
        (deployment.configured.clone(), wanted, deployment.lanes)
    })?;
    let to = configured.ok_or_else(|| Refused::NotInSettings(name.to_owned()))?;
    registry.trail.ready().await?;
    let loaded = load_kept(&registry.loader, name, &to).await;
    let ready = loaded.map_err(|why| Refused::check(name, vec![why]))?;
    let from = wanted.choice.revision.clone();
    let measures = measures(&wanted, registry.runs(name).as_ref());
    let record = |id: &RevisionId| registry.record_of(name, id);
    let covers = registry.covers(&wanted, &ready.revision);
    let request = Request::Choose(Wish {
        revision: to.clone(),
        chooser: Chooser::Configuration,
        needs: match from.as_ref() == Some(&to) {
            true => Needs::default(),
            false => needs_from(&measures, Some(&ready.revision), record),
        },
        consent: Needs {
            wider: request.allow_wider,
            breaking: request.allow_breaking,
            ..Needs::default()
        },
        probation: from.as_ref() != Some(&to) && !registry.options.probation.is_zero(),
        first: Vec::new(),
        covers,
        was_there: false,
    });
    let instances = warm(registry, &ready.component, lanes).await?;
    let component = ready.component.clone();
    let prepared = Some(Prepared { ready, instances });
    let holds = |deployments: &_| refuse_conflicts_in(registry, deployments, &component);
    let changed = decide_start(registry, name, &request, by.name, prepared, holds).await?;
    Ok(applied(registry, name, from, to, changed).await)
}
