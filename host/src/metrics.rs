//! What operators can count: every metric by name, in one place.
//!
//! Labels only ever hold names of transforms and fixed words, never what a client or an event
//! chose. Gauges that can be worked out when asked (`outbox_bytes`) are set by the admin side.

use std::sync::Arc;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// Fine around the 4 to 8 µs that a call takes, and up to beyond the default deadline of 10 ms.
const CALL_SECONDS: [f64; 12] = [
    1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6, 125e-6, 500e-6, 2e-3, 10e-3, 50e-3,
];

/// Receipt to publication: microseconds when all is well, seconds when a lane is behind.
const LAG_SECONDS: [f64; 12] = [
    10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1.0, 10.0,
];

/// Handles of all metrics; clones share the same counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    pub connections: IntGauge,
    pub pending_upgrades: IntGauge,
    pub subscriptions: IntGauge,
    pub outbox_bytes: IntGauge,
    pub refused: IntCounterVec,
    pub closed: IntCounterVec,
    pub client_errors: IntCounterVec,
    pub deliveries: IntCounter,
    pub skips: IntCounter,
    pub cuts: IntCounter,
    pub upstream_connected: IntGauge,
    pub upstream_outages: IntCounter,
    pub upstream_messages: IntCounter,
    pub upstream_unclaimed: IntCounter,
    pub upstream_lag: Histogram,
    transform: PerTransform,
}

#[derive(Clone, Debug)]
struct PerTransform {
    events: IntCounterVec,
    dropped: IntCounterVec,
    rejected: IntCounterVec,
    faults: IntCounterVec,
    guard_blocks: IntCounterVec,
    publications: IntCounterVec,
    log_lines: IntCounterVec,
    seconds: HistogramVec,
    queue_bytes: IntGaugeVec,
    out: IntGaugeVec,
}

/// The metrics of one transform.
#[derive(Clone, Debug)]
pub struct TransformMetrics {
    name: Arc<str>,
    all: PerTransform,
    pub events: IntCounter,
    pub publications: IntCounter,
    pub seconds: Histogram,
    pub queue_bytes: IntGauge,
    /// 1 while the transform is put out after faults.
    pub out: IntGauge,
}

impl Metrics {
    /// A registry of its own for each host, so that tests in one process do not share counts.
    ///
    /// # Panics
    /// Never in practice: names and buckets are constants, each registered once.
    pub fn new() -> Self {
        let r = Registry::new();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        r.register(Box::new(process))
            .expect("the process collector is registered once");
        Self {
            connections: gauge(&r, "connections", "Live sessions."),
            pending_upgrades: gauge(
                &r,
                "pending_upgrades",
                "Accepted connections that have not finished their upgrade.",
            ),
            subscriptions: gauge(&r, "subscriptions", "Subscriptions held by all sessions."),
            outbox_bytes: gauge(&r, "outbox_bytes", "Bytes waiting for all sessions."),
            refused: counters(
                &r,
                "connections_refused_total",
                "Connections turned away.",
                &["reason"],
            ),
            closed: counters(
                &r,
                "sessions_closed_total",
                "Connections that ended after their upgrade, those that were refused included.",
                &["reason"],
            ),
            client_errors: counters(
                &r,
                "client_errors_total",
                "Error messages sent to clients.",
                &["code"],
            ),
            deliveries: counter(&r, "deliveries_total", "Messages queued for a session."),
            skips: counter(
                &r,
                "skips_total",
                "Messages not sent to a session that is behind.",
            ),
            cuts: counter(
                &r,
                "cuts_total",
                "Sessions ended because they were too far behind.",
            ),
            upstream_connected: gauge(&r, "upstream_connected", "1 while subscribed upstream."),
            upstream_outages: counter(
                &r,
                "upstream_outages_total",
                "Times that the upstream subscription was lost.",
            ),
            upstream_messages: counter(
                &r,
                "upstream_messages_total",
                "Messages received from upstream.",
            ),
            upstream_unclaimed: counter(
                &r,
                "upstream_unclaimed_total",
                "Messages from upstream that no transform asked for.",
            ),
            upstream_lag: histogram(
                &r,
                "upstream_lag_seconds",
                "Time from receipt of an event to its publication.",
                &LAG_SECONDS,
            ),
            transform: PerTransform {
                events: counters(
                    &r,
                    "events_total",
                    "Events given to a transform.",
                    &["transform"],
                ),
                dropped: counters(
                    &r,
                    "events_dropped_total",
                    "Events lost before the transform saw them.",
                    &["transform", "reason"],
                ),
                rejected: counters(
                    &r,
                    "events_rejected_total",
                    "Events that the transform refused.",
                    &["transform", "reason"],
                ),
                faults: counters(
                    &r,
                    "transform_faults_total",
                    "Calls that ended in a trap or at a limit.",
                    &["transform", "kind"],
                ),
                guard_blocks: counters(
                    &r,
                    "guard_blocks_total",
                    "Publications stopped by the egress guard.",
                    &["transform", "reason"],
                ),
                publications: counters(
                    &r,
                    "publications_total",
                    "Publications that passed the guard.",
                    &["transform"],
                ),
                log_lines: counters(
                    &r,
                    "guest_log_lines_total",
                    "Log lines of components.",
                    &["transform", "outcome"],
                ),
                seconds: histograms(
                    &r,
                    "transform_seconds",
                    "Time of one call of a transform.",
                    &CALL_SECONDS,
                ),
                queue_bytes: gauges(
                    &r,
                    "lane_queue_bytes",
                    "Bytes of events waiting for a transform's lanes.",
                ),
                out: gauges(
                    &r,
                    "transform_out",
                    "1 while a transform is put out after faults.",
                ),
            },
            registry: r,
        }
    }

    /// The handles for one transform, which exist (at zero) from now on.
    pub fn transform(&self, name: &str) -> TransformMetrics {
        let all = self.transform.clone();
        TransformMetrics {
            events: all.events.with_label_values(&[name]),
            publications: all.publications.with_label_values(&[name]),
            seconds: all.seconds.with_label_values(&[name]),
            queue_bytes: all.queue_bytes.with_label_values(&[name]),
            out: all.out.with_label_values(&[name]),
            name: name.into(),
            all,
        }
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String fails only for a metric without samples, which is left out.
        let _ = prometheus::TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl TransformMetrics {
    pub fn dropped(&self, reason: &'static str) -> IntCounter {
        self.all.dropped.with_label_values(&[&*self.name, reason])
    }

    pub fn rejected(&self, reason: &'static str) -> IntCounter {
        self.all.rejected.with_label_values(&[&*self.name, reason])
    }

    pub fn fault(&self, kind: &'static str) -> IntCounter {
        self.all.faults.with_label_values(&[&*self.name, kind])
    }

    pub fn guard_block(&self, reason: &'static str) -> IntCounter {
        self.all
            .guard_blocks
            .with_label_values(&[&*self.name, reason])
    }

    pub fn log_line(&self, outcome: &'static str) -> IntCounter {
        self.all
            .log_lines
            .with_label_values(&[&*self.name, outcome])
    }
}

fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> M {
    let metric = metric.expect("names, labels and buckets are valid constants");
    registry
        .register(Box::new(metric.clone()))
        .expect("each name is registered once");
    metric
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("tidegate")
}

fn gauge(r: &Registry, name: &str, help: &str) -> IntGauge {
    register(r, IntGauge::with_opts(opts(name, help)))
}

fn gauges(r: &Registry, name: &str, help: &str) -> IntGaugeVec {
    register(r, IntGaugeVec::new(opts(name, help), &["transform"]))
}

fn counter(r: &Registry, name: &str, help: &str) -> IntCounter {
    register(r, IntCounter::with_opts(opts(name, help)))
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(r, IntCounterVec::new(opts(name, help), labels))
}

fn histogram(r: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    register(
        r,
        Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec())),
    )
}

fn histograms(r: &Registry, name: &str, help: &str, buckets: &[f64]) -> HistogramVec {
    register(
        r,
        HistogramVec::new(
            HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec()),
            &["transform"],
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_the_prefix_and_counts() {
        let metrics = Metrics::new();
        metrics.deliveries.inc_by(3);
        metrics.transform("t").fault("trap").inc();
        let text = metrics.render();
        assert!(text.contains("tidegate_deliveries_total 3"), "{text}");
        assert!(
            text.contains(r#"tidegate_transform_faults_total{kind="trap",transform="t"} 1"#),
            "{text}"
        );
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
}
