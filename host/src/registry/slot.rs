//! A transform's place on this host: what runs there, what ran before, and how it is doing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Revision;
use super::report::{
    FamilyState, Figures, HighWater, Mark, ProbationReport, Returned, RevisionReport, Role,
    TransformReport, TransformState,
};
use super::store::Active;
use crate::pipeline::{Counts, Live, Probation};
use crate::transform::{Component, Peaks, RevisionId};

/// A revision that can take over at once.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) revision: Arc<Revision>,
    pub(super) component: Arc<Component>,
}

impl Ready {
    pub(super) fn id(&self) -> &RevisionId {
        &self.revision.id
    }
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) live: Arc<Live>,
    pub(super) revision: Arc<Revision>,
    /// Loaded, so that a return takes no longer than a switch.
    pub(super) previous: Option<Ready>,
    /// As it stands on disk.
    pub(super) active: Active,
    pub(super) watched: Option<Watched>,
    pub(super) returned: Option<Returned>,
    /// Whether the settings name it; otherwise it runs because an operator applied it.
    pub(super) configured: bool,
}

/// A probation that is not over.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) probation: Arc<Probation>,
    pub(super) left: Left,
    /// Ends the task that watches, when somebody else has decided.
    _task: DropGuard,
}

impl Watched {
    pub(super) fn new(probation: Arc<Probation>, time: Duration) -> (Self, CancellationToken) {
        let token = CancellationToken::new();
        let watched = Self {
            probation,
            left: Left::new(time),
            _task: token.clone().drop_guard(),
        };
        (watched, token)
    }
}

/// How much longer a probation lasts; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Left(Arc<Mutex<Duration>>);

impl Left {
    fn new(time: Duration) -> Self {
        Self(Arc::new(Mutex::new(time)))
    }

    /// Some time has passed; true if none is left.
    pub(super) fn pass(&self, time: Duration) -> bool {
        let mut left = self.0.lock();
        *left = left.saturating_sub(time);
        left.is_zero()
    }

    fn get(&self) -> Duration {
        *self.0.lock()
    }
}

impl Slot {
    pub(super) fn component(&self) -> &Arc<Component> {
        &self.live.component
    }

    pub(super) fn running(&self) -> Ready {
        Ready {
            revision: self.revision.clone(),
            component: self.component().clone(),
        }
    }

    /// What runs and what stands ready.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &RevisionId> + Clone {
        let ready = self.previous.as_ref().map(Ready::id);
        [Some(&self.revision.id), ready].into_iter().flatten()
    }

    /// For how much longer the transform is put out after faults.
    pub(super) fn out_for(&self) -> Option<Duration> {
        self.live.health.out_for(Instant::now())
    }

    pub(super) fn state(&self) -> TransformState {
        if self.active.paused {
            TransformState::Paused
        } else if self.out_for().is_some() {
            TransformState::Out
        } else {
            TransformState::Live
        }
    }

    /// `denied` names the transforms whose events the upstream may not subscribe to, and why.
    pub(super) fn families(&self, denied: &BTreeMap<String, String>) -> Vec<FamilyState> {
        let transform = self.live.name();
        let state = |family: &str| FamilyState {
            family: family.to_owned(),
            denied: denied.get(transform).cloned(),
            transform: transform.to_owned(),
            state: self.state(),
            out_for: self.out_for(),
        };
        self.live.families().map(state).collect()
    }

    pub(super) fn role(&self, id: &RevisionId) -> Role {
        match &self.previous {
            _ if self.active.revision == *id => Role::Active,
            Some(previous) if previous.id() == id => Role::Previous,
            _ => Role::Kept,
        }
    }

    pub(super) fn report(&self, shadow: Option<String>) -> TransformReport {
        let probation = self.watched.as_ref().map(|watched| {
            let counts = self.live.tally.counts();
            let failures = watched.probation.failures(&counts);
            ProbationReport {
                ends_in_seconds: watched.left.get().as_secs_f64(),
                missing_events: watched.probation.missing(&counts),
                failures: failures.own(),
                common_failures: failures.common,
            }
        });
        TransformReport {
            name: self.live.name().to_owned(),
            state: self.state(),
            revision: self.revision.shown(),
            previous: self.previous.as_ref().map(|one| one.id().clone()),
            lanes: self.active.lanes,
            configured: self.configured,
            since: self.active.since,
            by: self.active.by.clone(),
            figures: figures(&self.live.tally.counts()),
            high_water: high_water(&self.live.high_water.read(), self.component()),
            probation,
            returned: self.returned.clone(),
            shadow,
            not_yet: Vec::new(),
        }
    }

    /// The running and the previous revision: also where there is no folder to keep them in.
    pub(super) fn revisions(&self) -> impl Iterator<Item = RevisionReport> {
        let running = [&self.revision].into_iter();
        let all = running.chain(self.previous.as_ref().map(|one| &one.revision));
        all.map(|one| RevisionReport {
            role: self.role(&one.id),
            revision: Revision::clone(one),
        })
    }
}

/// What was used at most, beside what may be.
fn high_water(peaks: &Peaks, component: &Component) -> HighWater {
    let limits = component.limits();
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mark = |most, limit: usize| Mark {
        most,
        limit: limit as u64,
    };
    HighWater {
        memory_bytes: mark(peaks.memory, limits.memory),
        instances: mark(component.instances, limits.max_instances),
        call_micros: Mark {
            most: micros(peaks.call),
            limit: micros(limits.deadline),
        },
        publications: mark(peaks.publications, limits.max_publications),
        output_bytes: mark(peaks.output, limits.max_output),
    }
}

pub(super) fn figures(counts: &Counts) -> Figures {
    Figures {
        events: counts.events,
        rejected: counts.rejected,
        faults: counts.faults,
        guard_blocks: counts.blocked,
        mean_micros: counts.mean_call.as_secs_f64() * 1e6,
    }
}
