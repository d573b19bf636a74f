//! How fast a client may talk: a bucket of tokens that refills with time.

use std::time::{Duration, Instant};

/// What the bucket says to one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Too fast; the message is not acted upon.
    Limited,
    /// A whole burst was refused and the client goes on: the session ends.
    Abusive,
}

/// How fast a bucket refills, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) per_second: u32,
    pub(super) burst: u32,
}

/// Holds up to a burst of tokens: below zero, what was refused is remembered, so that a flood
/// ends instead of being answered for ever.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: rate.burst.into(),
            at: now,
        }
    }

    /// Takes `count` tokens: messages, or bytes.
    pub(super) fn take(&mut self, count: u32, rate: Rate, now: Instant) -> Verdict {
        let elapsed: Duration = now.saturating_duration_since(self.at);
        self.at = now;
        let (per_second, burst) = (f64::from(rate.per_second), f64::from(rate.burst));
        self.tokens = (self.tokens + elapsed.as_secs_f64() * per_second).min(burst);
        self.tokens -= f64::from(count);
        if self.tokens >= 0.0 {
            Verdict::Allowed
        } else if self.tokens >= -burst {
            Verdict::Limited
        } else {
            Verdict::Abusive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_then_patience_ends() {
        let start = Instant::now();
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let mut bucket = Bucket::new(rate, start);
        let verdicts: Vec<_> = (0..7).map(|_| bucket.take(1, rate, start)).collect();
        use Verdict::{Abusive, Allowed, Limited};
        assert_eq!(
            verdicts,
            [
                Allowed, Allowed, Allowed, Limited, Limited, Limited, Abusive
            ]
        );
    }

    #[test]
    fn at_the_rate_nothing_is_ever_refused() {
        let start = Instant::now();
        let rate = Rate {
            per_second: 10,
            burst: 1,
        };
        let mut bucket = Bucket::new(rate, start);
        for n in 0..1_000 {
            let now = start + Duration::from_millis(101) * n;
            assert_eq!(bucket.take(1, rate, now), Verdict::Allowed, "{n}");
        }
    }
}
