//! What the pipeline hands to the hub: messages, and word of those that will never come.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::held::Standing;
use super::outbox::MessageIdentity;
use crate::channel::Channel;
use crate::metrics::FamilyMetrics;

/// One message of a public channel, encoded once for all its receivers. Only its number is
/// missing, which the hub knows.
pub struct Message {
    pub channel: Channel,
    /// The whole message without its number: `{"type":…,"channel":…,"data":…}`.
    pub text: String,
    /// Where in `text` the number belongs, in bytes: right before `,"data"`.
    pub head: usize,
    /// When its event came.
    pub received: Instant,
    pub family: Arc<FamilyMetrics>,
    /// None where a message is of no use to anybody after its delivery.
    pub standing: Option<Standing>,
    /// By which another ingest host's copy of it is known; none on hosts that deliver by
    /// themselves.
    pub identity: Option<MessageIdentity>,
}

/// A message that another host has numbered, as it goes out.
pub struct RelayedMessage {
    pub channel: Channel,
    pub seq: u64,
    /// The whole message, its number included.
    pub text: String,
    /// When it came here.
    pub received: Instant,
    pub family: Arc<FamilyMetrics>,
    pub standing: Option<Standing>,
}

/// With its number in its text already.
impl From<RelayedMessage> for Message {
    fn from(relayed: RelayedMessage) -> Self {
        Self {
            channel: relayed.channel,
            head: relayed.text.len(),
            text: relayed.text,
            received: relayed.received,
            family: relayed.family,
            standing: relayed.standing,
            identity: None,
        }
    }
}

/// Why an event of a family never became a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It did not fit into a queue, or the transform failed on it, or the guard stopped what
    /// came of it.
    Transform,
    /// The transform is paused.
    Paused,
}

/// Shows sizes only, as `Message` does.
impl fmt::Debug for RelayedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayedMessage")
            .field("channel", &self.channel)
            .field("seq", &self.seq)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// Shows sizes only, so that no message reaches a log by way of `{:?}`.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("channel", &self.channel)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Message {
    /// One of so many bytes, on a channel that is always the same.
    pub(crate) fn example(bytes: usize) -> Self {
        Self {
            channel: "ticks:A".parse().unwrap(),
            text: "x".repeat(bytes),
            head: 0,
            received: Instant::now(),
            family: crate::metrics::Metrics::new().family("ticks"),
            standing: None,
            identity: None,
        }
    }
}
