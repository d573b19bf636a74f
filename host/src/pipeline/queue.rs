//! What waits for a lane, bounded in bytes: the reader of the upstream never waits, so when
//! the queue is full the oldest events make room.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::event::Event;
use crate::metrics::TransformMetrics;

#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    metrics: TransformMetrics,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(limit: usize, metrics: TransformMetrics) -> Self {
        Self {
            limit,
            metrics,
            state: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    pub(super) fn push(&self, event: Arc<Event>) {
        let cost = event.cost();
        let mut state = self.state.lock();
        while state.bytes + cost > self.limit {
            let Some(oldest) = state.events.pop_front() else {
                break;
            };
            self.forget(&mut state, &oldest);
            self.metrics.dropped("queue_full").inc();
        }
        state.bytes += cost;
        self.metrics.queue_bytes.add(gauge(cost));
        state.events.push_back(event);
        drop(state);
        self.filled.notify_one();
    }

    /// Waits for the next event; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<Arc<Event>> {
        let mut state = self.state.lock();
        loop {
            if let Some(event) = state.events.pop_front() {
                self.forget(&mut state, &event);
                return Some(event);
            }
            if state.closed {
                return None;
            }
            self.filled.wait(&mut state);
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }

    fn forget(&self, state: &mut State, event: &Event) {
        state.bytes -= event.cost();
        self.metrics.queue_bytes.sub(gauge(event.cost()));
    }
}

fn gauge(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn event(name: &str) -> Arc<Event> {
        Arc::new(Event::new(name.into(), vec![0; 100]))
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let metrics = Metrics::new().transform("t");
        let cost = event("a").cost();
        let queue = Queue::new(2 * cost, metrics.clone());
        for name in ["a", "b", "c", "d"] {
            queue.push(event(name));
        }
        assert_eq!(metrics.dropped("queue_full").get(), 2);
        assert_eq!(metrics.queue_bytes.get(), gauge(2 * cost));
        queue.close();
        let left: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|event| event.channel.clone())
            .collect();
        assert_eq!(left, ["c", "d"]);
        assert_eq!(metrics.queue_bytes.get(), 0);
    }

    #[test]
    fn within_the_bound_nothing_is_lost() {
        let metrics = Metrics::new().transform("t");
        let queue = Queue::new(10 * event("a").cost(), metrics.clone());
        (0..10).for_each(|_| queue.push(event("a")));
        assert_eq!(metrics.dropped("queue_full").get(), 0);
    }
}
