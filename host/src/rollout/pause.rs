//! Pause and resume: a transform's events stop, and its clients are told. A pause holds at once,
//! whatever disk, Redis, locks and compilers do; a resumption is decided first.

use std::sync::Arc;

use super::change::{Changed, change_deployment};
use super::decide::{decide_start, decide_stop, not_yet, stamp};
use super::report::TransformReport;
use super::{Caller, Record, Refused, Registry, shown};
use crate::wanted::request::Request;

/// Stops a transform's events, or lets them through again. What waits is stopped too;
/// what is stopped is counted and does not come later. `local` stops it on this host only,
/// which goes its own way until it is resumed.
///
/// # Errors
/// There is no such transform, or a resumption cannot be decided now.
pub async fn pause(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    paused: bool,
    local: bool,
) -> Result<TransformReport, Refused> {
    let outcome = set_paused(registry, by, name, paused, local).await;
    let record = Record {
        by,
        action: if paused { "pause" } else { "resume" },
        transform: Some(shown(name)),
        revision: None,
        plan: None,
        detail: if local {
            "on this host only".into()
        } else {
            String::new()
        },
    };
    registry
        .record_stop(record, outcome, |report| &mut report.not_yet)
        .await
}

async fn set_paused(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    paused: bool,
    local: bool,
) -> Result<TransformReport, Refused> {
    if local && registry.fleet.is_none() {
        return Err(Refused::NoFleet);
    }
    if !paused {
        registry.trail.ready().await?;
    }
    let request = Request::Pause(paused);
    let was_detached = registry.with(name, |deployment| deployment.intent.detached.is_some())?;
    let changed = if paused {
        match local {
            true => pause_here(registry, name, by)?,
            false => decide_stop(registry, name, request, by.name)?,
        }
    } else if was_detached {
        // It follows the fleet again, paused or not.
        change_deployment(registry, name, |deployment| deployment.intent.attach())?.1
    } else {
        decide_start(registry, name, &request, by.name, None, |_| Ok(())).await?
    };
    if !paused {
        // Somebody has looked at what is there.
        change_deployment(registry, name, |deployment| deployment.lost = false)?;
    }
    let (number, _) = changed.followed().await;
    let mut report = registry.show(name)?;
    report.not_yet = not_yet(registry, name, number).await;
    Ok(report)
}

/// Goes this host's own way, and lets nothing through.
fn pause_here(registry: &Arc<Registry>, name: &str, by: Caller<'_>) -> Result<Changed, Refused> {
    let stamp = stamp(by.name);
    let ((), changed) = change_deployment(registry, name, |deployment| {
        deployment.intent.detach();
        // It is always granted.
        let _ = deployment.intent.ask(&Request::Pause(true), &stamp);
    })?;
    Ok(changed)
}
