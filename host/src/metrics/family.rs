//! What is counted by family of channels. A family's series are there as long as anything
//! that counts in them: a revision that runs or may return, a frame on its way.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::make::{Book, counters, histograms};

/// Loopback to a client that is far behind.
const DELIVERY_SECONDS: [f64; 16] = [
    50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0,
    5.0, 30.0,
];

/// Why a connected session did not get a message.
const SLOW: &str = "slow";
const CUT: &str = "cut";

#[derive(Clone, Debug)]
pub(super) struct PerFamily {
    messages: IntCounterVec,
    bytes: IntCounterVec,
    missed: IntCounterVec,
    replaced: IntCounterVec,
    seconds: HistogramVec,
    /// The families that somebody counts in, by name.
    held: Arc<Mutex<HashMap<String, Weak<FamilyMetrics>>>>,
}

/// The metrics of one family.
#[derive(Debug)]
pub struct FamilyMetrics {
    name: String,
    per: PerFamily,
    messages: IntCounter,
    bytes: IntCounter,
    slow: IntCounter,
    cut: IntCounter,
    replaced: IntCounter,
    seconds: Histogram,
}

impl PerFamily {
    pub(super) fn new(book: &Book) -> Self {
        Self {
            messages: counters(
                book,
                "family_messages_total",
                "Messages that sessions' sockets took.",
                &["family"],
            ),
            bytes: counters(
                book,
                "family_bytes_total",
                "Bytes of these messages, as they go over the wire.",
                &["family"],
            ),
            missed: counters(
                book,
                "family_missed_total",
                "Messages that a connected session did not get: it was too far behind, or was cut while they waited.",
                &["family", "why"],
            ),
            replaced: counters(
                book,
                "family_replaced_total",
                "Messages that a session was not sent, as a newer one of their channel took their place: of families that are delivered as latest.",
                &["family"],
            ),
            seconds: histograms(
                book,
                "delivery_seconds",
                "Time from the receipt of an event upstream until a session's socket took its message; one write in eight is measured.",
                &DELIVERY_SECONDS,
                &["family"],
            ),
            held: Arc::default(),
        }
    }

    pub(super) fn hold(&self, family: &str) -> Arc<FamilyMetrics> {
        let mut held = self.held.lock();
        if let Some(known) = held.get(family).and_then(Weak::upgrade) {
            return known;
        }
        let of = |counters: &IntCounterVec| counters.with_label_values(&[family]);
        let missed = |why: &str| self.missed.with_label_values(&[family, why]);
        let fresh = Arc::new(FamilyMetrics {
            messages: of(&self.messages),
            bytes: of(&self.bytes),
            slow: missed(SLOW),
            cut: missed(CUT),
            replaced: of(&self.replaced),
            seconds: self.seconds.with_label_values(&[family]),
            name: family.to_owned(),
            per: self.clone(),
        });
        held.insert(family.to_owned(), Arc::downgrade(&fresh));
        fresh
    }
}

impl FamilyMetrics {
    /// So many messages went into sockets, of so many bytes together.
    pub fn note_sent(&self, messages: u64, bytes: u64) {
        self.messages.inc_by(messages);
        self.bytes.inc_by(bytes);
    }

    /// Sessions were too far behind to get so many messages.
    pub fn note_missed(&self, messages: u64) {
        self.slow.inc_by(messages);
    }

    /// Messages that waited for a session were thrown away as that was cut.
    pub fn note_cut(&self, messages: u64) {
        self.cut.inc_by(messages);
    }

    /// Newer messages took the place of so many that waited for a session.
    pub fn note_replaced(&self, messages: u64) {
        self.replaced.inc_by(messages);
    }

    /// A socket took the last byte of a frame, so long after its event came.
    pub fn note_delay(&self, delay: Duration) {
        self.seconds.observe(delay.as_secs_f64());
    }
}

impl Drop for FamilyMetrics {
    fn drop(&mut self) {
        let mut held = self.per.held.lock();
        // Somebody may hold the family anew, and counts in the same series.
        if held
            .get(&self.name)
            .is_some_and(|known| known.strong_count() > 0)
        {
            return;
        }
        held.remove(&self.name);
        let family = [self.name.as_str()];
        let _ = self.per.messages.remove_label_values(&family);
        let _ = self.per.bytes.remove_label_values(&family);
        let _ = self.per.replaced.remove_label_values(&family);
        let _ = self.per.seconds.remove_label_values(&family);
        for why in [SLOW, CUT] {
            let _ = self
                .per
                .missed
                .remove_label_values(&[self.name.as_str(), why]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;

    #[test]
    fn a_familys_series_begin_at_zero_and_go_when_nobody_counts_in_them() {
        let metrics = Metrics::new();
        let [first, second] = [(), ()].map(|()| metrics.family("ticks"));
        first.note_cut(1);
        let text = metrics.render();
        for line in [
            r#"tidegate_family_messages_total{family="ticks"} 0"#,
            r#"tidegate_family_missed_total{family="ticks",why="cut"} 1"#,
            r#"tidegate_family_missed_total{family="ticks",why="slow"} 0"#,
            r#"tidegate_delivery_seconds_count{family="ticks"} 0"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        drop(first);
        assert!(metrics.render().contains("ticks"));
        drop(second);
        assert!(!metrics.render().contains("ticks"));
        let _again = metrics.family("ticks");
        let text = metrics.render();
        assert!(text.contains(r#"tidegate_family_missed_total{family="ticks",why="cut"} 0"#));
    }
}
