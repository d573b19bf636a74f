//! What anybody who reaches a listener can make happen as often as he likes: the log names
//! some of it and counts the rest.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Sparing;
use crate::listener::Remote;

/// So many are named at once, and one more after each pause.
const AT_ONCE: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// The refusals of both listeners.
#[derive(Debug)]
pub struct Strangers {
    keys: Mutex<Sparing>,
    tokens: Mutex<Sparing>,
}

impl Default for Strangers {
    fn default() -> Self {
        let sparing = || Mutex::new(Sparing::new(AT_ONCE, PAUSE));
        Self {
            keys: sparing(),
            tokens: sparing(),
        }
    }
}

impl Strangers {
    /// A client was told that its key opens nothing.
    pub fn key_refused(&self, reason: &'static str, address: Remote) {
        if let Some(unnamed) = self.keys.lock().say(Instant::now()) {
            tracing::warn!(reason, %address, unnamed, "a client is refused");
        }
    }

    /// A request of the admin API was answered with this status. `by` is the name of its
    /// token, where that is known.
    pub fn request_refused(
        &self,
        status: u16,
        operation: &'static str,
        by: Option<&str>,
        address: Option<Remote>,
    ) {
        if let Some(unnamed) = self.tokens.lock().say(Instant::now()) {
            let address = address.map(tracing::field::display);
            tracing::warn!(
                status,
                operation,
                by,
                address,
                unnamed,
                "an admin request is refused"
            );
        }
    }

    /// Says how many were not named, for as long as the host lives.
    pub async fn say_the_rest(&self) {
        let mut tick = tokio::time::interval(PAUSE);
        loop {
            tick.tick().await;
            let now = Instant::now();
            if let Some(unnamed) = self.keys.lock().rest(now) {
                tracing::warn!(unnamed, "more clients were refused");
            }
            if let Some(unnamed) = self.tokens.lock().rest(now) {
                tracing::warn!(unnamed, "more admin requests were refused");
            }
        }
    }
}
