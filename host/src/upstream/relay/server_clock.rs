//! The clocks of the servers that the relay lies on, each of which may be set, and the next of which
//! may be another one: what each says, and how far ahead of where it was one seems to be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ingest::LATE;
use super::record::WINDOW;
use crate::settings::RedisNode;

/// What the clock of one server said, in milliseconds, and when that was here.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    pub(super) said: u64,
    pub(super) at: Instant,
}

impl ServerClock {
    fn now(&self, at: Instant) -> u64 {
        let elapsed = at.duration_since(self.at).as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.said.saturating_add(elapsed)
    }
}

/// The clocks of all servers, across connections.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerClocks {
    by_server: BTreeMap<RedisNode, ServerClock>,
    /// By how many milliseconds the clock that a channel goes by was set ahead at most, and when that
    /// was seen.
    leap: Option<(u64, Instant)>,
}

impl ServerClocks {
    /// Notes what the clock of a server says.
    pub(super) fn note(&mut self, server: &RedisNode, clock: ServerClock) {
        if let Some(before) = self.by_server.insert(server.clone(), clock) {
            let leap = clock.said.saturating_sub(before.now(clock.at));
            self.note_leap(leap, clock.at);
        }
    }

    /// Channels go by other clocks of these than before. Others are forgotten.
    pub(super) fn keep<'a>(&mut self, servers: impl Iterator<Item = &'a RedisNode>, at: Instant) {
        let servers: Vec<&RedisNode> = servers.collect();
        self.by_server.retain(|known, _| servers.contains(&known));
        let clocks = self.by_server.values().map(|clock| clock.now(at));
        if let (Some(first), Some(last)) = (clocks.clone().min(), clocks.max()) {
            self.note_leap(last - first, at);
        }
    }

    fn note_leap(&mut self, by: u64, at: Instant) {
        if by > self.leap(at) {
            self.leap = Some((by, at));
        }
    }

    /// What a server's clock says, as far as that can be told without asking; 0 where nothing is
    /// known.
    pub(super) fn now(&self, server: &RedisNode, at: Instant) -> u64 {
        let clock = self.by_server.get(server);
        clock.map_or(0, |clock| clock.now(at))
    }

    /// By how many milliseconds more than it was a message may seem to have been sent before: for as
    /// long as it may come from two hosts.
    pub(super) fn leap(&self, at: Instant) -> u64 {
        let is_recent = |since| at.duration_since(since) < Duration::from_millis(WINDOW + LATE);
        let recent = self.leap.filter(|(_, since)| is_recent(*since));
        recent.map_or(0, |(by, _)| by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16) -> RedisNode {
        RedisNode {
            host: "a".into(),
            port,
        }
    }

    #[test]
    fn a_clock_that_goes_on_has_not_leapt_and_the_longest_leap_counts_for_a_while() {
        let (mut clocks, start) = (ServerClocks::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        let mut says = |millis, said| {
            let at = after(millis);
            clocks.note(&server(1), ServerClock { said, at });
            (clocks.now(&server(1), at), clocks.leap(at))
        };
        assert_eq!(says(0, 50_000), (50_000, 0));
        assert_eq!(says(500, 50_500), (50_500, 0));
        assert_eq!(says(1_000, 58_000), (58_000, 7_000));
        // What is seen later, and is shorter, does not make it longer.
        assert_eq!(says(2_000, 59_003), (59_003, 7_000));
        assert_eq!(says(1_000 + WINDOW + LATE, 61_003), (61_003, 0));
        // Back is not ahead.
        assert_eq!(says(5_000, 9_000), (9_000, 0));
    }

    #[test]
    fn where_channels_move_the_furthest_clock_may_be_that_of_any() {
        let (mut clocks, at) = (ServerClocks::default(), Instant::now());
        for (port, said) in [(1, 50_000), (2, 90_000), (3, 10_000)] {
            clocks.note(&server(port), ServerClock { said, at });
        }
        assert_eq!(clocks.leap(at), 0);
        clocks.keep([server(1), server(2)].iter(), at);
        assert_eq!(clocks.leap(at), 40_000);
        assert_eq!(clocks.now(&server(3), at), 0);
    }
}
