//! Whether the state folder can be written to, tried before somebody needs it. A disk that does
//! not answer counts as one that refuses, and holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;

use super::Registry;
use crate::state::Store;
use crate::tasks::{Unasked, blocking, ever};

const EVERY: Duration = Duration::from_secs(5);

/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Registry {
    /// Begins to try, one write at a time. Where there is no state folder, nothing can be wrong
    /// with it.
    pub fn watch_state(&self) {
        let writable = self.metrics.state_writable.clone();
        writable.set(1);
        if let Some(store) = self.loader.store.clone() {
            self.tasks.spawn("state_watch", Unasked::Restart, move || {
                ever(try_for_ever(store.clone(), writable.clone()))
            });
        }
    }
}

async fn try_for_ever(store: Arc<Store>, writable: IntGauge) {
    let mut told = None;
    loop {
        let store = store.clone();
        let trying = blocking(move || store.try_to_write());
        tokio::pin!(trying);
        let in_time = tokio::time::timeout(PATIENCE, &mut trying).await;
        let problem = match &in_time {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("the disk did not answer within {PATIENCE:?}")),
        };
        writable.set(problem.is_none().into());
        match (&problem, &told) {
            (Some(reason), told) if told.as_ref() != Some(reason) => tracing::error!(
                reason,
                "the state folder cannot be written to; what runs runs on, and cannot be changed"
            ),
            (None, Some(_)) => tracing::info!("the state folder can be written to again"),
            _ => {}
        }
        told = problem;
        if in_time.is_err() {
            // The one that hangs ends before there is another.
            let _ = trying.await;
        }
        tokio::time::sleep(EVERY).await;
    }
}
