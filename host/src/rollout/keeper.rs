//! Makes lasting what is decided: the set of what is wanted goes to the disk, again and again
//! until it is there. Whoever stops something does not wait for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::change::kept_set;
use super::{Refused, Registry};
use crate::state::KeptSet;
use crate::tasks::{Unasked, blocking, ever};

/// How long until a write that failed is tried again: the first time, and at most.
const RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(15);

/// Counts the changes, and which of them are on the disk.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// Held from the look at what is wanted until that is on the disk.
    pub(super) writing: tokio::sync::Mutex<()>,
    changed: watch::Sender<u64>,
    written: watch::Sender<Written>,
    /// Why the folder takes nothing, tried before somebody needs it; none where it does.
    pub(super) unwritable: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Written {
    change: u64,
    /// Why the last write failed; none where it did not.
    trouble: Option<String>,
}

impl Keeper {
    /// Notes a change, which the disk is to have. Whoever changes a deployment calls it before the lock is released, so
    /// that who looks after it sees what it is about.
    pub(super) fn note_change(&self) -> u64 {
        let mut number = 0;
        self.changed.send_modify(|changed| {
            *changed += 1;
            number = *changed;
        });
        number
    }

    /// Of the last change. Whoever takes a set with it asks with the deployments locked.
    pub(super) fn number(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Waits until a change is on the disk, or for as long as `patience`.
    ///
    /// # Errors
    /// Why it is not there yet.
    pub(super) async fn wait(&self, change: u64, patience: Duration) -> Result<(), String> {
        let mut written = self.written.subscribe();
        let there = written.wait_for(|written| written.change >= change);
        if tokio::time::timeout(patience, there).await.is_ok() {
            return Ok(());
        }
        let trouble = self.written.borrow().trouble.clone();
        Err(trouble.unwrap_or_else(|| "the disk has not answered yet".to_owned()))
    }
}

/// Begins to write down what changes. Where there is no state folder there is nothing to do.
pub(super) fn keep_what_changes(registry: &Arc<Registry>) {
    if registry.loader.store.is_some() {
        let tasks = &registry.tasks;
        let registry = registry.clone();
        tasks.spawn("state_keeper", Unasked::Restart, move || {
            ever(keep_for_ever(registry.clone()))
        });
    }
}

async fn keep_for_ever(registry: Arc<Registry>) {
    let mut changed = registry.keeper.changed.subscribe();
    let mut retry = RETRY;
    loop {
        let written = registry.keeper.written.borrow().change;
        // The sender lives as long as this does.
        let _ = changed.wait_for(|changed| *changed > written).await;
        match write_all(&registry).await {
            Ok(()) => retry = RETRY,
            Err(_) => {
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(MAX_RETRY);
            }
        }
    }
}

async fn write_all(registry: &Registry) -> Result<(), Refused> {
    let _writing = registry.keeper.writing.lock().await;
    let (set, change) = {
        let deployments = registry.deployments.lock();
        (kept_set(&deployments), registry.keeper.number())
    };
    write_set(registry, set, change).await
}

/// Writes a set down, with all changes up to this one in it. To be called with `writing`
/// held.
///
/// # Errors
/// What the disk says.
pub(super) async fn write_set(
    registry: &Registry,
    set: KeptSet,
    change: u64,
) -> Result<(), Refused> {
    let Some(store) = registry.loader.store.clone() else {
        return Ok(());
    };
    let saved = blocking(move || store.save(&set)).await;
    let before = registry.keeper.written.borrow().trouble.clone();
    let trouble = saved.as_ref().err().map(ToString::to_string);
    match (&trouble, &before) {
        (Some(trouble), before) if before.as_ref() != Some(trouble) => tracing::error!(
            trouble,
            "what was decided is not written down yet; it holds all the same, until a restart"
        ),
        (None, Some(_)) => tracing::info!("what was decided is written down"),
        _ => {}
    }
    registry.metrics.state_behind.set(trouble.is_some().into());
    registry.keeper.written.send_modify(|written| {
        if trouble.is_none() {
            written.change = written.change.max(change);
        }
        written.trouble = trouble;
    });
    saved.map_err(|error| Refused::State(error.into()))
}
