//! What operators can count: every metric by name, in one place.
//!
//! Labels only ever hold names of transforms and fixed words, never what a client or an event
//! chose. Gauges that can be worked out when asked (`outbox_bytes`) are set by the admin side.

mod make;
mod transform;

use prometheus::core::Collector;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};

use self::make::{counter, counters, gauge, histogram};
use self::transform::{PerRevision, PerTransform};
pub use self::transform::{RevisionMetrics, TransformMetrics};

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
    pub refusals: IntGauge,
    pub refused: IntCounterVec,
    pub admin_connections: IntGauge,
    pub admin_refused: IntCounterVec,
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
    /// Bytes of events that wait for trials beside the lanes.
    pub tap_queue_bytes: IntGauge,
    /// Revisions on disk.
    pub revisions: IntGauge,
    pub compilations: IntCounterVec,
    /// Live hosts of the fleet, this one included.
    pub fleet_hosts: IntGauge,
    pub fleet_connected: IntGauge,
    /// Transforms that are not yet what the fleet wants here.
    pub fleet_behind: IntGauge,
    /// Bytes of log lines that wait to be written, and lines that never were.
    pub log_queue_bytes: IntGauge,
    pub log_lines_lost: IntCounter,
    /// Tasks and threads that do not run now though they should.
    pub tasks_down: IntGauge,
    pub task_ends: IntCounterVec,
    transform: PerTransform,
    revision: PerRevision,
}

/// Events that a transform rejected, of one reason.
#[derive(Debug)]
pub struct Rejected {
    pub transform: String,
    pub reason: String,
    pub events: u64,
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
            refusals: gauge(
                &r,
                "refusals",
                "Connections that are being told why they were refused.",
            ),
            refused: counters(
                &r,
                "connections_refused_total",
                "Connections turned away.",
                &["reason"],
            ),
            admin_connections: gauge(
                &r,
                "admin_connections",
                "Open connections of the admin listener.",
            ),
            admin_refused: counters(
                &r,
                "admin_connections_refused_total",
                "Connections of the admin listener turned away.",
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
            transform: PerTransform::new(&r),
            revision: PerRevision::new(&r),
            tap_queue_bytes: gauge(
                &r,
                "tap_queue_bytes",
                "Bytes of events waiting for trials beside the lanes.",
            ),
            revisions: gauge(&r, "revisions", "Revisions on disk."),
            compilations: counters(
                &r,
                "compilations_total",
                "Components compiled, taken from the cache, or refused.",
                &["outcome"],
            ),
            fleet_hosts: gauge(&r, "fleet_hosts", "Live hosts of the fleet; 0 without one."),
            fleet_connected: gauge(&r, "fleet_connected", "1 while the fleet's Redis answers."),
            fleet_behind: gauge(
                &r,
                "fleet_behind",
                "Transforms that do not run here yet as the fleet wants it.",
            ),
            log_queue_bytes: gauge(
                &r,
                "log_queue_bytes",
                "Bytes of log lines waiting to be written.",
            ),
            log_lines_lost: counter(
                &r,
                "log_lines_lost_total",
                "Log lines that did not fit into their queue or could not be written.",
            ),
            tasks_down: gauge(
                &r,
                "tasks_down",
                "Tasks and threads that ended unasked and do not run yet again.",
            ),
            task_ends: counters(
                &r,
                "task_ends_total",
                "Ends of tasks and threads that nobody asked for.",
                &["task"],
            ),
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
            recent_bytes: all.recent_bytes.with_label_values(&[name]),
            out: all.out.with_label_values(&[name]),
            paused: all.paused.with_label_values(&[name]),
            probation: all.probation.with_label_values(&[name]),
            name: name.into(),
            all,
        }
    }

    /// The handles for one revision of a transform; `revision` is its short name.
    pub fn revision(&self, transform: &str, revision: &str) -> RevisionMetrics {
        let labels = [transform, revision];
        RevisionMetrics {
            events: self.revision.events.with_label_values(&labels),
            faults: self.revision.faults.with_label_values(&labels),
            guard_blocks: self.revision.guard_blocks.with_label_values(&labels),
            seconds: self.revision.seconds.with_label_values(&labels),
        }
    }

    /// Says which revision of a transform runs, by its short name and its version, in place of
    /// the one before.
    pub fn running(&self, transform: &str, now: [&str; 2], before: Option<[&str; 2]>) {
        let info = &self.revision.info;
        if let Some([revision, version]) = before {
            // An error says that it was not there, which is as well.
            let _ = info.remove_label_values(&[transform, revision, version]);
        }
        let [revision, version] = now;
        info.with_label_values(&[transform, revision, version])
            .set(1);
    }

    /// Lets go of a revision's series, so that their number stays bounded.
    pub fn forget_revision(&self, transform: &str, revision: &str) {
        let labels = [transform, revision];
        let all = &self.revision;
        for counter in [&all.events, &all.faults, &all.guard_blocks] {
            let _ = counter.remove_label_values(&labels);
        }
        let _ = all.seconds.remove_label_values(&labels);
    }

    /// How many events each transform has rejected so far, by reason.
    pub fn rejected(&self) -> Vec<Rejected> {
        let families = self.transform.rejected.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        let rejected = |series: &prometheus::proto::Metric| {
            let label = |name: &str| {
                let label = series.get_label().iter().find(|label| label.name() == name);
                label.map(|label| label.value().to_owned())
            };
            Some(Rejected {
                transform: label("transform")?,
                reason: label("reason")?,
                // Counted in whole events.
                events: series.get_counter().get_value() as u64,
            })
        };
        series.filter_map(rejected).collect()
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
