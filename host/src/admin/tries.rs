//! Requests that were refused for their token, on their way to the audit log: counted by who they
//! came from, and written a few at a time, however many there are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::count::count;
use crate::rollout::{Caller, Registry};
use crate::tasks::{Tasks, Unasked, ever};

/// Callers that are told apart in one interval; the others are counted together.
const MAX_CALLERS: usize = 16;

/// How soon the first try is written, and how long it may take while there are more each time:
/// a flood that never ends writes a few hundred lines a day.
const SOON: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(60 * 60);

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It had no token, or none that is in force.
    Unknown,
    /// Its token's role is too small.
    Role,
}

impl Why {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unauthorized",
            Self::Role => "forbidden",
        }
    }
}

/// Whoever was refused: the token's name, empty where there is none, and the address.
type Who = (String, Option<IpAddr>);

/// All refusals that are not in the log yet. Those with a token are counted apart, so that
/// strangers delay and displace none of them.
#[derive(Debug, Default)]
pub(super) struct Tries {
    unknown: Mutex<TryCounts>,
    role: Mutex<TryCounts>,
}

impl Tries {
    /// Starts the task that counts, and writes down what was counted, for as long as the host
    /// lives.
    pub(super) fn start(registry: &Arc<Registry>, tasks: &Tasks) -> Arc<Self> {
        let tries = Arc::new(Self::default());
        for (name, why) in [("audit_tries", Why::Unknown), ("audit_roles", Why::Role)] {
            let (tries, registry) = (tries.clone(), registry.clone());
            tasks.spawn(name, Unasked::Restart, move || {
                let (tries, registry) = (tries.clone(), registry.clone());
                ever(async move { tries.write_for_ever(why, &registry).await })
            });
        }
        tries
    }

    pub(super) fn note(
        &self,
        why: Why,
        by: &str,
        address: Option<IpAddr>,
        operation: &'static str,
    ) {
        let who = (by.to_owned(), address);
        self.of(why).lock().note(who, operation, Instant::now());
    }

    fn of(&self, why: Why) -> &Mutex<TryCounts> {
        match why {
            Why::Unknown => &self.unknown,
            Why::Role => &self.role,
        }
    }

    async fn write_for_ever(&self, why: Why, registry: &Registry) {
        let mut pause = SOON;
        loop {
            tokio::time::sleep(pause).await;
            let counts = std::mem::take(&mut *self.of(why).lock());
            pause = next_pause(pause, counts.is_empty());
            for ((name, address), detail) in counts.lines(Instant::now()) {
                let by = Caller {
                    name: &name,
                    address,
                };
                registry.note_request(by, why.code(), detail).await;
            }
        }
    }
}

fn next_pause(pause: Duration, quiet: bool) -> Duration {
    match quiet {
        true => SOON,
        false => (2 * pause).min(LATEST),
    }
}

#[derive(Debug, Default)]
struct TryCounts {
    callers: BTreeMap<Who, CallerTries>,
    /// The tries of callers that had no room.
    others: Option<CallerTries>,
}

#[derive(Debug)]
struct CallerTries {
    tries: u64,
    operation: &'static str,
    since: Instant,
}

impl TryCounts {
    fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    fn note(&mut self, who: Who, operation: &'static str, now: Instant) {
        let first = || CallerTries {
            tries: 0,
            operation,
            since: now,
        };
        let has_room = self.callers.len() < MAX_CALLERS || self.callers.contains_key(&who);
        let count = match has_room {
            true => self.callers.entry(who).or_insert_with(first),
            false => self.others.get_or_insert_with(first),
        };
        count.tries += 1;
    }

    /// A line for each caller, and one for the others.
    fn lines(self, now: Instant) -> Vec<(Who, String)> {
        let callers = self.callers.into_iter();
        let mut lines: Vec<_> = callers
            .map(|(who, count)| (who, count.words(now)))
            .collect();
        if let Some(count) = self.others {
            let detail = format!("{}, of other callers", count.words(now));
            lines.push(((String::new(), None), detail));
        }
        lines
    }
}

impl CallerTries {
    fn words(&self, now: Instant) -> String {
        let tries = count(self.tries, "request");
        match self.tries {
            1 => format!("{tries}, for {}", self.operation),
            _ => {
                let seconds = now.duration_since(self.since).as_secs() + 1;
                format!(
                    "{tries} within {seconds} s, the first for {}",
                    self.operation
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> Option<IpAddr> {
        Some([192, 0, 2, number].into())
    }

    #[test]
    fn tries_are_counted_by_caller_and_beyond_the_bound_together() {
        let (mut counts, now) = (TryCounts::default(), Instant::now());
        for _ in 0..1_000 {
            for number in 0..=200 {
                counts.note((String::new(), address(number)), "apply", now);
            }
        }
        let lines = counts.lines(now);
        assert_eq!(lines.len(), MAX_CALLERS + 1);
        let detail = "1000 requests within 1 s, the first for apply";
        assert_eq!(lines[0], ((String::new(), address(0)), detail.to_owned()));
        let (who, detail) = &lines[MAX_CALLERS];
        assert_eq!(*who, (String::new(), None));
        assert!(detail.starts_with("185000 requests"), "{detail}");
    }

    #[test]
    fn a_flood_is_written_ever_more_seldom_and_what_comes_after_it_soon() {
        let mut pause = SOON;
        let mut lines = 0;
        let mut day = Duration::ZERO;
        while day < Duration::from_secs(24 * 60 * 60) {
            day += pause;
            lines += MAX_CALLERS + 1;
            pause = next_pause(pause, false);
        }
        assert!(lines < 700, "{lines} lines a day");
        assert_eq!(next_pause(pause, true), SOON);
    }
}
