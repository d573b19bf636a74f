//! How often the log says a thing that others can make happen as often as they like.

use std::time::{Duration, Instant};

/// Some lines at once, then one for each `pause`; the rest are counted, and the count is
/// said later. A decision without a clock and without a log.
#[derive(Debug)]
pub struct Sparing {
    pause: Duration,
    at_once: u32,
    /// Lines that may be said at `since`; one more for each pause from then on.
    may: u32,
    since: Option<Instant>,
    left_out: u64,
}

impl Sparing {
    /// At most `at_once` lines together, and in the long run one for each `pause`.
    pub const fn new(at_once: u32, pause: Duration) -> Self {
        Self {
            pause,
            at_once,
            may: at_once,
            since: None,
            left_out: 0,
        }
    }

    /// It happened once more. Where that may be said, gives how many times before were not said.
    pub fn say(&mut self, now: Instant) -> Option<u64> {
        self.earn(now);
        let Some(may) = self.may.checked_sub(1) else {
            self.left_out += 1;
            return None;
        };
        self.may = may;
        Some(std::mem::take(&mut self.left_out))
    }

    /// It happened so many more times, and nobody said so.
    pub fn leave_out(&mut self, more: u64) {
        self.left_out += more;
    }

    /// How many were left out, once there is a line to spare for saying so.
    pub fn rest(&mut self, now: Instant) -> Option<u64> {
        if self.left_out == 0 {
            return None;
        }
        self.earn(now);
        self.may = self.may.checked_sub(1)?;
        Some(std::mem::take(&mut self.left_out))
    }

    fn earn(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let pauses = now.saturating_duration_since(since).as_nanos() / self.pause.as_nanos().max(1);
        let earned = u32::try_from(pauses).unwrap_or(u32::MAX);
        if earned > 0 {
            self.may = self.may.saturating_add(earned).min(self.at_once);
            self.since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    #[test]
    fn some_are_said_at_once_and_then_one_for_each_pause_with_the_count_of_the_rest() {
        let mut sparing = Sparing::new(2, PAUSE);
        let start = Instant::now();
        let said = [0; 5].map(|_| sparing.say(start));
        assert_eq!(said, [Some(0), Some(0), None, None, None]);
        assert_eq!(sparing.say(start + PAUSE / 2), None);
        assert_eq!(sparing.say(start + PAUSE), Some(4));
        assert_eq!(sparing.say(start + PAUSE), None);
    }

    #[test]
    fn the_rest_is_said_though_nothing_more_happens() {
        let mut sparing = Sparing::new(1, PAUSE);
        let start = Instant::now();
        assert_eq!(sparing.rest(start), None, "there is none");
        sparing.say(start);
        sparing.say(start);
        assert_eq!(sparing.rest(start), None, "not yet");
        assert_eq!(sparing.rest(start + PAUSE), Some(1));
        assert_eq!(sparing.rest(start + 2 * PAUSE), None, "once");
    }

    #[test]
    fn a_long_silence_earns_no_more_than_some_at_once() {
        let mut sparing = Sparing::new(2, PAUSE);
        let start = Instant::now();
        sparing.say(start);
        let later = start + 1000 * PAUSE;
        let said = [0; 3].map(|_| sparing.say(later).is_some());
        assert_eq!(said, [true, true, false]);
    }
}
