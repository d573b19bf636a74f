//! What sessions of an edge host ask for, and what of it the relay brings. Plain data inside its
//! lock: who follows it, and how, is the relay's affair.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::channel::{Channel, Pattern};

/// The patterns that are asked for. There are as many as sessions hold, and those that were held
/// within the time that the relay lingers.
#[derive(Debug, Default)]
pub struct Interest {
    state: Mutex<InterestState>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct InterestState {
    /// Redis can be reached.
    is_up: bool,
    patterns: HashMap<Pattern, AskedPattern>,
}

#[derive(Debug, Clone, Copy)]
struct AskedPattern {
    is_brought: bool,
    /// When a session last asked for it or held it.
    at: Instant,
}

impl Interest {
    /// Notes that a session asks for these, and says whether it can be answered now: they are
    /// brought, or cannot be, as Redis is away.
    pub fn wants(&self, patterns: &[Pattern], now: Instant) -> bool {
        let mut state = self.state.lock();
        let mut are_brought = true;
        for pattern in patterns {
            let asked = state.patterns.entry(pattern.clone());
            let asked = asked.or_insert(AskedPattern {
                is_brought: false,
                at: now,
            });
            asked.at = now;
            are_brought &= asked.is_brought;
        }
        let is_up = state.is_up;
        drop(state);
        if !are_brought {
            self.asked.notify_one();
        }
        are_brought || !is_up
    }

    /// Waits until something is asked for that is not brought.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Those that are not brought yet.
    pub fn unbrought(&self) -> Vec<Pattern> {
        let state = self.state.lock();
        let patterns = state.patterns.iter();
        let unbrought = patterns.filter(|(_, asked)| !asked.is_brought);
        unbrought.map(|(pattern, _)| pattern.clone()).collect()
    }

    /// What is published to these comes from now on.
    pub fn note_brought(&self, patterns: &[Pattern]) {
        let mut state = self.state.lock();
        for pattern in patterns {
            if let Some(asked) = state.patterns.get_mut(pattern) {
                asked.is_brought = true;
            }
        }
    }

    /// Whether Redis can be reached. Where it cannot, nothing is brought.
    pub fn set_up(&self, is_up: bool) {
        let mut state = self.state.lock();
        state.is_up = is_up;
        if !is_up {
            let patterns = state.patterns.values_mut();
            patterns.for_each(|asked| asked.is_brought = false);
        }
    }

    /// Whether a channel is matched by something that is asked for.
    pub fn matches(&self, channel: &Channel) -> bool {
        let state = self.state.lock();
        let mut matches = false;
        channel.for_each_pattern(|pattern| matches |= state.patterns.contains_key(pattern));
        matches
    }

    /// The families of which more than single channels are asked for.
    pub fn wide_families(&self) -> HashSet<String> {
        let state = self.state.lock();
        let wide = state.patterns.keys().filter(|asked| asked.has_wildcard());
        wide.map(|pattern| pattern.family().to_owned()).collect()
    }

    /// Forgets what nobody holds now and nobody asked for within `linger`; says whether that was
    /// anything. `held` was true at `now`.
    pub fn release(&self, held: &HashSet<Pattern>, linger: Duration, now: Instant) -> bool {
        let mut state = self.state.lock();
        let before = state.patterns.len();
        state.patterns.retain(|pattern, asked| {
            if held.contains(pattern) {
                asked.at = asked.at.max(now);
            }
            now.saturating_duration_since(asked.at) <= linger
        });
        state.patterns.len() < before
    }

    /// How many patterns are asked for.
    pub fn count(&self) -> usize {
        self.state.lock().patterns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn who_asks_waits_until_it_is_brought_unless_redis_is_away() {
        let (interest, now) = (Interest::default(), Instant::now());
        let ticks = [pattern("ticks:A:bid")];
        assert!(interest.wants(&ticks, now), "nobody could bring it");
        interest.set_up(true);
        assert!(!interest.wants(&ticks, now));
        assert_eq!(interest.unbrought(), ticks);
        interest.note_brought(&ticks);
        assert!(interest.wants(&ticks, now));
        assert!(!interest.wants(&[ticks[0].clone(), pattern("ticks:*:ask")], now));
        assert_eq!(interest.wide_families(), HashSet::from(["ticks".into()]));
        interest.set_up(false);
        interest.set_up(true);
        assert!(!interest.wants(&ticks, now), "it is to be brought again");
    }

    #[test]
    fn what_nobody_holds_is_let_go_after_a_while_and_no_sooner() {
        let (interest, start) = (Interest::default(), Instant::now());
        let linger = Duration::from_secs(30);
        let [held, gone] = ["ticks:A:bid", "ticks:B:bid"].map(pattern);
        interest.wants(&[held.clone(), gone.clone()], start);
        let holds = HashSet::from([held.clone()]);
        assert!(!interest.release(&holds, linger, start + linger));
        assert!(interest.release(&holds, linger, start + 2 * linger));
        assert_eq!(interest.count(), 1);
        assert!(interest.matches(&"ticks:A:bid".parse().unwrap()));
        assert!(!interest.matches(&"ticks:B:bid".parse().unwrap()));
        // Held a moment ago counts as asked for.
        let later = start + 2 * linger;
        assert!(!interest.release(&HashSet::new(), linger, later + linger));
        assert!(interest.release(&HashSet::new(), linger, later + 2 * linger));
    }
}
