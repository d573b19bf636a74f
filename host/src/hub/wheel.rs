//! When sessions are to be looked at again: one deadline each, kept in a wheel of slots, so that
//! setting one costs the same however many there are.

use std::time::{Duration, Instant};

/// How exact deadlines are: they pass up to so much late, and never early.
const TICK: Duration = Duration::from_millis(8);

/// One turn of the wheel is about 16 s. What is due later stays in its slot for further turns.
const SLOTS: usize = 2048;
const WORDS: usize = SLOTS / 64;

const NONE: u32 = u32::MAX;

/// Where a session hangs: in a list for each slot.
#[derive(Debug, Clone, Copy)]
struct WheelLink {
    before: u32,
    after: u32,
    /// The tick that it is due at; zero where it has no deadline.
    due: u64,
}

const FREE: WheelLink = WheelLink {
    before: NONE,
    after: NONE,
    due: 0,
};

#[derive(Debug)]
pub(crate) struct Wheel {
    start: Instant,
    /// The tick up to which everything has passed.
    now: u64,
    slots: Box<[u32; SLOTS]>,
    /// Which slots hold somebody.
    filled: [u64; WORDS],
    links: Vec<WheelLink>,
}

impl Wheel {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            now: 0,
            slots: Box::new([NONE; SLOTS]),
            filled: [0; WORDS],
            links: Vec::new(),
        }
    }

    /// Sets the one deadline of `key`, in place of any before.
    pub(crate) fn set(&mut self, key: u32, deadline: Instant) {
        let at = key as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, FREE);
        }
        let due = self.tick_after(deadline).max(self.now + 1);
        if self.links[at].due == due {
            return;
        }
        self.unlink(key);
        let slot = due as usize % SLOTS;
        let after = std::mem::replace(&mut self.slots[slot], key);
        self.links[at] = WheelLink {
            before: NONE,
            after,
            due,
        };
        if let Some(link) = self.links.get_mut(after as usize) {
            link.before = key;
        }
        self.filled[slot / 64] |= 1 << (slot % 64);
    }

    /// The deadline of `key` is of no interest any more.
    pub(crate) fn clear(&mut self, key: u32) {
        if self
            .links
            .get(key as usize)
            .is_some_and(|link| link.due > 0)
        {
            self.unlink(key);
        }
    }

    fn unlink(&mut self, key: u32) {
        let link = std::mem::replace(&mut self.links[key as usize], FREE);
        if link.due == 0 {
            return;
        }
        if let Some(after) = self.links.get_mut(link.after as usize) {
            after.before = link.before;
        }
        let slot = link.due as usize % SLOTS;
        match self.links.get_mut(link.before as usize) {
            Some(before) => before.after = link.after,
            None => self.slots[slot] = link.after,
        }
        if self.slots[slot] == NONE {
            self.filled[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Adds to `passed` whose deadline has passed by `now`; they have none any more.
    pub(crate) fn advance(&mut self, now: Instant, passed: &mut Vec<u32>) {
        let elapsed = now.saturating_duration_since(self.start);
        let to = whole(elapsed.as_nanos() / TICK.as_nanos());
        let slots = to.saturating_sub(self.now).min(SLOTS as u64);
        for tick in to - slots..to {
            let slot = (tick + 1) as usize % SLOTS;
            if self.filled[slot / 64] & (1 << (slot % 64)) == 0 {
                continue;
            }
            let mut key = self.slots[slot];
            while let Some(link) = self.links.get(key as usize).copied() {
                if link.due <= to {
                    self.unlink(key);
                    passed.push(key);
                }
                key = link.after;
            }
        }
        self.now = self.now.max(to);
    }

    /// How long until a slot is reached that holds somebody; none where nobody has a deadline.
    pub(crate) fn next(&self, now: Instant) -> Option<Duration> {
        let first = self.now as usize + 1;
        let ticks = (first..first + SLOTS).find(|tick| {
            let slot = tick % SLOTS;
            self.filled[slot / 64] & (1 << (slot % 64)) != 0
        })?;
        let at = TICK.as_nanos() * ticks as u128;
        let passed = now.saturating_duration_since(self.start).as_nanos();
        Some(Duration::from_nanos(whole(at.saturating_sub(passed))))
    }

    /// The first tick at which a deadline has passed.
    fn tick_after(&self, deadline: Instant) -> u64 {
        let wait = deadline.saturating_duration_since(self.start);
        whole(wait.as_nanos().div_ceil(TICK.as_nanos()))
    }
}

/// Nanoseconds, or ticks, of a time that is far below five hundred years.
fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone)]
    enum Step {
        /// A deadline of one of a few keys, so many microseconds from now, or in the past.
        Set(u32, i64),
        Clear(u32),
        /// So many microseconds pass.
        Advance(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        const SECOND: i64 = 1_000_000;
        let wait = prop_oneof![-SECOND..SECOND, 0..60 * SECOND, 0..20_000_i64];
        let pass = prop_oneof![0..20_000_u64, 0..3_000_000_u64, 0..40_000_000_u64];
        let step = prop_oneof![
            4 => (0..8_u32, wait).prop_map(|(key, wait)| Step::Set(key, wait)),
            1 => (0..8_u32).prop_map(Step::Clear),
            3 => pass.prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..100)
    }

    proptest! {
        #[test]
        fn deadlines_pass_once_never_early_and_a_tick_late_at_most(steps in steps()) {
            let start = Instant::now() + Duration::from_secs(10);
            let (mut wheel, mut now) = (Wheel::new(start), start);
            let mut deadlines = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Set(key, wait) => {
                        let by = Duration::from_micros(wait.unsigned_abs());
                        let deadline = if wait < 0 { now - by } else { now + by };
                        wheel.set(key, deadline);
                        deadlines.insert(key, deadline.max(now));
                    }
                    Step::Clear(key) => {
                        wheel.clear(key);
                        deadlines.remove(&key);
                    }
                    Step::Advance(by) => {
                        now += Duration::from_micros(by);
                        let mut passed = Vec::new();
                        wheel.advance(now, &mut passed);
                        for key in passed {
                            let deadline = deadlines.remove(&key);
                            prop_assert!(deadline.is_some_and(|deadline| deadline <= now));
                        }
                        for deadline in deadlines.values() {
                            prop_assert!(now < *deadline + TICK);
                        }
                    }
                }
                let first = deadlines.values().min();
                let next = wheel.next(now);
                prop_assert_eq!(next.is_some(), first.is_some());
                if let (Some(first), Some(next)) = (first, next) {
                    prop_assert!(now + next <= *first + TICK, "nobody sleeps through one");
                }
            }
        }
    }
}
