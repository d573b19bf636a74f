//! Whether a transform is in or out: after too many faults in a row it gets no events for a
//! while, and the while doubles each time.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::limits::Limits;

/// Shared by the lanes of one transform.
#[derive(Debug)]
pub struct Health {
    put_out_after: u32,
    backoff: Duration,
    max_backoff: Duration,
    state: Mutex<FaultHistory>,
}

#[derive(Debug, Default)]
struct FaultHistory {
    in_a_row: u32,
    times_out: u32,
    until: Option<Instant>,
}

impl Health {
    pub fn new(limits: &Limits) -> Self {
        Self {
            put_out_after: limits.put_out_after,
            backoff: limits.backoff,
            max_backoff: limits.max_backoff,
            state: Mutex::default(),
        }
    }

    /// For how much longer the transform is out; `None` when it takes events.
    pub fn out_for(&self, now: Instant) -> Option<Duration> {
        let until = self.state.lock().until?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// A call ended well. Returns true if that brings the transform back.
    pub fn succeeded(&self) -> bool {
        let mut state = self.state.lock();
        state.in_a_row = 0;
        state.times_out = 0;
        state.until.take().is_some()
    }

    /// A call ended in a fault. Returns the pause if that puts the transform out. After a
    /// pause a single fault is enough.
    pub fn failed(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state.lock();
        state.in_a_row = state.in_a_row.saturating_add(1);
        let out_already = state.until.is_some_and(|until| now < until);
        if out_already || state.in_a_row < self.put_out_after {
            return None;
        }
        let pause = self
            .backoff
            .saturating_mul(1 << state.times_out.min(16))
            .min(self.max_backoff);
        state.times_out += 1;
        state.until = Some(now + pause);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        let (backoff, max_backoff) = (Duration::from_secs(1), Duration::from_secs(3));
        Health::new(&Limits {
            put_out_after: 3,
            backoff,
            max_backoff,
            ..Limits::default()
        })
    }

    #[test]
    fn faults_below_the_number_or_with_a_success_between_put_nobody_out() {
        let (health, now) = (health(), Instant::now());
        for _ in 0..5 {
            assert_eq!(health.failed(now), None);
            assert_eq!(health.failed(now), None);
            assert!(!health.succeeded());
        }
        assert_eq!(health.out_for(now), None);
    }

    #[test]
    fn the_pause_doubles_to_its_limit_and_a_success_ends_it() {
        let (health, mut now) = (health(), Instant::now());
        assert_eq!((health.failed(now), health.failed(now)), (None, None));
        for seconds in [1, 2, 3, 3] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(health.failed(now), Some(pause));
            assert_eq!(health.failed(now), None, "out already");
            assert_eq!(health.out_for(now), Some(pause));
            now += pause;
            assert_eq!(health.out_for(now), None);
        }
        assert!(health.succeeded());
        assert_eq!(health.failed(now), None);
    }
}
