//! What operators can count: every metric by name, in one place.
//!
//! Labels only ever hold names from descriptors and fixed words, never what a client or an
//! event chose. Gauges that can be worked out when asked are set by the admin side.

mod audit;
mod compiling;
mod document;
mod family;
mod fleet_limits;
mod jwt;
mod make;
mod process;
mod rejected;
mod relay;
mod servers;
mod stream;
mod transform;
mod usage;

use std::sync::Arc;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

pub use self::audit::AuditMetrics;
pub use self::compiling::CompilingMetrics;
pub use self::document::document;
pub use self::family::FamilyMetrics;
use self::family::PerFamily;
pub use self::fleet_limits::FleetLimitMetrics;
pub use self::jwt::JwtMetrics;
use self::make::{Book, counter, counters, gauge, gauges, histogram};
use self::process::ProcessMetrics;
pub use self::rejected::RejectedEvents;
use self::rejected::rejected_events;
pub use self::relay::RelayMetrics;
pub use self::servers::ServerMetrics;
pub use self::stream::StreamMetrics;
pub use self::transform::{OTHER_FIELD, RevisionMetrics, TransformMetrics};
use self::transform::{PerRevision, PerTransform};
pub use self::usage::UsageMetrics;

/// Receipt to publication: microseconds when all is well, a minute when a lane is far behind.
const LAG_SECONDS: [f64; 14] = [
    10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0,
];

/// Handles of all metrics; clones share the same counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    book: Book,
    /// 1 while the file can be used, or where there is none.
    pub key_file_ok: IntGauge,
    pub keys: IntGauge,
    pub token_file_ok: IntGauge,
    pub jwt: JwtMetrics,
    /// 1 while the state folder can be written to, or where there is none.
    pub state_writable: IntGauge,
    pub state_behind: IntGauge,
    pub connections: IntGauge,
    pub pending_upgrades: IntGauge,
    pub subscriptions: IntGauge,
    pub refusals: IntGauge,
    pub refused: IntCounterVec,
    pub addresses: IntGauge,
    pub addresses_uncounted: IntCounter,
    pub forwarded_malformed: IntCounter,
    pub admin_connections: IntGauge,
    pub admin_refused: IntCounterVec,
    pub closed: IntCounterVec,
    pub client_errors: IntCounterVec,
    pub upstream_connected: IntGauge,
    pub upstream_outages: IntCounter,
    pub servers: ServerMetrics,
    pub upstream_messages: IntCounter,
    pub upstream_unclaimed: IntCounter,
    pub upstream_lag: Histogram,
    /// Bytes of events that wait for revisions which are tried beside the lanes.
    pub tap_queue_bytes: IntGauge,
    /// Revisions on disk.
    pub revisions: IntGauge,
    pub compiling: CompilingMetrics,
    pub audit: AuditMetrics,
    /// Live hosts of the fleet, this one included.
    pub fleet_hosts: IntGauge,
    pub fleet_connected: IntGauge,
    /// Transforms that are not yet what the fleet wants here.
    pub fleet_behind: IntGauge,
    pub fleet_limits: FleetLimitMetrics,
    /// Bytes of log lines that wait to be written, and lines that never were.
    pub log_queue_bytes: IntGauge,
    pub log_lines_lost: IntCounter,
    /// Tasks and threads that do not run now though they should.
    pub tasks_down: IntGauge,
    pub task_ends: IntCounterVec,
    pub relay: RelayMetrics,
    pub stream: StreamMetrics,
    pub usage: UsageMetrics,
    family: PerFamily,
    transform: PerTransform,
    revision: PerRevision,
}

impl Metrics {
    /// A registry of its own for each host, so that tests in one process do not share counts.
    ///
    /// # Panics
    /// Never in practice: names and buckets are constants, each registered once.
    pub fn new() -> Self {
        let r = Book::new("The host");
        let clients = r.under("Clients");
        let upstream = r.under("Upstream");
        let transforms = r.under("Transforms");
        let fleet = r.under("Fleet");
        let build = gauges(
            &r,
            "build_info",
            "1, with what runs.",
            &["version", "os", "arch"],
        );
        let [os, arch] = [std::env::consts::OS, std::env::consts::ARCH];
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), os, arch])
            .set(1);
        Self {
            key_file_ok: gauge(
                &r,
                "key_file_ok",
                "1 while the keys file, or all keys in Redis, can be used, or where there is none.",
            ),
            keys: gauge(
                &r,
                "keys",
                "API keys that are known, those that are not in force included; at most 1,000,000.",
            ),
            token_file_ok: gauge(
                &r,
                "token_file_ok",
                "1 while the admin tokens file can be used, or where there is none.",
            ),
            jwt: JwtMetrics::new(&clients),
            state_writable: gauge(
                &r,
                "state_writable",
                "1 while the state folder can be written to, or where there is none; tried every 5 s.",
            ),
            state_behind: gauge(
                &r,
                "state_behind",
                "1 while something was decided that the state folder has not taken yet.",
            ),
            connections: gauge(&clients, "connections", "Live sessions."),
            pending_upgrades: gauge(
                &clients,
                "pending_upgrades",
                "Accepted connections that have not finished their upgrade.",
            ),
            subscriptions: gauge(
                &clients,
                "subscriptions",
                "Subscriptions held by all sessions.",
            ),
            refusals: gauge(
                &clients,
                "refusals",
                "Connections that are being told why they were refused.",
            ),
            refused: counters(
                &clients,
                "connections_refused_total",
                "Connections turned away.",
                &["reason"],
            ),
            addresses: gauge(&clients, "addresses", "Client addresses that are counted."),
            addresses_uncounted: counter(
                &clients,
                "addresses_uncounted_total",
                "Connections that were let in uncounted, as there were too many addresses.",
            ),
            forwarded_malformed: counter(
                &clients,
                "forwarded_malformed_total",
                "Requests of trusted proxies whose header cannot be read; the proxy's own address is used.",
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
                &clients,
                "sessions_closed_total",
                "Connections that ended after their upgrade, those that were refused included.",
                &["reason"],
            ),
            client_errors: counters(
                &clients,
                "client_errors_total",
                "Error messages sent to clients.",
                &["code"],
            ),
            upstream_connected: gauge(
                &upstream,
                "upstream_connected",
                "1 while subscribed upstream.",
            ),
            upstream_outages: counter(
                &upstream,
                "upstream_outages_total",
                "Times that the upstream subscription was lost.",
            ),
            servers: ServerMetrics::new(&upstream),
            upstream_messages: counter(
                &upstream,
                "upstream_messages_total",
                "Messages received from upstream.",
            ),
            upstream_unclaimed: counter(
                &upstream,
                "upstream_unclaimed_total",
                "Messages from upstream that no transform asked for.",
            ),
            upstream_lag: histogram(
                &upstream,
                "upstream_lag_seconds",
                "Time from receipt of an event to its publication.",
                &LAG_SECONDS,
            ),
            relay: RelayMetrics::new(&r.under("Ingest and edge")),
            stream: StreamMetrics::new(&clients),
            usage: UsageMetrics::new(&clients),
            family: PerFamily::new(&r.under("Families")),
            transform: PerTransform::new(&transforms),
            revision: PerRevision::new(&r.under("Revisions")),
            tap_queue_bytes: gauge(
                &transforms,
                "tap_queue_bytes",
                "Bytes of events waiting for shadows.",
            ),
            revisions: gauge(&transforms, "revisions", "Revisions on disk."),
            compiling: CompilingMetrics::new(&transforms),
            audit: AuditMetrics::new(&r),
            fleet_hosts: gauge(
                &fleet,
                "fleet_hosts",
                "Live hosts of the fleet; 0 without one.",
            ),
            fleet_connected: gauge(
                &fleet,
                "fleet_connected",
                "1 while the fleet's Redis answers.",
            ),
            fleet_behind: gauge(
                &fleet,
                "fleet_behind",
                "Transforms that do not run here yet as the fleet wants it.",
            ),
            fleet_limits: FleetLimitMetrics::new(&fleet),
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
            book: {
                r.under("The process").register(ProcessMetrics::new());
                r
            },
        }
    }

    /// The handles for one family, which exist (at zero) as long as somebody holds them.
    pub fn family(&self, name: &str) -> Arc<FamilyMetrics> {
        self.family.hold(name)
    }

    /// The handles for one transform, which exist (at zero) from now on.
    pub fn transform(&self, name: &str) -> TransformMetrics {
        let metrics = self.transform.clone();
        TransformMetrics {
            events: metrics.events.with_label_values(&[name]),
            publications: metrics.publications.with_label_values(&[name]),
            unmatched: metrics.unmatched.with_label_values(&[name]),
            seconds: metrics.seconds.with_label_values(&[name]),
            queue_bytes: metrics.queue_bytes.with_label_values(&[name]),
            recent_bytes: metrics.recent_bytes.with_label_values(&[name]),
            out: metrics.out.with_label_values(&[name]),
            paused: metrics.paused.with_label_values(&[name]),
            fallback: metrics.fallback.with_label_values(&[name]),
            probation: metrics.probation.with_label_values(&[name]),
            probation_missing: metrics.probation_missing.with_label_values(&[name]),
            name: name.into(),
            by_transform: metrics,
        }
    }

    /// The handles for one revision of a transform; `revision` is its short name, `families`
    /// those that it publishes to.
    pub fn revision(&self, transform: &str, revision: &str, families: &[&str]) -> RevisionMetrics {
        let (labels, metrics) = ([transform, revision], &self.revision);
        RevisionMetrics {
            events: metrics.events.with_label_values(&labels),
            faults: metrics.faults.with_label_values(&labels),
            guard_blocks: metrics.guard_blocks.with_label_values(&labels),
            seconds: metrics.seconds.with_label_values(&labels),
            peak_memory: metrics.peak_memory.with_label_values(&labels),
            peak_call: metrics.peak_call.with_label_values(&labels),
            peak_output: metrics.peak_output.with_label_values(&labels),
            peak_publications: metrics.peak_publications.with_label_values(&labels),
            families: families.iter().map(|family| self.family(family)).collect(),
        }
    }

    /// Says which revision of a transform runs, by its short name and its version, in place of
    /// the one before; none where no one does any more.
    pub fn running(&self, transform: &str, now: Option<[&str; 2]>, before: Option<[&str; 2]>) {
        let info = &self.revision.info;
        if let Some([revision, version]) = before {
            // An error says that the series was not there, which is as well.
            let _ = info.remove_label_values(&[transform, revision, version]);
        }
        if let Some([revision, version]) = now {
            let running = info.with_label_values(&[transform, revision, version]);
            running.set(1);
        }
    }

    /// Lets go of a revision's series, so that their number stays bounded.
    pub fn forget_revision(&self, transform: &str, revision: &str) {
        let (labels, series) = ([transform, revision], &self.revision);
        for counter in [&series.events, &series.faults, &series.guard_blocks] {
            let _ = counter.remove_label_values(&labels);
        }
        for gauge in [&series.peak_memory, &series.peak_output] {
            let _ = gauge.remove_label_values(&labels);
        }
        let _ = series.peak_publications.remove_label_values(&labels);
        let _ = series.peak_call.remove_label_values(&labels);
        let _ = series.seconds.remove_label_values(&labels);
    }

    /// How many events each transform has rejected so far, by reason.
    pub fn rejected(&self) -> Vec<RejectedEvents> {
        rejected_events(&self.transform.rejected)
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String fails only for a metric without samples, which is left out.
        let _ = prometheus::TextEncoder::new().encode_utf8(&self.book.registry.gather(), &mut text);
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
        metrics.stream.deliveries.inc_by(3);
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
