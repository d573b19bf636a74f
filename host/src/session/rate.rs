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

/// Holds up to `burst` tokens: below zero, what was refused is remembered, so
/// that a flood ends instead of being answered for ever.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
            tokens: burst.into(),
            at: now,
        }
    }

    /// Takes `count` tokens: messages, or bytes.
    pub(super) fn take(&mut self, count: u32, now: Instant) -> Verdict {
        let elapsed: Duration = now.saturating_duration_since(self.at);
        self.at = now;
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_second).min(self.burst);
        self.tokens -= f64::from(count);
        if self.tokens >= 0.0 {
            Verdict::Allowed
        } else if self.tokens >= -self.burst {
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
        let mut bucket = Bucket::new(10, 3, start);
        let verdicts: Vec<_> = (0..7).map(|_| bucket.take(1, start)).collect();
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
        let mut bucket = Bucket::new(10, 1, start);
        for n in 0..1_000 {
            let now = start + Duration::from_millis(101) * n;
            assert_eq!(bucket.take(1, now), Verdict::Allowed, "{n}");
        }
    }
}
