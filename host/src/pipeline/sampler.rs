//! Which events the revision behind is asked about too, in one lane: runs of events that follow each
//! other, so that of each channel both have seen the same before. A component may publish only
//! what has changed, and what has changed depends on what it saw last.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// The first events are asked of both revisions, and then one run in so many events of the rest.
const FIRST: u64 = 100;
const RUN: u64 = 64;
const ONE_IN: u64 = 32;

/// Failures in a row after which the revision behind is left alone for longer each time: each may
/// cost a deadline. It is asked again all the same, as the one in front may fall silent at any
/// time.
const PATIENCE: u32 = 5;
const MAX_DOUBLINGS: u32 = 5;

/// What is to be done with an event that the revision in front did not fail on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Nothing,
    /// The revision behind sees it, so that it knows what there was before the next one.
    Prepare,
    /// What both make of it is compared.
    Compare,
}

#[derive(Debug)]
pub(super) struct Sampler {
    /// Of the present run.
    left: u64,
    /// Until the next.
    pause: u64,
    runs: u64,
    /// Both have seen the same of every channel.
    from_the_start: bool,
    /// Of these channels, the revision behind has seen the event before in this run.
    seen: HashSet<u64>,
    failures: u32,
    random: RandomState,
}

impl Default for Sampler {
    fn default() -> Self {
        Self {
            left: FIRST,
            pause: 0,
            runs: 0,
            from_the_start: true,
            seen: HashSet::new(),
            failures: 0,
            random: RandomState::new(),
        }
    }
}

impl Sampler {
    /// What is to be done with the next event, which came on this upstream channel.
    pub(super) fn next(&mut self, channel: &str) -> Question {
        if self.left == 0 {
            if self.pause > 0 {
                self.pause -= 1;
                return Question::Nothing;
            }
            self.begin(RUN);
        }
        self.left -= 1;
        if self.left == 0 {
            self.pause = self.pause_after(0);
        }
        let is_known = !self.seen.insert(self.random.hash_one(channel));
        match is_known || self.from_the_start {
            true => Question::Compare,
            false => Question::Prepare,
        }
    }

    pub(super) fn note_success(&mut self) {
        self.failures = 0;
    }

    /// The revision behind has failed on such an event.
    pub(super) fn note_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.forget();
        if let Some(beyond) = self.failures.checked_sub(PATIENCE) {
            self.left = 0;
            self.pause = self.pause_after(beyond.min(MAX_DOUBLINGS));
        }
    }

    /// The revision behind begins with nothing in its memory, for whatever reason.
    pub(super) fn forget(&mut self) {
        self.begin(self.left);
    }

    fn begin(&mut self, events: u64) {
        self.left = events;
        self.runs += 1;
        self.from_the_start = false;
        self.seen.clear();
    }

    /// Events until the next run, twice as many with each doubling: of a length that keeps no step
    /// with anything.
    fn pause_after(&self, doublings: u32) -> u64 {
        let mean = (RUN * (ONE_IN - 1)) << doublings;
        mean / 2 + self.random.hash_one(self.runs) % mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a component makes that publishes what has changed on a channel.
    #[derive(Default)]
    struct OnChange(std::collections::HashMap<&'static str, u64>);

    impl OnChange {
        fn publishes(&mut self, channel: &'static str, value: u64) -> bool {
            self.0.insert(channel, value) != Some(value)
        }
    }

    const CHANNELS: [&str; 3] = ["a", "b", "c"];

    #[test]
    fn who_publishes_what_has_changed_is_not_taken_for_somebody_who_makes_less() {
        let mut sampler = Sampler::default();
        let (mut before, mut now) = (OnChange::default(), OnChange::default());
        let (mut compared, mut published) = (0, [0, 0]);
        for number in 0..200_000_u64 {
            let channel = CHANNELS[usize::try_from(number % 3).unwrap()];
            // It changes once in ten events of its channel.
            let value = number / 30;
            let is_new = now.publishes(channel, value);
            let question = sampler.next(channel);
            if question == Question::Nothing {
                continue;
            }
            let was_new = before.publishes(channel, value);
            if question == Question::Compare {
                compared += 1;
                published[0] += u64::from(was_new);
                published[1] += u64::from(is_new);
            }
            sampler.note_success();
        }
        assert!((3_000..12_000).contains(&compared), "{compared}");
        assert!(
            published[0] > 200 && published[0] == published[1],
            "{published:?}"
        );
    }

    #[test]
    fn who_fails_in_a_row_is_asked_less_and_never_left_alone_for_good() {
        let mut sampler = Sampler::default();
        let mut asked = 0;
        for _ in 0..1_000_000 {
            if sampler.next("a") != Question::Nothing {
                asked += 1;
                sampler.note_failure();
            }
        }
        assert!((10..60).contains(&asked), "{asked}");
        // What it can do is compared again.
        let mut compared = 0;
        for _ in 0..1_000_000 {
            let question = sampler.next("a");
            if question != Question::Nothing {
                sampler.note_success();
            }
            compared += u64::from(question == Question::Compare);
        }
        assert!(compared > 10_000, "{compared}");
    }

    #[test]
    fn after_a_failure_what_comes_next_on_a_channel_is_only_prepared() {
        let mut sampler = Sampler::default();
        assert_eq!(sampler.next("a"), Question::Compare);
        sampler.note_failure();
        assert_eq!(sampler.next("a"), Question::Prepare);
        assert_eq!(sampler.next("b"), Question::Prepare);
        assert_eq!(sampler.next("a"), Question::Compare);
    }
}
