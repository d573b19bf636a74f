//! What is counted of messages on their way from ingest hosts to edge hosts.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::make::{Book, counter, counters, gauge};

/// What became of a message that an ingest host handed to Redis.
const VERDICTS: [&str; 3] = ["first", "second", "away"];

/// The metrics of ingest and edge hosts; all stay at zero where a host is both.
#[derive(Clone, Debug)]
pub struct RelayMetrics {
    /// 1 while Redis takes what an ingest host hands on, or brings it to an edge host.
    pub connected: IntGauge,
    pub queue_bytes: IntGauge,
    pub dropped: IntCounter,
    pub sent: IntCounterVec,
    pub ingests: IntGauge,
    pub channels: IntGauge,
    pub patterns: IntGauge,
    pub received: IntCounter,
    pub rejected: IntCounter,
    pub missed: IntCounter,
    pub renumbered: IntCounter,
}

impl RelayMetrics {
    pub(super) fn new(book: &Book) -> Self {
        let metrics = Self {
            connected: gauge(
                book,
                "relay_connected",
                "1 while Redis takes the messages of an ingest host, or brings them to an edge host.",
            ),
            queue_bytes: gauge(
                book,
                "relay_queue_bytes",
                "Bytes of messages of an ingest host that wait for Redis; at most relay-queue-size.",
            ),
            dropped: counter(
                book,
                "relay_dropped_total",
                "Messages of an ingest host that did not fit into that queue, or whose channel was one more than max-channels.",
            ),
            sent: counters(
                book,
                "relay_sent_total",
                "Messages of an ingest host by what became of them: first went out, second had gone out already, away were left to the other ingest hosts.",
                &["verdict"],
            ),
            ingests: gauge(
                book,
                "relay_ingests",
                "Live ingest hosts, as an ingest or edge host sees them.",
            ),
            channels: gauge(
                book,
                "relay_channels",
                "Public channels that an edge host is subscribed to in Redis.",
            ),
            patterns: gauge(
                book,
                "relay_patterns",
                "Channels and patterns that sessions of an edge host hold or held a short while ago.",
            ),
            received: counter(
                book,
                "relay_received_total",
                "Messages that Redis brought to an edge host.",
            ),
            rejected: counter(
                book,
                "relay_rejected_total",
                "Messages that Redis brought to an edge host and that are none of an ingest host.",
            ),
            missed: counter(
                book,
                "relay_missed_total",
                "Numbers of messages that never came to an edge host, and were told as gaps.",
            ),
            renumbered: counter(
                book,
                "relay_renumbered_total",
                "Times that the numbers of an edge host began anew, so that its sessions ended.",
            ),
        };
        for verdict in VERDICTS {
            metrics.sent.with_label_values(&[verdict]);
        }
        metrics
    }
}
