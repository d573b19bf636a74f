//! What is counted on the way from lanes to clients.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::make::{Book, counter, counters, gauge};

/// The metrics of loops and what they send.
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    /// Bytes that loops keep for sessions that are behind.
    pub log_bytes: IntGauge,
    pub reply_bytes: IntGauge,
    pub inbox_bytes: IntGauge,
    pub sessions_behind: IntGauge,
    pub channels: IntGauge,
    pub channels_full: IntCounter,
    pub held_bytes: IntGauge,
    pub unheld: IntCounter,
    pub deliveries: IntCounter,
    pub missed: IntCounter,
    pub gaps: IntCounterVec,
    pub cuts: IntCounter,
    pub session_panics: IntCounter,
}

impl StreamMetrics {
    pub(super) fn new(book: &Book) -> Self {
        Self {
            log_bytes: gauge(
                book,
                "log_bytes",
                "Bytes of messages kept for sessions that are behind, all together; at most log-size.",
            ),
            reply_bytes: gauge(
                book,
                "reply_bytes",
                "Bytes of replies, gaps and begun messages that sockets have not taken yet.",
            ),
            inbox_bytes: gauge(
                book,
                "inbox_bytes",
                "Bytes of messages that wait for the loops.",
            ),
            sessions_behind: gauge(
                book,
                "sessions_behind",
                "Sessions whose sockets take no more for now.",
            ),
            channels: gauge(
                book,
                "channels",
                "Public channels whose messages are numbered; at most max-channels.",
            ),
            channels_full: counter(
                book,
                "channels_full_total",
                "Messages that were not sent, as their channel was one more than max-channels.",
            ),
            held_bytes: gauge(
                book,
                "held_bytes",
                "Bytes of last messages of channels, held for sessions that subscribe or are behind; at most snapshot-size.",
            ),
            unheld: counter(
                book,
                "unheld_total",
                "Messages that were sent and not held as the last of their channel, as that would be more than snapshot-size.",
            ),
            deliveries: counter(
                book,
                "deliveries_total",
                "Messages that sessions' sockets took.",
            ),
            missed: counter(
                book,
                "missed_total",
                "Messages that sessions were too far behind to get; they are told which.",
            ),
            gaps: counters(
                book,
                "gaps_total",
                "Gaps told: of reason slow by session and channel, of the others by family.",
                &["reason"],
            ),
            cuts: counter(
                book,
                "cuts_total",
                "Sessions ended because not a byte was taken for stall-limit.",
            ),
            session_panics: counter(
                book,
                "session_panics_total",
                "Sessions that ended because the host panicked over them.",
            ),
        }
    }
}
