//! Pause and resume: a transform's events stop, and its clients are told. A pause holds at once,
//! whatever disk, Redis, locks and compilers do; a resumption is decided first.

use std::sync::Arc;

use super::change::{Changed, change_deployment};
use super::decide::{decide_start, decide_stop, not_yet, stamp};
use super::report::TransformReport;
use super::{Caller, Record, Refused, Registry, shown};
use crate::wanted::request::Request;

/// What is asked of a transform's pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseOrder {
    Pause,
    /// On this host of the fleet only, which goes its own way until it is resumed.
    PauseHere,
    Resume,
}

/// Stops a transform's events, or lets them through again. What waits is stopped too;
/// what is stopped is counted and does not come later.
///
/// # Errors
/// There is no such transform, or a resumption cannot be decided now.
pub async fn pause(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    order: PauseOrder,
) -> Result<TransformReport, Refused> {
    let outcome = follow_order(registry, by, name, order).await;
    let record = Record {
        by,
        action: match order {
            PauseOrder::Pause | PauseOrder::PauseHere => "pause",
            PauseOrder::Resume => "resume",
        },
        transform: Some(shown(name)),
        revision: None,
        plan: None,
        detail: match order {
            PauseOrder::PauseHere => "on this host only".into(),
            PauseOrder::Pause | PauseOrder::Resume => String::new(),
        },
    };
    registry
        .record_stop(record, outcome, |report| &mut report.not_yet)
        .await
}

async fn follow_order(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
    order: PauseOrder,
) -> Result<TransformReport, Refused> {
    let changed = match order {
        PauseOrder::Pause => decide_stop(registry, name, Request::Pause(true), by.name)?,
        PauseOrder::PauseHere => pause_here(registry, name, by)?,
        PauseOrder::Resume => resume(registry, name, by).await?,
    };
    let (number, _) = changed.followed().await;
    let mut report = registry.show(name)?;
    report.not_yet = not_yet(registry, name, number).await;
    Ok(report)
}

async fn resume(registry: &Arc<Registry>, name: &str, by: Caller<'_>) -> Result<Changed, Refused> {
    registry.trail.ready().await?;
    let was_detached = registry.with(name, |deployment| deployment.intent.detached.is_some())?;
    let changed = if was_detached {
        // It follows the fleet again, paused or not.
        change_deployment(registry, name, |deployment| deployment.intent.attach())?.1
    } else {
        let request = Request::Pause(false);
        decide_start(registry, name, &request, by.name, None, |_| Ok(())).await?
    };
    // Somebody has looked at what is there.
    change_deployment(registry, name, |deployment| deployment.lost = false)?;
    Ok(changed)
}

/// Goes this host's own way, and lets nothing through.
fn pause_here(registry: &Arc<Registry>, name: &str, by: Caller<'_>) -> Result<Changed, Refused> {
    if registry.fleet.is_none() {
        return Err(Refused::NoFleet);
    }
    let stamp = stamp(by.name);
    let ((), changed) = change_deployment(registry, name, |deployment| {
        deployment.intent.detach();
        // It is always granted.
        let _ = deployment.intent.ask(&Request::Pause(true), &stamp);
    })?;
    Ok(changed)
}
