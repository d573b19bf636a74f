//! Which Redis server events come from, how often it was another one, and what it refuses.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::make::{Book, counter, counters, gauge, gauges};

#[derive(Debug, Clone)]
pub struct ServerMetrics {
    pub kind: IntGaugeVec,
    pub moves: IntCounterVec,
    pub duplicates: IntCounter,
    pub remembered: IntGauge,
    pub waiting: IntGauge,
    pub denied: IntGauge,
}

impl ServerMetrics {
    pub(super) fn new(book: &Book) -> Self {
        Self {
            kind: gauges(
                book,
                "upstream_kind",
                "1 for what the upstream is: single, cluster, sentinel, built_in, relay on an edge host, or unknown before it answered.",
                &["kind"],
            ),
            moves: counters(
                book,
                "upstream_moves_total",
                "Times that the subscription went to another Redis server, by why the last one was left.",
                &["reason"],
            ),
            duplicates: counter(
                book,
                "upstream_duplicates_total",
                "Events that two Redis servers brought around a move and that were let through once.",
            ),
            remembered: gauge(
                book,
                "upstream_remembered_events",
                "Events that are remembered in case of a move, at most redis-move-events.",
            ),
            waiting: gauge(
                book,
                "upstream_waiting_bytes",
                "Bytes of events of the next Redis server that wait for the last one around a move, at most redis-move-size.",
            ),
            denied: gauge(
                book,
                "upstream_denied",
                "Upstream channels and patterns that transforms ask for and Redis refuses.",
            ),
        }
    }
}
