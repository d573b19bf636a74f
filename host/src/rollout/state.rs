//! Whether the state folder can be written to, tried before somebody needs it. A disk that does
//! not answer counts as one that refuses, and holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use super::Registry;
use crate::state::Store;
use crate::tasks::{Unasked, blocking, ever};

const EVERY: Duration = Duration::from_secs(5);

/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Begins to try, one write at a time. Where there is no state folder, nothing can be wrong
/// with it.
pub fn watch_state(registry: &Arc<Registry>) {
    registry.metrics.state_writable.set(1);
    if let Some(store) = registry.loader.store.clone() {
        let tasks = &registry.tasks;
        let registry = registry.clone();
        tasks.spawn("state_watch", Unasked::Restart, move || {
            ever(try_for_ever(registry.clone(), store.clone()))
        });
    }
}

/// Why the state folder takes nothing, for operators.
pub(super) fn state_trouble(registry: &Registry) -> Option<String> {
    let reason = registry.keeper.unwritable.lock().clone()?;
    Some(format!(
        "the state folder cannot be written to ({reason}): what runs runs on, and pause and \
         rollback hold until a restart; nothing can be started"
    ))
}

async fn try_for_ever(registry: Arc<Registry>, store: Arc<Store>) {
    let mut known = None;
    loop {
        known = try_once(&registry, store.clone(), known).await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Tries once, and says what is new since what was `known`.
async fn try_once(registry: &Registry, store: Arc<Store>, known: Option<String>) -> Option<String> {
    let trying = blocking(move || store.try_to_write());
    tokio::pin!(trying);
    let in_time = tokio::time::timeout(PATIENCE, &mut trying).await;
    let problem = match &in_time {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("the disk did not answer within {PATIENCE:?}")),
    };
    registry
        .metrics
        .state_writable
        .set(problem.is_none().into());
    registry.keeper.unwritable.lock().clone_from(&problem);
    match (&problem, &known) {
        (Some(reason), known) if known.as_ref() != Some(reason) => tracing::error!(
            reason,
            "the state folder cannot be written to; what runs runs on, and cannot be changed"
        ),
        (None, Some(_)) => tracing::info!("the state folder can be written to again"),
        _ => {}
    }
    if in_time.is_err() {
        // The one that hangs ends before there is another.
        let _ = trying.await;
    }
    problem
}
