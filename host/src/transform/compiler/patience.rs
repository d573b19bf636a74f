//! How long a child may go on: as long as it uses no more processor time than it may. Time by
//! the clock is the machine's affair, but for a child that does nothing at all.

use std::time::{Duration, Instant};

/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Time between two looks counts for no more than this: where the host itself was stopped, its
/// child may have been stopped with it.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// A child may use no processor time for so many times, by the clock, what it may use of it in all.
pub(super) const IDLE_TIMES: u32 = 10;

/// The kernel counts a process' time in hundredths of a second on whatever Linux runs.
const TICK: Duration = Duration::from_millis(10);

/// Why a child may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It used more processor time than it may.
    Busy,
    /// It used none for so long.
    Idle(Duration),
}

/// What is known of a child. A decision without a clock and without a process.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    used: Duration,
    idle: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            used: Duration::ZERO,
            idle: Duration::ZERO,
        }
    }

    /// Takes what the child has used of the processor, as far as that can be known, and the time
    /// since the look before.
    fn look(&mut self, used: Option<Duration>, passed: Duration) -> Option<Overdue> {
        let used = used.unwrap_or(self.used);
        if used > self.used {
            self.used = used;
            self.idle = Duration::ZERO;
        } else {
            self.idle += passed.min(LONGEST_LOOK);
        }
        let most = self.limit * IDLE_TIMES;
        if self.used > self.limit {
            Some(Overdue::Busy)
        } else {
            (self.idle >= most).then_some(Overdue::Idle(most))
        }
    }
}

/// Watches a child, and returns once it may not go on.
pub(super) async fn overdue(child: Option<u32>, limit: Duration) -> Overdue {
    let mut patience = Patience::new(limit);
    let mut looks = tokio::time::interval(LOOK);
    let mut last = Instant::now();
    loop {
        looks.tick().await;
        let now = Instant::now();
        let used = child.and_then(used_by);
        if let Some(overdue) = patience.look(used, now.duration_since(last)) {
            return overdue;
        }
        last = now;
    }
}

/// Processor time of all threads of a process, its own and the kernel's for it.
fn used_by(process: u32) -> Option<Duration> {
    used(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// From the words of `/proc/PID/stat`. A name can hold anything, so what counts stands after
/// the last bracket.
fn used(stat: &str) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let (own, kernel) = (ticks()?, ticks()?);
    Some(TICK * own.saturating_add(kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_of_the_processor_counts_and_not_the_clock() {
        let mut patience = Patience::new(SECOND);
        for hundredth in 1..=100 {
            // A machine so busy that a second gives a hundredth.
            let used = Some(hundredth * TICK);
            assert_eq!(patience.look(used, SECOND), None, "{hundredth}");
        }
        assert_eq!(
            patience.look(Some(101 * TICK), LOOK),
            Some(Overdue::Busy),
            "one tick too much"
        );
    }

    #[test]
    fn who_does_nothing_is_borne_ten_times_as_long() {
        let mut patience = Patience::new(SECOND);
        assert_eq!(patience.look(Some(TICK), SECOND), None);
        for used in [Some(TICK), None] {
            for _ in 0..4 {
                assert_eq!(patience.look(used, SECOND), None);
            }
        }
        assert_eq!(patience.look(Some(TICK), SECOND), None);
        let idle = patience.look(Some(TICK), SECOND);
        assert_eq!(idle, Some(Overdue::Idle(10 * SECOND)));
    }

    #[test]
    fn a_little_work_begins_the_wait_anew() {
        let mut patience = Patience::new(SECOND);
        for ticks in 1..=20 {
            for _ in 0..9 {
                assert_eq!(patience.look(Some(ticks * TICK), SECOND), None);
            }
        }
    }

    #[test]
    fn a_host_that_was_stopped_itself_holds_it_against_nobody() {
        let mut patience = Patience::new(SECOND);
        assert_eq!(patience.look(None, 3600 * SECOND), None);
    }

    #[test]
    fn the_time_of_this_very_process_can_be_read() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 90 0 0 0 250 50 0 0 20 0 1 0 5 0 0";
        assert_eq!(used(stat), Some(3 * SECOND));
        assert_eq!(used("7 (a"), None);
        assert_eq!(used("7 (a) R 1"), None);
        assert!(used_by(std::process::id()).is_some());
    }
}
