//! What is counted of the counting of usage.

use prometheus::{IntCounter, IntGauge};

use super::make::{Book, counter, gauge};

#[derive(Clone, Debug)]
pub struct UsageMetrics {
    pub waiting: IntGauge,
    pub lumped: IntCounter,
    pub unwritten: IntGauge,
}

impl UsageMetrics {
    pub(super) fn new(book: &Book) -> Self {
        Self {
            waiting: gauge(
                book,
                "usage_waiting",
                "Keys and subjects whose usage is not written down yet, each day for itself; at most usage-keys and one a day.",
            ),
            lumped: counter(
                book,
                "usage_lumped_messages_total",
                "Messages whose key was one more than usage-keys, and that are counted together.",
            ),
            unwritten: gauge(
                book,
                "usage_unwritten",
                "1 while usage cannot be written where all hosts of the fleet have theirs.",
            ),
        }
    }
}
