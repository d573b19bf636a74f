//! The end of the process: who is told, and who is waited for.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tasks::Tasks;

/// One for the process; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    sessions: TaskTracker,
}

impl Shutdown {
    /// Finish what was taken, take nothing new.
    pub fn begin(&self) {
        self.draining.cancel();
        self.sessions.close();
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when the draining begins.
    pub fn token(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Waits until the draining begins.
    pub async fn begun(&self) {
        self.draining.cancelled().await;
    }

    /// Waits until the draining has gone on for `share`.
    pub async fn drained_after(&self, share: Duration) {
        self.begun().await;
        tokio::time::sleep(share).await;
    }

    /// Runs a session's task, to be waited for.
    pub fn spawn_session(&self, tasks: &Tasks, task: impl Future<Output = ()> + Send + 'static) {
        tasks.brief("session", self.sessions.track_future(task));
    }

    /// Waits until no session is left.
    pub async fn sessions_ended(&self) {
        self.sessions.wait().await;
    }

    /// How many sessions there are, those that are being refused included.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}
