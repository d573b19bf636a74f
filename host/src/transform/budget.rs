//! What an instance may use: memory, tables, inner instances, and time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, Result, UpdateDeadline};

use super::clock::TICK;
use super::limits::Limits;

/// Held by the store; asked by the engine whenever an instance wants more.
#[derive(Debug)]
pub(super) struct Budget {
    memory_limit: usize,
    table_limit: usize,
    instance_limit: usize,
    /// Bytes of all linear memories together.
    memory: usize,
    /// Something was refused since the last call began.
    refused: bool,
    /// Half of the deadline: see `at_deadline`.
    half: Duration,
    /// The thread's time when the first half was over.
    first_half_ended: Option<Duration>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory,
            table_limit: limits.table_elements,
            instance_limit: limits.max_instances,
            memory: 0,
            refused: false,
            half: limits.deadline / 2,
            first_half_ended: None,
        }
    }

    /// A call begins. Returns after how many ticks the engine is to ask `at_deadline`.
    pub(super) fn begin(&mut self) -> u64 {
        self.refused = false;
        self.first_half_ended = None;
        self.ticks_of_half()
    }

    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// The deadline is about time that the guest used. Epochs count time that passed, which on
    /// a starved machine would condemn the innocent: so when half of it has passed, the
    /// thread's own clock is read, and the call ends once that has gone on for the other half.
    pub(super) fn at_deadline(&mut self) -> UpdateDeadline {
        let now = thread_time();
        match self.first_half_ended {
            None => {
                self.first_half_ended = Some(now);
                UpdateDeadline::Continue(self.ticks_of_half())
            }
            Some(then) if now.saturating_sub(then) + TICK / 2 < self.half => {
                UpdateDeadline::Continue(1)
            }
            Some(_) => UpdateDeadline::Interrupt,
        }
    }

    fn ticks_of_half(&self) -> u64 {
        let ticks = self.half.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let total = self.memory - current.min(self.memory) + desired;
        let allowed = total <= self.memory_limit;
        if allowed {
            self.memory = total;
        }
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let allowed = desired <= self.table_limit;
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        self.instance_limit
    }

    fn tables(&self) -> usize {
        self.instance_limit
    }

    fn memories(&self) -> usize {
        self.instance_limit
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
