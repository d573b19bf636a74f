//! What is counted by transform, and by revision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};

use super::family::FamilyMetrics;
use super::make::{Book, counters, fractions, gauges, histograms};

/// Stands for all fields that are not told apart.
pub const OTHER_FIELD: &str = "other";

/// How many fields of rejected events are told apart for one transform.
const MAX_FIELDS: usize = 32;

/// Fine around the 4 to 8 µs that a call takes, and up to just beyond the longest deadline that
/// can be set, 10 s, so that a call which was ended by it is in a bucket too.
const CALL_SECONDS: [f64; 16] = [
    1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6, 125e-6, 500e-6, 2e-3, 10e-3, 50e-3, 0.2, 1.0, 5.0,
    12.0,
];

#[derive(Clone, Debug)]
pub(super) struct PerTransform {
    pub(super) events: IntCounterVec,
    pub(super) dropped: IntCounterVec,
    pub(super) rejected: IntCounterVec,
    pub(super) rejected_fields: IntCounterVec,
    /// The fields that are told apart, by transform.
    pub(super) fields: Arc<Mutex<BTreeMap<Arc<str>, BTreeSet<String>>>>,
    pub(super) unmatched: IntCounterVec,
    pub(super) faults: IntCounterVec,
    pub(super) guard_blocks: IntCounterVec,
    pub(super) publications: IntCounterVec,
    pub(super) log_lines: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) queue_bytes: IntGaugeVec,
    pub(super) recent_bytes: IntGaugeVec,
    pub(super) out: IntGaugeVec,
    pub(super) paused: IntGaugeVec,
    pub(super) fallback: IntGaugeVec,
    pub(super) probation: IntGaugeVec,
    pub(super) probation_missing: IntGaugeVec,
    pub(super) swaps: IntCounterVec,
}

/// By transform and revision; only of those that run or stand ready.
#[derive(Clone, Debug)]
pub(super) struct PerRevision {
    pub(super) info: IntGaugeVec,
    pub(super) events: IntCounterVec,
    pub(super) faults: IntCounterVec,
    pub(super) guard_blocks: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) peak_memory: IntGaugeVec,
    pub(super) peak_call: GaugeVec,
    pub(super) peak_output: IntGaugeVec,
    pub(super) peak_publications: IntGaugeVec,
}

/// The metrics of one revision at work.
#[derive(Clone, Debug)]
pub struct RevisionMetrics {
    pub events: IntCounter,
    pub faults: IntCounter,
    pub guard_blocks: IntCounter,
    pub seconds: Histogram,
    /// What it has used at most, set when somebody asks.
    pub peak_memory: IntGauge,
    pub peak_call: Gauge,
    pub peak_output: IntGauge,
    pub peak_publications: IntGauge,
    /// Of what it publishes, in the order of its descriptor.
    pub families: Vec<Arc<FamilyMetrics>>,
}

/// The metrics of one transform.
#[derive(Clone, Debug)]
pub struct TransformMetrics {
    pub(super) name: Arc<str>,
    pub(super) by_transform: PerTransform,
    pub events: IntCounter,
    pub publications: IntCounter,
    pub seconds: Histogram,
    /// Messages that its subscriptions bring and its patterns do not match.
    pub unmatched: IntCounter,
    pub queue_bytes: IntGauge,
    /// Bytes of the last events, kept for plans.
    pub recent_bytes: IntGauge,
    /// 1 while the transform is put out after faults.
    pub out: IntGauge,
    /// 1 while the lanes let nothing through.
    pub paused: IntGauge,
    /// 1 while what is wanted cannot be made ready.
    pub fallback: IntGauge,
    /// 1 while a revision is on probation.
    pub probation: IntGauge,
    /// Events that it still needs to be judged by.
    pub probation_missing: IntGauge,
}

impl PerTransform {
    pub(super) fn new(r: &Book) -> Self {
        Self {
            events: counters(
                r,
                "events_total",
                "Events given to a transform.",
                &["transform"],
            ),
            dropped: counters(
                r,
                "events_dropped_total",
                "Events lost before the transform saw them.",
                &["transform", "reason"],
            ),
            rejected: counters(
                r,
                "events_rejected_total",
                "Events that the transform refused.",
                &["transform", "reason"],
            ),
            rejected_fields: counters(
                r,
                "events_rejected_by_field_total",
                "Events that the transform refused, by the field that it named.",
                &["transform", "field"],
            ),
            fields: Arc::default(),
            unmatched: counters(
                r,
                "events_unmatched_total",
                "Messages on upstream channels that a transform's subscriptions bring and its patterns do not match.",
                &["transform"],
            ),
            faults: counters(
                r,
                "transform_faults_total",
                "Calls that ended in a trap or at a limit.",
                &["transform", "kind"],
            ),
            guard_blocks: counters(
                r,
                "guard_blocks_total",
                "Publications stopped by the egress guard.",
                &["transform", "reason"],
            ),
            publications: counters(
                r,
                "publications_total",
                "Publications that passed the guard.",
                &["transform"],
            ),
            log_lines: counters(
                r,
                "guest_log_lines_total",
                "Log lines of components.",
                &["transform", "outcome"],
            ),
            seconds: histograms(
                r,
                "transform_seconds",
                "Time of one call of a transform.",
                &CALL_SECONDS,
                &["transform"],
            ),
            queue_bytes: gauges(
                r,
                "lane_queue_bytes",
                "Bytes of events waiting for a transform's lanes.",
                &["transform"],
            ),
            recent_bytes: gauges(
                r,
                "recent_events_bytes",
                "Bytes of the last events, kept for plans.",
                &["transform"],
            ),
            out: gauges(
                r,
                "transform_out",
                "1 while a transform is put out after faults.",
                &["transform"],
            ),
            paused: gauges(
                r,
                "transform_paused",
                "1 while a transform lets nothing through: paused, or waiting for what may run.",
                &["transform"],
            ),
            fallback: gauges(
                r,
                "transform_fallback",
                "1 while the revision that is wanted cannot be made ready and another runs, or none.",
                &["transform"],
            ),
            probation: gauges(
                r,
                "transform_probation",
                "1 while a transform's revision is on probation.",
                &["transform"],
            ),
            probation_missing: gauges(
                r,
                "transform_probation_missing_events",
                "Events that a revision on probation still needs to be judged by; the probation \
                 goes on until they came, or probation-max-time is over.",
                &["transform"],
            ),
            swaps: counters(
                r,
                "swaps_total",
                "Revisions that took over; `return` is Tidegate's own rollback.",
                &["transform", "kind"],
            ),
        }
    }
}

impl PerRevision {
    pub(super) fn new(r: &Book) -> Self {
        Self {
            info: gauges(
                r,
                "transform_revision_info",
                "1 for the revision that runs.",
                &["transform", "revision", "version"],
            ),
            events: counters(
                r,
                "revision_events_total",
                "Events given to a revision.",
                &["transform", "revision"],
            ),
            faults: counters(
                r,
                "revision_faults_total",
                "Calls of a revision that ended in a trap or at a limit.",
                &["transform", "revision"],
            ),
            guard_blocks: counters(
                r,
                "revision_guard_blocks_total",
                "Events of a revision of which the guard stopped something.",
                &["transform", "revision"],
            ),
            seconds: histograms(
                r,
                "revision_seconds",
                "Time of one event in a revision, the guard included.",
                &CALL_SECONDS,
                &["transform", "revision"],
            ),
            peak_memory: gauges(
                r,
                "revision_peak_memory_bytes",
                "The most memory that an instance of a revision has had.",
                &["transform", "revision"],
            ),
            peak_call: fractions(
                r,
                "revision_peak_call_seconds",
                "The longest call of a revision, by the clock.",
                &["transform", "revision"],
            ),
            peak_output: gauges(
                r,
                "revision_peak_output_bytes",
                "The most bytes that a revision has made of one event.",
                &["transform", "revision"],
            ),
            peak_publications: gauges(
                r,
                "revision_peak_publications",
                "The most publications that a revision has made of one event.",
                &["transform", "revision"],
            ),
        }
    }
}

impl TransformMetrics {
    pub fn dropped(&self, reason: &'static str) -> IntCounter {
        self.by_transform
            .dropped
            .with_label_values(&[&*self.name, reason])
    }

    pub fn rejected(&self, reason: &'static str) -> IntCounter {
        self.by_transform
            .rejected
            .with_label_values(&[&*self.name, reason])
    }

    /// Events that were refused for this field, or for another where there are too many.
    pub fn rejected_field(&self, field: &str) -> IntCounter {
        let mut fields = self.by_transform.fields.lock();
        let known = fields.entry(self.name.clone()).or_default();
        let field = match known.contains(field) {
            true => field,
            false if field != OTHER_FIELD && known.len() < MAX_FIELDS => {
                known.insert(field.to_owned());
                field
            }
            false => OTHER_FIELD,
        };
        self.by_transform
            .rejected_fields
            .with_label_values(&[&*self.name, field])
    }

    pub fn fault(&self, kind: &'static str) -> IntCounter {
        self.by_transform
            .faults
            .with_label_values(&[&*self.name, kind])
    }

    pub fn guard_block(&self, reason: &'static str) -> IntCounter {
        self.by_transform
            .guard_blocks
            .with_label_values(&[&*self.name, reason])
    }

    /// Revisions that took over: `apply`, `rollback`, `return` or `settings`.
    pub fn swapped(&self, kind: &'static str) -> IntCounter {
        self.by_transform
            .swaps
            .with_label_values(&[&*self.name, kind])
    }

    pub fn log_line(&self, outcome: &'static str) -> IntCounter {
        self.by_transform
            .log_lines
            .with_label_values(&[&*self.name, outcome])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::limits_from_json;
    use crate::transform::limits::Limits;

    #[test]
    fn fields_are_told_apart_up_to_a_number() {
        let metrics = crate::metrics::Metrics::new();
        for n in 0..100 {
            metrics
                .transform("t")
                .rejected_field(&format!("f{n}"))
                .inc();
        }
        let count = |field: &str| metrics.transform("t").rejected_field(field).get();
        assert_eq!((count("f0"), count("f31"), count(OTHER_FIELD)), (1, 1, 68));
        assert_eq!(metrics.transform("u").rejected_field("f99").get(), 0);
    }

    #[test]
    fn a_call_that_ran_into_the_longest_deadline_is_in_a_bucket() {
        let last = CALL_SECONDS.last().copied().unwrap();
        let with = |deadline: &str| {
            let json = serde_json::json!({ "deadline": deadline });
            limits_from_json(&Limits::default(), &json).is_ok()
        };
        assert!(with("10s"));
        assert!(
            !with(&format!("{last}s")),
            "longer deadlines need more buckets"
        );
    }
}
