//! What operators set of revisions and their changes.

use std::time::Duration;

use crate::pipeline::ProbationMarks;
use crate::settings::Settings;

/// What the operator set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Revisions kept beyond those that run and stand ready.
    pub(super) keep: usize,
    /// How long a plan can be applied.
    pub(super) plan_time: Duration,
    /// How long an applied revision is watched; zero is never.
    pub(super) probation: Duration,
    pub(super) marks: ProbationMarks,
}

impl Options {
    pub(super) const fn of(settings: &Settings) -> Self {
        Self {
            keep: settings.keep_revisions,
            plan_time: settings.plan_time,
            probation: settings.probation_time,
            marks: ProbationMarks {
                max_failures: settings.probation_max_failures,
                max_slowdown: settings.probation_max_slowdown,
                max_slow: settings.probation_max_slow,
                max_loss: settings.probation_max_loss,
                min_events: settings.probation_min_events,
                max_time: settings.probation_max_time,
            },
        }
    }
}
