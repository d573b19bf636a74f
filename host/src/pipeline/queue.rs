//! What waits for a lane, bounded in bytes: the reader of the upstream never waits, so when
//! the queue is full the oldest events make room. Orders to the lane wait in the same queue,
//! which is what makes them happen between two events; they are never dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use prometheus::{IntCounter, IntGauge};

use crate::event::Event;

/// What comes out of a queue: an event, or an order of type `O`.
#[derive(Debug)]
pub(super) enum Work<O> {
    Event(Arc<Event>),
    Order(O),
}

#[derive(Debug)]
pub(super) struct Queue<O> {
    limit: usize,
    waiting: IntGauge,
    dropped: IntCounter,
    state: Mutex<QueueState<O>>,
    filled: Condvar,
}

#[derive(Debug)]
struct QueueState<O> {
    work: VecDeque<Work<O>>,
    /// Of the events.
    bytes: usize,
    closed: bool,
}

impl<O> Queue<O> {
    /// `limit` is in bytes; `waiting` shows them, `dropped` counts events that made room.
    pub(super) fn new(limit: usize, waiting: IntGauge, dropped: IntCounter) -> Self {
        let state = QueueState {
            work: VecDeque::new(),
            bytes: 0,
            closed: false,
        };
        Self {
            limit,
            waiting,
            dropped,
            state: Mutex::new(state),
            filled: Condvar::new(),
        }
    }

    /// Queues an event. Gives back how many had to go for want of room.
    pub(super) fn push(&self, event: Arc<Event>) -> u64 {
        let cost = event.cost();
        let mut dropped = 0;
        let mut state = self.state.lock();
        while state.bytes + cost > self.limit {
            let Some(oldest) = state.take_oldest_event() else {
                break;
            };
            self.forget(&mut state, &oldest);
            dropped += 1;
        }
        state.bytes += cost;
        self.waiting.add(gauge(cost));
        state.work.push_back(Work::Event(event));
        drop(state);
        self.dropped.inc_by(dropped);
        // No system call unless the lane sleeps, and in a burst it does not.
        self.filled.notify_one();
        dropped
    }

    /// An order to follow after what waits now, or with `urgent` before the events that wait.
    /// Orders never overtake each other: the last one given is the last one followed.
    pub(super) fn order(&self, order: O, urgent: bool) {
        let mut state = self.state.lock();
        if urgent {
            let (mut orders, events): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut state.work)
                .into_iter()
                .partition(|work| matches!(work, Work::Order(_)));
            orders.push_back(Work::Order(order));
            orders.extend(events);
            state.work = orders;
        } else {
            state.work.push_back(Work::Order(order));
        }
        drop(state);
        self.filled.notify_one();
    }

    /// What is next; `None` where nothing waits.
    pub(super) fn try_pop(&self) -> Option<Work<O>> {
        self.take_first(&mut self.state.lock())
    }

    /// Waits for what is next; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<Work<O>> {
        self.pop_until(None)
    }

    /// As `pop`, and `None` also when `deadline` has passed.
    pub(super) fn pop_until(&self, deadline: Option<Instant>) -> Option<Work<O>> {
        let mut state = self.state.lock();
        loop {
            if let Some(work) = self.take_first(&mut state) {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) if self.filled.wait_until(&mut state, deadline).timed_out() => {
                    return None;
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }

    /// Closes it without the events that wait, and gives how many those are.
    pub(super) fn end(&self) -> u64 {
        let mut dropped = 0;
        let mut state = self.state.lock();
        while let Some(event) = state.take_oldest_event() {
            self.forget(&mut state, &event);
            dropped += 1;
        }
        drop(state);
        self.close();
        dropped
    }

    fn take_first(&self, state: &mut QueueState<O>) -> Option<Work<O>> {
        let work = state.work.pop_front()?;
        if let Work::Event(event) = &work {
            self.forget(state, event);
        }
        Some(work)
    }

    fn forget(&self, state: &mut QueueState<O>, event: &Event) {
        state.bytes -= event.cost();
        self.waiting.sub(gauge(event.cost()));
    }
}

impl<O> QueueState<O> {
    fn take_oldest_event(&mut self) -> Option<Arc<Event>> {
        let at = self
            .work
            .iter()
            .position(|work| matches!(work, Work::Event(_)))?;
        match self.work.remove(at)? {
            Work::Event(event) => Some(event),
            Work::Order(_) => None,
        }
    }
}

impl<O> Drop for Queue<O> {
    fn drop(&mut self) {
        self.waiting.sub(gauge(self.state.get_mut().bytes));
    }
}

fn gauge(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, TransformMetrics};

    fn event(name: &str) -> Arc<Event> {
        Arc::new(Event::new(name.into(), vec![0; 100]))
    }

    fn queue(limit: usize, metrics: &TransformMetrics) -> Queue<&'static str> {
        Queue::new(
            limit,
            metrics.queue_bytes.clone(),
            metrics.dropped("queue_full"),
        )
    }

    fn rest(queue: &Queue<&'static str>) -> Vec<String> {
        queue.close();
        std::iter::from_fn(|| queue.pop())
            .map(|work| match work {
                Work::Event(event) => event.channel.clone(),
                Work::Order(order) => order.to_uppercase(),
            })
            .collect()
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let metrics = Metrics::new().transform("t");
        let cost = event("a").cost();
        let queue = queue(2 * cost, &metrics);
        for name in ["a", "b", "c", "d"] {
            queue.push(event(name));
        }
        assert_eq!(metrics.dropped("queue_full").get(), 2);
        assert_eq!(metrics.queue_bytes.get(), gauge(2 * cost));
        assert_eq!(rest(&queue), ["c", "d"]);
        assert_eq!(metrics.queue_bytes.get(), 0);
    }

    #[test]
    fn who_pushes_learns_how_many_made_room() {
        let metrics = Metrics::new().transform("t");
        let cost = event("a").cost();
        let queue = queue(2 * cost, &metrics);
        assert_eq!(
            ["a", "b", "c"].map(|name| queue.push(event(name))),
            [0, 0, 1]
        );
        let large = Event::new("d".into(), vec![0; cost]);
        assert_eq!(queue.push(Arc::new(large)), 2);
        assert_eq!(rest(&queue), ["d"]);
        assert!(queue.try_pop().is_none());
    }

    #[test]
    fn within_the_bound_nothing_is_lost() {
        let metrics = Metrics::new().transform("t");
        let queue = queue(10 * event("a").cost(), &metrics);
        (0..10).for_each(|_| assert_eq!(queue.push(event("a")), 0));
        assert_eq!(metrics.dropped("queue_full").get(), 0);
    }

    #[test]
    fn orders_keep_their_place_among_the_events_and_never_make_room() {
        let metrics = Metrics::new().transform("t");
        let queue = queue(2 * event("a").cost(), &metrics);
        queue.push(event("a"));
        queue.order("then", false);
        queue.push(event("b"));
        queue.push(event("c"));
        assert_eq!(rest(&queue), ["THEN", "b", "c"]);
    }

    #[test]
    fn an_urgent_order_overtakes_events_and_no_order() {
        let metrics = Metrics::new().transform("t");
        let queue = queue(10 * event("a").cost(), &metrics);
        queue.push(event("a"));
        queue.order("first", false);
        queue.push(event("b"));
        queue.order("second", true);
        queue.order("third", true);
        assert_eq!(rest(&queue), ["FIRST", "SECOND", "THIRD", "a", "b"]);
    }

    #[test]
    fn a_wait_with_a_deadline_ends() {
        let metrics = Metrics::new().transform("t");
        let queue = queue(100, &metrics);
        assert!(queue.pop_until(Some(Instant::now())).is_none());
    }

    #[test]
    fn a_queue_that_is_dropped_takes_its_bytes_along() {
        let metrics = Metrics::new().transform("t");
        let queue = queue(1000, &metrics);
        queue.push(event("a"));
        drop(queue);
        assert_eq!(metrics.queue_bytes.get(), 0);
    }
}
