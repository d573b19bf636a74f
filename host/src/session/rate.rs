//! How fast a client may talk: buckets of tokens that refill with time.

use std::time::Instant;

/// What the bucket says to one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateVerdict {
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

/// What a client may have so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Messages = 0,
    Bytes = 1,
}

/// A bucket of each kind. It holds up to a burst of tokens: below zero, what was refused is
/// remembered, so that a flood ends instead of being answered for ever.
#[derive(Debug)]
pub(super) struct Buckets {
    tokens: [f64; 2],
    at: Instant,
}

impl Buckets {
    /// Buckets that are full.
    pub(super) fn new(rates: [Rate; 2], now: Instant) -> Self {
        Self {
            tokens: rates.map(|rate| rate.burst.into()),
            at: now,
        }
    }

    /// Takes `count` tokens of one kind.
    pub(super) fn take(
        &mut self,
        kind: Quantity,
        count: u32,
        rates: [Rate; 2],
        now: Instant,
    ) -> RateVerdict {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        for (tokens, rate) in self.tokens.iter_mut().zip(rates) {
            let more = elapsed * f64::from(rate.per_second);
            *tokens = (*tokens + more).min(rate.burst.into());
        }
        let (at, burst) = (kind as usize, f64::from(rates[kind as usize].burst));
        self.tokens[at] -= f64::from(count);
        if self.tokens[at] >= 0.0 {
            RateVerdict::Allowed
        } else if self.tokens[at] >= -burst {
            RateVerdict::Limited
        } else {
            RateVerdict::Abusive
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rates(per_second: u32, burst: u32) -> [Rate; 2] {
        let bytes = Rate {
            per_second: 1,
            burst: 1_000,
        };
        [Rate { per_second, burst }, bytes]
    }

    #[test]
    fn a_burst_passes_then_the_rate_then_patience_ends() {
        let (start, rates) = (Instant::now(), rates(10, 3));
        let mut buckets = Buckets::new(rates, start);
        let mut take = || buckets.take(Quantity::Messages, 1, rates, start);
        let verdicts: Vec<_> = (0..7).map(|_| take()).collect();
        use RateVerdict::{Abusive, Allowed, Limited};
        assert_eq!(
            verdicts,
            [
                Allowed, Allowed, Allowed, Limited, Limited, Limited, Abusive
            ]
        );
        let bytes = buckets.take(Quantity::Bytes, 1_000, rates, start);
        assert_eq!(bytes, Allowed, "the other kind is not concerned");
        assert_eq!(buckets.take(Quantity::Bytes, 1, rates, start), Limited);
    }

    #[test]
    fn at_the_rate_nothing_is_ever_refused() {
        let (start, rates) = (Instant::now(), rates(10, 1));
        let mut buckets = Buckets::new(rates, start);
        for n in 0..1_000 {
            let now = start + Duration::from_millis(101) * n;
            let verdict = buckets.take(Quantity::Messages, 1, rates, now);
            assert_eq!(verdict, RateVerdict::Allowed, "{n}");
        }
    }
}
