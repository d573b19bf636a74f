//! From events to the hub: each transform has lanes of its own, a thread and an instance each.
//!
//! Events of one upstream channel stay in one lane, so their order is kept. A transform that
//! is slow or faulty holds up its own lanes and nobody else's; what waits for a lane is
//! bounded in bytes, and when it is full the oldest goes first.

mod lane;
mod queue;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use self::queue::Queue;
use crate::event::Event;
use crate::hub::Hub;
use crate::metrics::{Metrics, TransformMetrics};
use crate::registry::Registry;
use crate::transform::{self, UpstreamPattern};

/// Where the upstream hands over its events. It never waits.
#[derive(Debug)]
pub struct Intake {
    routes: Vec<Route>,
    max_event_size: usize,
    metrics: Metrics,
}

#[derive(Debug)]
struct Route {
    patterns: Vec<UpstreamPattern>,
    lanes: Vec<Arc<Queue>>,
    metrics: TransformMetrics,
}

/// Starts the lanes of all transforms. They end when the intake is dropped.
///
/// # Errors
/// When the machine has no thread left.
pub fn start(
    registry: &Registry,
    hub: &Arc<Hub>,
    metrics: &Metrics,
    queue_size: usize,
    max_event_size: usize,
) -> std::io::Result<Intake> {
    let mut routes = Vec::new();
    for live in registry.live() {
        let all = metrics;
        let metrics = all.transform(&live.component.descriptor.name);
        transform::declare(&metrics);
        for reason in ["queue_full", "too_large", "put_out"] {
            metrics.dropped(reason);
        }
        let mut lanes = Vec::new();
        for n in 0..live.lanes {
            let queue = Arc::new(Queue::new(queue_size, metrics.clone()));
            lane::spawn(n, live, &queue, hub, &metrics, all.upstream_lag.clone())?;
            lanes.push(queue);
        }
        routes.push(Route {
            patterns: live.component.descriptor.upstream_patterns.clone(),
            lanes,
            metrics,
        });
    }
    Ok(Intake {
        routes,
        max_event_size,
        metrics: metrics.clone(),
    })
}

impl Intake {
    /// Queues an event for every transform that asked for its channel.
    pub fn offer(&self, channel: String, payload: Vec<u8>) {
        self.metrics.upstream_messages.inc();
        let event = Arc::new(Event::new(channel, payload));
        let mut claimed = false;
        for route in self
            .routes
            .iter()
            .filter(|route| route.wants(&event.channel))
        {
            claimed = true;
            if event.payload.len() > self.max_event_size {
                route.metrics.dropped("too_large").inc();
            } else {
                route.lane_of(&event.channel).push(event.clone());
            }
        }
        if !claimed {
            self.metrics.upstream_unclaimed.inc();
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.routes
            .iter()
            .flat_map(|route| &route.lanes)
            .for_each(|queue| queue.close());
    }
}

impl Route {
    fn wants(&self, channel: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(channel))
    }

    fn lane_of(&self, channel: &str) -> &Queue {
        let mut hasher = DefaultHasher::new();
        channel.hash(&mut hasher);
        let lane = hasher.finish() % self.lanes.len() as u64;
        &self.lanes[usize::try_from(lane).expect("less than the number of lanes")]
    }
}
