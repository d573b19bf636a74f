//! How a loop sleeps until somebody has something for it, so that whoever comes is never missed.
//!
//! The loop says that it sleeps before it looks a last time, and whoever comes brings its things
//! before it looks whether somebody sleeps: one of the two sees what the other did.

use super::sync::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct Doorbell {
    /// The loop sleeps, or is about to.
    sleeping: AtomicBool,
}

impl Doorbell {
    pub(super) fn new() -> Self {
        Self {
            sleeping: AtomicBool::new(false),
        }
    }

    /// Wakes the loop if it sleeps. What it is to find must be there already.
    pub(super) fn ring(&self, wake: impl FnOnce()) {
        if self.sleeping.swap(false, Ordering::SeqCst) {
            wake();
        }
    }

    /// Whether the loop may sleep now; `is_idle` looks whether there is nothing to do.
    pub(super) fn may_sleep(&self, is_idle: impl FnOnce() -> bool) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        let idle = is_idle();
        if !idle {
            self.is_awake();
        }
        idle
    }

    pub(super) fn is_awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }
}
