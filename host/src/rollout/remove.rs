//! The end of a transform that the settings do not name. What is kept of it stays until it is
//! pruned, so it can be planned and applied again; what was withdrawn stays withdrawn.

use std::sync::Arc;

use super::decide::{decide_stop, not_yet};
use super::report::TransformReport;
use super::{Caller, Record, Refused, Registry, shown};
use crate::wanted::request::Request;

/// Ends a transform: its events go nowhere, its channels are gone, and clients are told.
///
/// # Errors
/// There is no such transform, or the settings name it.
pub async fn remove(
    registry: &Arc<Registry>,
    by: Caller<'_>,
    name: &str,
) -> Result<TransformReport, Refused> {
    let outcome = async {
        let mut report = registry.show(name)?;
        if report.configured {
            return Err(Refused::NamedBySettings(name.to_owned()));
        }
        let changed = decide_stop(registry, name, Request::Remove, by.name)?;
        let (number, _) = changed.followed().await;
        report.not_yet = not_yet(registry, name, number).await;
        Ok(report)
    };
    let outcome = outcome.await;
    let removed = outcome.as_ref().ok();
    let record = Record {
        by,
        action: "remove",
        transform: Some(shown(name)),
        revision: removed.map(|report| report.revision.id.clone()),
        plan: None,
        detail: removed.map_or_else(String::new, |report| {
            format!("it ran since {}, by {}", report.since, report.by)
        }),
    };
    registry
        .record_stop(record, outcome, |report| &mut report.not_yet)
        .await
}
