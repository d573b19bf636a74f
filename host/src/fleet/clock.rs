//! The clock of Redis, by which hosts say when they were seen. After a failover it is another
//! machine's, which may be ahead: nobody is taken for silent for that.

use std::time::{Duration, Instant};

/// By how many seconds the clock must be further than this host's own says, to count as another.
const LEAP: f64 = 5.0;

/// For how long hosts may not have been seen by the new clock yet.
const SETTLES: Duration = Duration::from_secs(20);

/// What is known of the clock of Redis.
#[derive(Debug, Default)]
pub(super) struct RedisClock {
    /// What it said last, in seconds, and when that was by this process's own clock.
    last: Option<(f64, Instant)>,
    /// By how much it leapt ahead, and when.
    leapt: Option<(f64, Instant)>,
}

impl RedisClock {
    /// How many of the seconds that the clock says now it is ahead of the one before.
    pub(super) fn ahead(&mut self, says: f64, now: Instant) -> f64 {
        let before = match self.leapt {
            Some((leap, since)) if now.duration_since(since) < SETTLES => leap,
            _ => 0.0,
        };
        let leap = self.last.map_or(0.0, |(last, at)| {
            says - last - now.duration_since(at).as_secs_f64()
        });
        self.last = Some((says, now));
        if leap > LEAP {
            self.leapt = Some((before + leap, now));
            return before + leap;
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far ahead the clock counts as, where it says `says(second)` at each second.
    fn ahead(says: impl Fn(u64) -> f64, seconds: u64) -> Vec<f64> {
        let (mut clock, start) = (RedisClock::default(), Instant::now());
        let at = |second| clock.ahead(says(second), start + Duration::from_secs(second));
        (0..seconds).map(at).collect()
    }

    #[test]
    fn a_clock_that_goes_on_is_not_ahead() {
        assert!(
            ahead(|second| second as f64, 100)
                .iter()
                .all(|by| *by == 0.0)
        );
        assert!(
            ahead(|second| 1.01 * second as f64, 100)
                .iter()
                .all(|by| *by == 0.0)
        );
    }

    #[test]
    fn a_leap_counts_until_all_have_been_seen_by_the_new_clock() {
        let says = |second: u64| second as f64 + if second < 10 { 0.0 } else { 30.0 };
        let ahead = ahead(says, 60);
        let counts = |from: usize, to: usize, by: f64| {
            ahead[from..to]
                .iter()
                .all(|ahead| (ahead - by).abs() < 0.01)
        };
        assert!(
            counts(0, 10, 0.0) && counts(10, 30, 30.0) && counts(30, 60, 0.0),
            "{ahead:?}"
        );
    }

    #[test]
    fn a_clock_that_went_back_is_not_ahead() {
        let says = |second: u64| second as f64 - if second < 10 { 0.0 } else { 30.0 };
        assert!(ahead(says, 60).iter().all(|by| *by == 0.0));
    }
}
