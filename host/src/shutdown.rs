//! The end of the process, in its stages: who is told, and who is waited for.
//!
//! ```text
//!  running ─► leaving ─► draining ─► gone
//!             /readyz 503, served as ever    nothing new, goodbye to all
//! ```

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::tasks::Tasks;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownStage {
    Running,
    /// Balancers are asked to send nobody new; who comes all the same is served.
    Leaving,
    Draining,
}

impl ShutdownStage {
    /// What is said of a host that clients should leave.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Running => None,
            Self::Leaving => Some("about to drain; connections are still taken"),
            Self::Draining => Some("draining"),
        }
    }
}

/// The shutdown of the process; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    leaving: CancellationToken,
    draining: CancellationToken,
    sessions: TaskTracker,
}

impl Shutdown {
    /// Asks whoever looks at `/readyz` to send nobody new, and goes on as before.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// From now on what was taken is finished, and nothing new is taken.
    pub fn begin(&self) {
        self.leaving.cancel();
        self.draining.cancel();
        self.sessions.close();
    }

    pub fn stage(&self) -> ShutdownStage {
        if self.draining.is_cancelled() {
            ShutdownStage::Draining
        } else if self.leaving.is_cancelled() {
            ShutdownStage::Leaving
        } else {
            ShutdownStage::Running
        }
    }

    pub fn is_draining(&self) -> bool {
        self.stage() == ShutdownStage::Draining
    }

    /// Cancelled when the draining begins.
    pub fn token(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// What a session keeps while it lives, to be waited for.
    pub fn session(&self) -> TaskTrackerToken {
        self.sessions.token()
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
