//! What an instance may use: memory, tables, inner instances, and time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, Result, UpdateDeadline};

use super::clock::TICK;
use super::inspect::sizes;
use super::limits::Limits;
use crate::count::count_of;

/// Held by the store; asked by the engine whenever an instance wants more.
#[derive(Debug)]
pub(super) struct Budget {
    memory_limit: usize,
    table_limit: usize,
    instance_limit: usize,
    /// Bytes of all linear memories together.
    memory: usize,
    /// What was refused first since the last call began.
    refused: Option<OverLimit>,
    /// Half of the deadline: see `at_deadline`.
    half: Duration,
    /// The thread's time when the first half was over.
    first_half_ended: Option<Duration>,
}

/// More than an instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OverLimit {
    /// Bytes of all memories together, and the limit.
    Memory(usize, usize),
    /// Elements of a table, and the limit.
    Table(usize, usize),
}

impl std::fmt::Display for OverLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Memory(wanted, limit) => {
                let (wanted, limit) = sizes(wanted as u64, limit as u64);
                write!(f, "it wanted {wanted} of memory, and `memory` is {limit}")
            }
            Self::Table(wanted, limit) => write!(
                f,
                "it wanted a table of {}, and `table-elements` is {limit}",
                count_of(wanted, "element")
            ),
        }
    }
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory,
            table_limit: limits.table_elements,
            instance_limit: limits.max_instances,
            memory: 0,
            refused: None,
            half: limits.deadline / 2,
            first_half_ended: None,
        }
    }

    /// Begins a call, and returns after how many ticks the engine is to ask `at_deadline`.
    pub(super) fn begin(&mut self) -> u64 {
        self.refused = None;
        self.first_half_ended = None;
        self.ticks_of_half()
    }

    pub(super) fn refused(&self) -> Option<OverLimit> {
        self.refused
    }

    fn answer(&mut self, allowed: bool, refused: OverLimit) -> Result<bool> {
        if !allowed {
            self.refused.get_or_insert(refused);
        }
        Ok(allowed)
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
        self.answer(allowed, OverLimit::Memory(total, self.memory_limit))
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let allowed = desired <= self.table_limit;
        self.answer(allowed, OverLimit::Table(desired, self.table_limit))
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
