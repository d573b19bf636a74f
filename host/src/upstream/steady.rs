//! Whether the upstream counts as lost, which is not the same as being away at this moment:
//! an attempt that fails, or one that holds for a blink, changes nothing. No clock and no I/O:
//! times come in, a verdict goes out.

use std::time::{Duration, Instant};

/// How long a subscription must stand to end an outage. A server that accepts and cuts at
/// once, as one that is still loading does, is no better than none.
pub(super) const STANDS: Duration = Duration::from_secs(1);

/// What is remembered of the upstream. At first it has not been there yet.
#[derive(Debug, Default)]
pub(super) struct Steady {
    /// Since when the subscription stands; none while it does not.
    stands_since: Option<Instant>,
    /// When the outage began that is not over, or was the last.
    lost_since: Option<Instant>,
    /// How long that outage had lasted when the subscription last came back.
    lasted: Duration,
}

impl Steady {
    pub(super) fn subscribed(&mut self, now: Instant) {
        if self.stands_since.is_none() {
            self.stands_since = Some(now);
            self.lasted = self
                .lost_since
                .map_or(Duration::ZERO, |since| now.duration_since(since));
        }
    }

    pub(super) fn lost(&mut self, now: Instant) {
        // A retry that fails has no subscription to lose.
        let Some(since) = self.stands_since.take() else {
            return;
        };
        if self.lost_since.is_none() || now.duration_since(since) >= STANDS {
            self.lost_since = Some(now);
        }
    }

    /// Whether clients are better off elsewhere: it never was there, or is away for `grace`
    /// or longer, or is not back for good from having been.
    pub(super) fn counts_as_lost(&self, now: Instant, grace: Duration) -> bool {
        match (self.stands_since, self.lost_since) {
            (None, None) => true,
            (None, Some(lost)) => now.duration_since(lost) >= grace,
            (Some(_), None) => false,
            (Some(back), Some(_)) => self.lasted >= grace && now.duration_since(back) < STANDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(3);

    /// Plays a history of `(milliseconds, is there)` and gives the verdicts at these times.
    fn verdicts(history: &[(u64, bool)], asked: &[u64]) -> Vec<bool> {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let verdict = |now: u64| {
            let mut steady = Steady::default();
            for (time, there) in history.iter().filter(|(time, _)| *time <= now) {
                if *there {
                    steady.subscribed(at(*time));
                } else {
                    steady.lost(at(*time));
                }
            }
            steady.counts_as_lost(at(now), GRACE)
        };
        asked.iter().map(|now| verdict(*now)).collect()
    }

    #[test]
    fn before_the_first_subscription_it_counts_and_after_it_at_once_no_more() {
        let history = [(100, false), (2_000, true)];
        assert_eq!(
            verdicts(&history, &[0, 150, 1_999, 2_000, 2_001]),
            [true, true, true, false, false]
        );
    }

    #[test]
    fn an_outage_counts_when_it_has_lasted_for_the_grace() {
        let history = [(0, true), (10_000, false)];
        assert_eq!(
            verdicts(&history, &[10_000, 12_999, 13_000, 60_000]),
            [false, false, true, true]
        );
    }

    #[test]
    fn a_blip_within_the_grace_never_counts() {
        let history = [(0, true), (10_000, false), (12_900, true)];
        let asked = [10_500, 12_900, 13_000, 13_950, 20_000];
        assert_eq!(verdicts(&history, &asked), [false; 5]);
    }

    #[test]
    fn retries_that_fail_do_not_start_the_grace_anew() {
        let mut history = vec![(0, true)];
        history.extend((10..20).map(|second| (second * 1_000, false)));
        assert_eq!(verdicts(&history, &[12_999, 13_000]), [false, true]);
    }

    #[test]
    fn it_is_back_when_the_subscription_has_stood_for_a_moment() {
        let history = [(0, true), (10_000, false), (20_000, true)];
        assert_eq!(
            verdicts(&history, &[19_999, 20_000, 20_999, 21_000]),
            [true, true, true, false]
        );
    }

    #[test]
    fn a_server_that_accepts_and_cuts_at_once_stays_lost_without_a_flap() {
        let mut history = vec![(0, true), (10_000, false)];
        for retry in 0..20 {
            let time = 11_000 + retry * 2_000;
            history.extend([(time, true), (time + 100, false)]);
        }
        let asked: Vec<u64> = (13_000..50_000).step_by(50).collect();
        let verdicts = verdicts(&history, &asked);
        assert!(verdicts.iter().all(|lost| *lost), "{verdicts:?}");
    }

    #[test]
    fn without_grace_it_counts_at_once() {
        let mut steady = Steady::default();
        let now = Instant::now();
        steady.subscribed(now);
        steady.lost(now + STANDS);
        assert!(steady.counts_as_lost(now + STANDS, Duration::ZERO));
    }
}
