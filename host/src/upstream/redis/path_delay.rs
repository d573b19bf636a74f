//! How late the subscription may be: messages of our own that are published often on the probes'
//! channel by another connection. What comes after one was published after it was sent, so a path that
//! stood still is noticed before anything that it held back is used.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Those on their way that are remembered; where more are on their way, the path is late anyway.
const REMEMBERED: usize = 64;

/// The delay on the way to one host. It says nothing where none comes back, as probes are off or denied.
#[derive(Debug)]
pub(crate) struct PathDelay {
    /// What the names of our own begin with.
    name: String,
    state: Mutex<DelayState>,
}

#[derive(Debug, Default)]
struct DelayState {
    count: u64,
    /// Those on their way, and when each was sent.
    sent: VecDeque<(u64, Instant)>,
    /// When the last that came was sent.
    came: Option<Instant>,
    /// The longest that one was on its way, since somebody asked.
    longest: Duration,
}

impl PathDelay {
    pub(super) fn new() -> Self {
        let token = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        Self {
            name: format!("delay {token:016x}"),
            state: Mutex::default(),
        }
    }

    /// Another connection is subscribed, which brings nothing of before.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock();
        state.sent.clear();
        state.came = None;
    }

    /// What is to be published now.
    pub(crate) fn next(&self, now: Instant) -> String {
        let mut state = self.state.lock();
        state.count += 1;
        let count = state.count;
        state.sent.push_back((count, now));
        if state.sent.len() > REMEMBERED {
            state.sent.pop_front();
        }
        format!("{} {count}", self.name)
    }

    /// Something came on the probes' channel; only ours counts.
    pub(super) fn came(&self, payload: &[u8], now: Instant) {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let count = text.strip_prefix(&*self.name).map(str::trim_start);
        let Some(count) = count.and_then(|count| count.parse::<u64>().ok()) else {
            return;
        };
        let mut state = self.state.lock();
        while let Some((known, sent)) = state.sent.front().copied()
            && known <= count
        {
            state.sent.pop_front();
            state.came = Some(sent);
            let lasted = now.saturating_duration_since(sent);
            state.longest = state.longest.max(lasted);
        }
    }

    /// How long before now, at most, what comes now was published, or what came since this was last
    /// asked; zero where nothing is known.
    pub(crate) fn lateness(&self, now: Instant) -> Duration {
        let mut state = self.state.lock();
        let silent = state.came.map(|came| now.saturating_duration_since(came));
        let longest = std::mem::take(&mut state.longest);
        longest.max(silent.unwrap_or_default())
    }

    /// For how long nothing has come; zero where nothing is known.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        let came = self.state.lock().came;
        came.map_or(Duration::ZERO, |came| now.saturating_duration_since(came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_stood_still_is_late_and_one_of_which_nothing_is_known_is_not() {
        let (path_delay, start) = (PathDelay::new(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let late = |millis| path_delay.lateness(at(millis)).as_millis();
        let first = path_delay.next(at(0));
        assert_eq!(late(9_000), 0, "none has ever come");
        path_delay.came(first.as_bytes(), at(10));
        assert_eq!(late(20), 20);
        path_delay.came(b"delay 1 1", at(20));
        path_delay.came(b"\xff", at(20));
        let held = [500, 1_000, 1_500].map(|millis| path_delay.next(at(millis)));
        assert_eq!(late(1_600), 1_600, "nothing came");
        assert_eq!(path_delay.silence(at(1_600)).as_millis(), 1_600);
        for next in &held {
            path_delay.came(next.as_bytes(), at(2_000));
        }
        assert_eq!(late(2_001), 1_500, "what it held back is as old");
        assert_eq!(late(2_002), 502);
        assert_eq!(path_delay.silence(at(2_002)).as_millis(), 502);
        path_delay.begin();
        assert_eq!(late(9_000), 0);
        for millis in 0..1_000 {
            path_delay.next(at(millis));
        }
        assert_eq!(path_delay.state.lock().sent.len(), REMEMBERED);
    }
}
