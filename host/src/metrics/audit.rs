//! What is counted of the audit log, and of those who were not let near what it is about.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::make::{Book, counter, counters, gauge};

/// The metrics of the audit log.
#[derive(Clone, Debug)]
pub struct AuditMetrics {
    pub entries: IntCounter,
    /// Entries that are not on the disk yet.
    pub waiting: IntGauge,
    /// Entries that found no room to wait.
    pub lost: IntCounter,
    /// 1 while the fleet does not have what is written.
    pub unshared: IntGauge,
    /// Requests of the admin API that were refused for their token.
    pub tries: IntCounterVec,
}

impl AuditMetrics {
    pub(super) fn new(book: &Book) -> Self {
        let metrics = Self {
            entries: counter(
                book,
                "audit_entries_total",
                "Lines written to the audit log.",
            ),
            waiting: gauge(
                book,
                "audit_waiting",
                "Entries that wait, as the audit log cannot be written.",
            ),
            lost: counter(
                book,
                "audit_lost_total",
                "Entries of the audit log that found no room to wait.",
            ),
            unshared: gauge(
                book,
                "audit_unshared",
                "1 while lines of the audit log are not in the history that a fleet's hosts share.",
            ),
            tries: counters(
                book,
                "admin_tries_total",
                "Requests of the admin API that were refused as their token is none, or of a lesser role.",
                &["result"],
            ),
        };
        for result in ["unauthorized", "forbidden"] {
            metrics.tries.with_label_values(&[result]);
        }
        metrics
    }
}
