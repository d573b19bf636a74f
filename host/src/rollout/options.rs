//! What operators set of revisions and their changes.

use std::time::Duration;

use crate::pipeline::ProbationMarks;

/// What the operator set.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Revisions kept beyond those that run and stand ready.
    pub keep: usize,
    /// How long a plan can be applied.
    pub plan_time: Duration,
    /// How long an applied revision is watched; zero is never.
    pub probation: Duration,
    pub marks: ProbationMarks,
}
