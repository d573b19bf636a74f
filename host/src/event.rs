//! One message of the upstream bus, as it came.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// An event between the upstream and a lane. It is never logged and never sent: only a
/// transform may read it.
#[derive(Clone)]
pub struct Event {
    /// The upstream channel, which is internal.
    pub channel: String,
    /// The bytes as published; nobody has checked that they are JSON, or text.
    pub payload: Vec<u8>,
    /// When it was read from the upstream, for the lag.
    pub received: Instant,
    /// The same moment by the machine's clock, in milliseconds since 1970: what a transform is
    /// told.
    pub received_at: u64,
}

impl Event {
    /// An event that has just come.
    pub fn new(channel: String, payload: Vec<u8>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.map_or(0, |since| since.as_millis());
        Self::at(channel, payload, u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// An event that came at this time, in milliseconds since 1970.
    pub fn at(channel: String, payload: Vec<u8>, received_at: u64) -> Self {
        Self {
            channel,
            payload,
            received: Instant::now(),
            received_at,
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
