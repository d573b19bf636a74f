//! A second reader of live events, for trials: it never holds up the first.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use prometheus::{IntCounter, IntGauge};

use super::queue::{Queue, Work};
use crate::event::Event;
use crate::transform::UpstreamPattern;

/// Bytes of events that may wait for a trial; over it the oldest are missed.
const LIMIT: usize = 4 << 20;

/// Where the events come out. Dropping it ends it.
#[derive(Debug)]
pub struct Tap {
    queue: Arc<Queue<Infallible>>,
    missed: IntCounter,
}

/// Where they go in, held by the intake.
#[derive(Debug)]
pub(super) struct Spout {
    patterns: Vec<UpstreamPattern>,
    queue: std::sync::Weak<Queue<Infallible>>,
}

impl Tap {
    pub(super) fn new(patterns: Vec<UpstreamPattern>, waiting: IntGauge) -> (Self, Spout) {
        let missed = IntCounter::new("missed", "Events that came too fast.")
            .expect("name and help are valid constants");
        let queue = Arc::new(Queue::new(LIMIT, waiting, missed.clone()));
        let spout = Spout {
            patterns,
            queue: Arc::downgrade(&queue),
        };
        (Self { queue, missed }, spout)
    }

    /// Waits for the next event until `deadline`.
    pub fn next(&self, deadline: Instant) -> Option<Arc<Event>> {
        match self.queue.pop_until(Some(deadline))? {
            Work::Event(event) => Some(event),
            Work::Order(never) => match never {},
        }
    }

    /// How many events came too fast.
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }
}

impl Spout {
    pub(super) fn is_open(&self) -> bool {
        self.queue.strong_count() > 0
    }

    pub(super) fn offer(&self, event: &Arc<Event>) {
        if let Some(queue) = self.queue.upgrade()
            && UpstreamPattern::any(&self.patterns, &event.channel)
        {
            queue.push(event.clone());
        }
    }
}
