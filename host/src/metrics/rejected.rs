//! How many events transforms rejected, read back from what is counted.

use prometheus::IntCounterVec;
use prometheus::core::Collector as _;

/// Events that a transform rejected, of one reason.
#[derive(Debug)]
pub struct RejectedEvents {
    pub transform: String,
    pub reason: String,
    pub events: u64,
}

/// How many events each transform has rejected so far, by reason.
pub(super) fn rejected_events(rejected: &IntCounterVec) -> Vec<RejectedEvents> {
    let families = rejected.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    let rejected = |series: &prometheus::proto::Metric| {
        let label = |name: &str| {
            let label = series.get_label().iter().find(|label| label.name() == name);
            label.map(|label| label.value().to_owned())
        };
        Some(RejectedEvents {
            transform: label("transform")?,
            reason: label("reason")?,
            // Counted in whole events.
            events: series.get_counter().get_value() as u64,
        })
    };
    series.filter_map(rejected).collect()
}
