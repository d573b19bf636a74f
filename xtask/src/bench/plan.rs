//! How much is measured: a run to quote, and a quick one to see that everything works.

use std::time::Duration;

use crate::swap;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How often the sides take turns.
    pub(crate) rounds: usize,
    /// A batch at a pace lasts so long.
    pub(crate) paced: Duration,
    /// Transform calls of a round, for each way of calling.
    pub(crate) calls: usize,
    /// Sessions whose memory is weighed, one number after the other; the processor is looked at
    /// with the last.
    pub(crate) idle: [usize; 2],
    pub(crate) heartbeat: &'static str,
    /// For the allocator and the kernel to come to rest before memory is weighed.
    pub(crate) rest: Duration,
    /// How long the host is watched with nothing to do.
    pub(crate) watched: Duration,
    /// Messages of a burst to slow readers and behind slow links.
    pub(crate) burst: usize,
    /// Rounds of what loses messages.
    pub(crate) losses: usize,
    /// Sessions, and messages to each in a burst, whose costs should be the same.
    pub(crate) flat: [usize; 3],
    pub(crate) starts: usize,
    /// How often two hosts take turns, of which a small difference is to be seen.
    pub(crate) turns: usize,
    pub(crate) swap: swap::SwapPlan,
}

pub(crate) const FULL: Plan = Plan {
    rounds: 7,
    paced: Duration::from_secs(3),
    calls: 100_000,
    idle: [5_000, 19_000],
    heartbeat: "30s",
    rest: Duration::from_secs(2),
    watched: Duration::from_secs(35),
    burst: 3_000,
    losses: 3,
    flat: [100, 1_000, 10_000],
    starts: 10,
    turns: 40,
    swap: swap::SwapPlan {
        rounds: 20,
        sessions: 200,
        markets: 50,
        rate: 5_000,
        quiet: 5_000,
    },
};

pub(crate) const QUICK: Plan = Plan {
    rounds: 1,
    paced: Duration::from_millis(500),
    calls: 20_000,
    idle: [500, 1_000],
    heartbeat: "2s",
    rest: Duration::from_millis(500),
    watched: Duration::from_secs(2),
    burst: 1_000,
    losses: 1,
    flat: [100, 300, 1_000],
    starts: 2,
    turns: 2,
    swap: swap::SwapPlan {
        rounds: 1,
        ..FULL.swap
    },
};
