//! The clock that hosts speak by where they say in Redis when something was, in milliseconds. It only
//! goes on: that of a server may be set, and the next server has another one, so theirs decides no
//! more than where it begins.

use std::time::Instant;

const STEADY_CLOCK: &str = include_str!("steady_clock.lua");

/// A script of nothing but that. `KEYS`: the hash that has the clock. `ARGV`: what this host has
/// reached. Answers what all have reached, and the clock of the server.
pub const ASK_THE_CLOCK: &str = "return {steady_clock(KEYS[1], ARGV[1])}";

/// The script with what it calls `steady_clock`, which takes a hash and what this host has reached,
/// and gives what all have reached and the clock of the server.
pub fn with_steady_clock(script: &str) -> String {
    [STEADY_CLOCK, script].concat()
}

/// What this host knows of it.
#[derive(Debug, Default)]
pub struct SteadyClock {
    /// What it said at a moment here.
    reached: Option<(u64, Instant)>,
    /// What was read last.
    read: u64,
}

impl SteadyClock {
    /// What it says, as far as that can be told without asking; 0 where nothing is known yet.
    pub fn now(&self, at: Instant) -> u64 {
        let elapsed = |since| u64::try_from(at.duration_since(since).as_millis());
        self.reached.map_or(0, |(reached, since)| {
            reached.saturating_add(elapsed(since).unwrap_or(u64::MAX))
        })
    }

    /// Goes on to what all hosts have reached, if one of them is further.
    pub fn reach(&mut self, reached: u64, at: Instant) {
        if reached > self.now(at) {
            self.reached = Some((reached, at));
        }
    }

    /// For a host that only reads: what others have reached, when that was by the clock of the server,
    /// and what the latter says now. It goes on by itself where they do not.
    pub fn read(&mut self, reached: u64, (when, server_now): (u64, u64), at: Instant) {
        if self.reached.is_none() {
            // Whoever has gone may have done so long ago.
            let now = reached.saturating_add(server_now.saturating_sub(when));
            self.reached = Some((now, at));
        } else if reached != self.read {
            self.reached = Some((reached, at));
        }
        self.read = reached;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_host_goes_on_by_itself_and_is_never_behind_one_that_is_further() {
        let (mut clock, start) = (SteadyClock::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(clock.now(at(0)), 0);
        clock.reach(50_000, at(0));
        assert_eq!(clock.now(at(2)), 52_000);
        clock.reach(51_000, at(2));
        assert_eq!(clock.now(at(2)), 52_000);
        clock.reach(60_000, at(3));
        assert_eq!(clock.now(at(4)), 61_000);
    }

    #[test]
    fn whoever_reads_goes_on_with_the_others_and_by_itself_where_they_are_silent() {
        let (mut clock, start) = (SteadyClock::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        clock.read(50_000, (7_000, 9_000), at(0));
        assert_eq!(clock.now(at(0)), 52_000, "the others were silent for 2 s");
        clock.read(50_000, (7_000, 9_000), at(1));
        assert_eq!(clock.now(at(1)), 53_000);
        // The server's clock was set meanwhile.
        clock.read(54_000, (9_000_000, 9_000_000), at(2));
        clock.read(55_000, (1, 1), at(3));
        assert_eq!(clock.now(at(4)), 56_000);
    }
}
