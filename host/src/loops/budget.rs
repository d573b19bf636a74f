//! The bytes that all loops together may keep for those who are behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::IntGauge;

/// The memory that the logs of all loops may take together.
#[derive(Debug)]
pub(super) struct LogBudget {
    limit: usize,
    used: AtomicUsize,
    loops: usize,
    gauge: IntGauge,
}

/// The part of it that one loop takes.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<LogBudget>,
    used: usize,
}

impl LogBudget {
    pub(super) fn new(limit: usize, loops: usize, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            loops,
            gauge,
        })
    }

    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            used: 0,
        }
    }
}

impl Share {
    pub(super) fn set(&mut self, used: usize) {
        let LogBudget {
            used: total, gauge, ..
        } = &*self.budget;
        if used >= self.used {
            total.fetch_add(used - self.used, Ordering::Relaxed);
        } else {
            total.fetch_sub(self.used - used, Ordering::Relaxed);
        }
        gauge.add(signed(used) - signed(self.used));
        self.used = used;
    }

    /// Whether this loop is to give something up: all together are over the limit, and it has
    /// more than an equal part. Where all are over, some loop has that.
    pub(super) fn is_over(&self) -> bool {
        let LogBudget {
            limit, used, loops, ..
        } = &*self.budget;
        used.load(Ordering::Relaxed) > *limit && self.used > limit / loops
    }
}

pub(super) fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_more_than_an_equal_part_gives_up_when_all_are_over() {
        let gauge = IntGauge::new("bytes", "Bytes.").unwrap();
        let budget = LogBudget::new(100, 2, gauge.clone());
        let [mut first, mut second] = [budget.share(), budget.share()];
        first.set(90);
        second.set(10);
        assert!(
            !first.is_over() && !second.is_over(),
            "all are at the limit"
        );
        second.set(11);
        assert!(first.is_over() && !second.is_over());
        assert_eq!(gauge.get(), 101);
        first.set(0);
        assert!(!first.is_over() && !second.is_over());
        assert_eq!(gauge.get(), 11);
    }
}
