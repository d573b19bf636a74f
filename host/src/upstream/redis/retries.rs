//! When to connect again: at once after the loss of a subscription that was proven, with
//! pauses that grow otherwise. Times come in and pauses go out; there is no clock and no I/O.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::MAX_PAUSE;

const MIN_PAUSE: Duration = Duration::from_millis(50);

/// The pauses between attempts, and when an attempt last came without one.
#[derive(Debug)]
pub(super) struct Retries {
    pauses: ExponentialBackoff,
    /// When an attempt last came at once.
    at_once: Option<Instant>,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self {
            pauses: pauses(),
            at_once: None,
        }
    }

    /// How long to wait at `now`, when a subscription was lost or an attempt failed. `proven`
    /// is whether there was a subscription that had shown that it brings messages. A server
    /// that proves it and cuts, again and again, gets one attempt at once in `MAX_PAUSE`.
    pub(super) fn pause(&mut self, proven: bool, now: Instant) -> Duration {
        let rested = self
            .at_once
            .is_none_or(|last| now.duration_since(last) >= MAX_PAUSE);
        if proven && rested {
            *self = Self {
                pauses: pauses(),
                at_once: Some(now),
            };
            return Duration::ZERO;
        }
        self.pauses.next().unwrap_or(MAX_PAUSE).min(MAX_PAUSE)
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(MIN_PAUSE)
        .with_max_delay(MAX_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pauses when subscriptions last for so many milliseconds each and are proven or not,
    /// with the moments at which the attempts begin.
    fn play(history: &[(u64, bool)]) -> (Vec<Duration>, Vec<Instant>) {
        let (mut retries, mut now) = (Retries::new(), Instant::now());
        let (mut pauses, mut attempts) = (Vec::new(), Vec::new());
        for &(lasted, proven) in history {
            now += Duration::from_millis(lasted);
            let pause = retries.pause(proven, now);
            now += pause;
            pauses.push(pause);
            attempts.push(now);
        }
        (pauses, attempts)
    }

    #[test]
    fn the_first_attempt_comes_at_once_and_those_that_fail_are_spread() {
        let mut history = vec![(1, true)];
        history.extend([(1, false); 9]);
        let (pauses, _) = play(&history);
        assert_eq!(pauses[0], Duration::ZERO);
        assert!(pauses[1] >= MIN_PAUSE, "{pauses:?}");
        assert!(pauses[1] <= 2 * MIN_PAUSE, "{pauses:?}");
        assert_eq!(pauses[9], MAX_PAUSE);
    }

    #[test]
    fn a_subscription_that_was_never_proven_resets_nothing_however_long_it_lasted() {
        let mut history = vec![(1, false); 9];
        history.extend([(3_600_000, false), (3_600_000, false)]);
        let (pauses, _) = play(&history);
        assert_eq!(pauses[9..], [MAX_PAUSE; 2]);
    }

    #[test]
    fn a_proven_subscription_resets_the_pauses_however_short_it_was() {
        let mut history = vec![(1, false); 9];
        history.extend([(1, true), (1, false)]);
        let (pauses, _) = play(&history);
        assert_eq!(pauses[9], Duration::ZERO);
        assert!(pauses[10] <= 2 * MIN_PAUSE, "{pauses:?}");
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_longest_and_no_server_is_overrun(
            history in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..200)
        ) {
            let (pauses, attempts) = play(&history);
            for pause in &pauses {
                prop_assert!(pause.is_zero() || (MIN_PAUSE..=MAX_PAUSE).contains(pause));
            }
            // Six from one attempt at once to the next, as the pauses double; some more where
            // the first of these came in the middle of pauses that had just begun.
            for (first, attempt) in attempts.iter().enumerate() {
                let soon = attempts[first..].iter();
                let soon = soon.take_while(|later| later.duration_since(*attempt) < MAX_PAUSE);
                prop_assert!(soon.count() <= 13, "{pauses:?}");
            }
        }

        #[test]
        fn a_loss_after_a_proof_costs_no_pause_where_there_was_none_for_a_while(
            history in prop::collection::vec((0_u64..3_000, any::<bool>()), 0..50)
        ) {
            let mut history = history;
            history.push((2_000, true));
            let (pauses, _) = play(&history);
            prop_assert_eq!(pauses.last(), Some(&Duration::ZERO));
        }
    }
}
