//! What was done, as the audit logs of this host and of its fleet say.

use super::fleet::fleet_history;
use super::report::{History, HistoryEntry};
use super::{Refused, Registry};
use crate::tasks::blocking;

/// The last entries of the audit log, newest last; of all hosts where this one is of a fleet.
///
/// # Errors
/// There is no state folder, or it cannot be read.
pub async fn history(
    registry: &Registry,
    transform: Option<&str>,
    limit: usize,
) -> Result<History, Refused> {
    let (store, of) = (registry.store()?, transform.map(str::to_owned));
    let head = store.audit().head();
    let own = blocking(move || store.audit().tail(of.as_deref(), limit)).await;
    let host = registry.fleet.as_ref().map(|fleet| fleet.host().to_owned());
    let line = |entry| HistoryEntry {
        host: host.clone(),
        entry,
    };
    let own = own.map_err(Refused::State)?.into_iter().map(line);
    let (mut entries, mut missing): (Vec<_>, _) = (own.collect(), None);
    if let Some(fleet) = &registry.fleet {
        match fleet_history(fleet, transform).await {
            Ok(theirs) => entries.extend(theirs),
            Err(why) => missing = Some(format!("the fleet's Redis cannot be asked: {why}")),
        }
        entries.sort_by_key(|line| line.entry.at);
        entries.drain(..entries.len().saturating_sub(limit));
    }
    Ok(History {
        entries,
        head,
        missing,
    })
}
