//! The last events of a transform, in memory only: what a plan measures revisions on.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::IntGauge;

use crate::event::Event;

/// Bounded in number and in bytes; the oldest goes first.
#[derive(Debug)]
pub(super) struct Recent {
    max_events: usize,
    max_bytes: usize,
    gauge: IntGauge,
    kept: Mutex<RecentEvents>,
}

#[derive(Debug, Default)]
struct RecentEvents {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(max_events: usize, max_bytes: usize, gauge: IntGauge) -> Self {
        Self {
            max_events,
            max_bytes,
            gauge,
            kept: Mutex::default(),
        }
    }

    pub(super) fn keep(&self, event: &Arc<Event>) {
        let mut kept = self.kept.lock();
        kept.bytes += event.cost();
        kept.events.push_back(event.clone());
        while kept.events.len() > self.max_events || kept.bytes > self.max_bytes {
            let Some(oldest) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= oldest.cost();
        }
        self.gauge
            .set(i64::try_from(kept.bytes).unwrap_or(i64::MAX));
    }

    /// Oldest first.
    pub(super) fn events(&self) -> Vec<Arc<Event>> {
        self.kept.lock().events.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn names(recent: &Recent) -> Vec<String> {
        let events = recent.events();
        events.iter().map(|event| event.channel.clone()).collect()
    }

    fn keep(recent: &Recent, names: &[&str]) {
        for name in names {
            recent.keep(&Arc::new(Event::new((*name).into(), vec![0; 100])));
        }
    }

    #[test]
    fn the_last_events_stay_within_both_bounds() {
        let gauge = Metrics::new().transform("t").recent_bytes;
        let recent = Recent::new(2, 1 << 20, gauge.clone());
        keep(&recent, &["a", "b"]);
        assert_eq!(names(&recent), ["a", "b"]);
        keep(&recent, &["c"]);
        assert_eq!(names(&recent), ["b", "c"]);

        let cost = Event::new("a".into(), vec![0; 100]).cost();
        let recent = Recent::new(100, 2 * cost, gauge.clone());
        keep(&recent, &["a", "b", "c"]);
        assert_eq!(names(&recent), ["b", "c"]);
        assert_eq!(usize::try_from(gauge.get()), Ok(2 * cost));
    }

    #[test]
    fn an_event_larger_than_everything_is_not_kept() {
        let gauge = Metrics::new().transform("t").recent_bytes;
        let recent = Recent::new(10, 10, gauge.clone());
        keep(&recent, &["a"]);
        assert!(recent.events().is_empty());
        assert_eq!(gauge.get(), 0);
    }
}
