//! One message of the upstream bus, as it came.

use std::time::Instant;

/// An event between the upstream and a lane. It is never logged and never sent: only a
/// transform may read it.
#[derive(Clone)]
pub struct Event {
    /// The upstream channel. Internal.
    pub channel: String,
    /// The bytes as published; nobody has checked that they are JSON, or text.
    pub payload: Vec<u8>,
    /// When it was read from the upstream, for the lag.
    pub received: Instant,
}

impl Event {
    pub fn new(channel: String, payload: Vec<u8>) -> Self {
        Self {
            channel,
            payload,
            received: Instant::now(),
        }
    }

    /// What it counts in a queue that is bounded in bytes; the constant stands for the
    /// structures around it, so that a flood of empty events is bounded too.
    pub fn cost(&self) -> usize {
        self.channel.len() + self.payload.len() + 128
    }
}

/// Shows sizes only, so that an event cannot reach a log by way of `{:?}`.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}
