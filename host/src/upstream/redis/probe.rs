//! A message of our own that must come back.

use std::time::Duration;

use super::Config;

/// What is published on the probe's channel, and what has come back.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) channel: String,
    /// `None` where probes are off.
    pub(super) interval: Option<Duration>,
    /// Tells this process's probes from those of others on the same channel.
    token: String,
    sent: u64,
    /// Said once that the server does not allow it.
    warned: bool,
}

impl Probe {
    pub(super) fn new(config: &Config) -> Self {
        let mut token = [0; 16];
        // Without randomness the process's number is telling enough.
        if getrandom::fill(&mut token).is_err() {
            token[..4].copy_from_slice(&std::process::id().to_be_bytes());
        }
        Self {
            channel: config.probe_channel.clone(),
            interval: Some(config.probe_interval).filter(|interval| !interval.is_zero()),
            token: data_encoding::HEXLOWER.encode(&token),
            sent: 0,
            warned: false,
        }
    }

    /// The next message to publish.
    pub(super) fn next(&mut self) -> String {
        self.sent += 1;
        self.text(self.sent)
    }

    /// The last message that was published.
    pub(super) fn last(&self) -> String {
        self.text(self.sent)
    }

    fn text(&self, n: u64) -> String {
        format!("{} {n}", self.token)
    }

    /// The server does not allow the probe; the host goes on without.
    pub(super) fn denied(&mut self, error: &redis::RedisError) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                %error,
                "the Redis user may not publish and subscribe on the probe channel, so a connection that goes \
                 silent is only found by TCP; allow it, or set probe-interval to 0s"
            );
        }
    }
}
