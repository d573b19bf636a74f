//! Events that a transform rejects, for the log: which reason, and how many since the last
//! line. They are counted as they happen, and looked at once a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Sparing;
use crate::metrics::{Metrics, RejectedEvents};

const LOOK: Duration = Duration::from_secs(1);

/// At most one line in this time for each transform and reason.
const PAUSE: Duration = Duration::from_secs(10);

/// What has been said so far. Bounded by the transforms that there were, times the reasons
/// of the contract.
#[derive(Debug, Default)]
struct RejectionLog(BTreeMap<(String, String), LoggedReason>);

#[derive(Debug)]
struct LoggedReason {
    seen: u64,
    sparing: Sparing,
}

/// Says how many events were rejected, for as long as the host lives.
pub(super) async fn say_rejections(metrics: &Metrics) {
    let mut rejections = RejectionLog::default();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        for due in rejections.due(metrics.rejected(), Instant::now()) {
            let RejectedEvents {
                transform,
                reason,
                events,
            } = due;
            tracing::warn!(
                transform,
                reason,
                events,
                "events were rejected by their transform"
            );
        }
    }
}

impl RejectionLog {
    /// What is to be said now, with the events since the line before.
    fn due(&mut self, counted: Vec<RejectedEvents>, now: Instant) -> Vec<RejectedEvents> {
        let due = |RejectedEvents {
                       transform,
                       reason,
                       events,
                   }| {
            let of = (transform, reason);
            let said = self.0.entry(of.clone()).or_insert_with(|| LoggedReason {
                seen: 0,
                sparing: Sparing::new(1, PAUSE),
            });
            let more = events.saturating_sub(said.seen);
            said.seen = events;
            said.sparing.leave_out(more);
            let (transform, reason) = of;
            let events = said.sparing.rest(now)?;
            Some(RejectedEvents {
                transform,
                reason,
                events,
            })
        };
        counted.into_iter().filter_map(due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(events: u64) -> Vec<RejectedEvents> {
        let (transform, reason) = ("t".into(), "malformed".into());
        vec![RejectedEvents {
            transform,
            reason,
            events,
        }]
    }

    #[test]
    fn the_first_is_said_at_once_and_the_rest_together_later() {
        let mut rejections = RejectionLog::default();
        let start = Instant::now();
        let mut due = |events, now| {
            let due = rejections.due(counted(events), now);
            due.first().map(|due| due.events)
        };
        assert_eq!(due(0, start), None);
        assert_eq!(due(1, start + LOOK), Some(1));
        assert_eq!(due(15_000, start + 2 * LOOK), None);
        assert_eq!(due(20_000, start + 3 * LOOK), None);
        assert_eq!(due(20_000, start + LOOK + PAUSE), Some(19_999));
        assert_eq!(due(20_000, start + LOOK + 2 * PAUSE), None);
    }
}
