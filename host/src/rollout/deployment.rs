//! A transform as this host runs it: what is wanted, what runs, and what stands ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::report::{
    FamilyState, Figures, HighWater, ProbationReport, Returned, RevisionReport, Role,
    TransformReport, TransformState,
};
use crate::pipeline::{Live, Probation};
use crate::revision::Revision;
use crate::state::KeptTransform;
use crate::transform::{Component, Instance, RevisionId};
use crate::wanted::desired::{DecisionId, Desired};
use crate::wanted::intent::Intent;
use crate::wanted::reconcile::Process;

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
pub(super) struct Deployment {
    pub(super) intent: Intent,
    pub(super) lanes: usize,
    /// What the settings name; without it runs because somebody applied it.
    pub(super) configured: Option<RevisionId>,
    pub(super) running: Option<Running>,
    /// The lanes let nothing through.
    pub(super) held: bool,
    /// Loaded, so that a switch to them needs no disk and no compiler; what runs is one of them.
    pub(super) ready: Vec<Ready>,
    /// Instances of a revision that is about to take over, one for each lane.
    pub(super) warm: Option<(RevisionId, Vec<Instance>)>,
    /// Revisions that are needed and cannot be made ready, and why; that is tried again.
    pub(super) failing: BTreeMap<RevisionId, Failing>,
    /// Those that somebody is making ready.
    pub(super) preparing: BTreeSet<RevisionId>,
    /// This host is of a fleet.
    in_fleet: bool,
    /// This host is of a fleet, and does not know yet what that wants.
    pub(super) unlooked: bool,
    /// The choice of which it is written down, or was tried to, that its probation begins here.
    pub(super) begun: Option<DecisionId>,
    /// Its own folder does not say any more what was wanted, or withdrawn.
    pub(super) lost: bool,
    /// Its own folder says that it was wanted here before.
    pub(super) remembered: bool,
    pub(super) returned: Option<Returned>,
    /// That this cannot be made ready was said already.
    pub(super) fallback: Option<RevisionId>,
}

/// Why a revision cannot be made ready, and how often that was tried.
#[derive(Debug, Clone, Default)]
pub(super) struct Failing {
    pub(super) why: String,
    pub(super) tries: u32,
}

/// What the lanes run.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) live: Arc<Live>,
    pub(super) revision: Arc<Revision>,
    /// What answers where this one fails, while it is on probation.
    pub(super) behind: Option<Arc<Live>>,
    pub(super) watched: Option<Watched>,
}

impl Running {
    pub(super) fn component(&self) -> &Arc<Component> {
        &self.live.component
    }
}

/// A probation that is not over.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) probation: Arc<Probation>,
    pub(super) left: ProbationClock,
    /// Ends the task that watches, when somebody else has decided.
    _task: DropGuard,
}

impl Watched {
    pub(super) fn new(probation: Arc<Probation>, time: Duration) -> (Self, CancellationToken) {
        let token = CancellationToken::new();
        let watched = Self {
            probation,
            left: ProbationClock::new(time),
            _task: token.clone().drop_guard(),
        };
        (watched, token)
    }
}

/// How much longer a probation lasts; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct ProbationClock(Arc<Mutex<Duration>>);

impl ProbationClock {
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

impl Deployment {
    /// Nothing of it runs yet.
    pub(super) fn new(kept: KeptTransform, configured: Option<RevisionId>, in_fleet: bool) -> Self {
        Self {
            intent: kept.intent,
            lanes: kept.lanes,
            configured,
            running: None,
            held: true,
            ready: Vec::new(),
            warm: None,
            failing: BTreeMap::new(),
            preparing: BTreeSet::new(),
            in_fleet,
            unlooked: in_fleet,
            begun: None,
            lost: false,
            remembered: true,
            returned: None,
            fallback: None,
        }
    }

    pub(super) fn kept(&self) -> KeptTransform {
        KeptTransform {
            intent: self.intent.clone(),
            lanes: self.lanes,
        }
    }

    /// What is known of it on a host of this name.
    pub(super) fn process(&self, host: &str) -> Process {
        let running = self.runs().cloned();
        let ready = self.ready.iter().map(Ready::id);
        Process {
            ready: ready
                .filter(|id| self.is_ready(id, host))
                .cloned()
                .collect(),
            running,
            held: self.held,
            failing: self.failing.keys().cloned().collect(),
            unlooked: self.unlooked,
        }
    }

    fn runs(&self) -> Option<&RevisionId> {
        self.running.as_ref().map(|running| &running.revision.id)
    }

    /// Whether a loaded revision can take over. In a fleet it is written down first that its
    /// probation begins; a host of its own has written down the choice.
    fn is_ready(&self, id: &RevisionId, host: &str) -> bool {
        let begins = self.intent.begins(host, self.runs());
        let begins = begins.filter(|begins| self.in_fleet && self.begun != Some(begins.choice));
        let waits = begins.is_some_and(|begins| begins.revision == *id);
        !waits && !self.failing.contains_key(id)
    }

    /// Notes that the probation of what is wanted begins, where it does, and gives its choice.
    pub(super) fn begin(&mut self, host: &str) -> Option<DecisionId> {
        let begins = self.intent.begins(host, self.runs())?;
        let choice = begins.choice;
        self.intent.begin(begins);
        Some(choice)
    }

    pub(super) fn ready(&self, id: &RevisionId) -> Option<&Ready> {
        self.ready.iter().find(|ready| ready.id() == id)
    }

    /// Takes a revision as one that can take over at once.
    pub(super) fn add_ready(&mut self, ready: Ready) {
        self.failing.remove(ready.id());
        if self.ready(ready.id()).is_none() {
            self.ready.push(ready);
        }
    }

    /// Notes that a revision could not be made ready.
    pub(super) fn note_failing(&mut self, id: RevisionId, why: String) {
        let failing = self.failing.entry(id).or_default();
        failing.why = why;
        failing.tries += 1;
    }

    /// What a rollback without a name goes to now, where it stands ready.
    fn previous<'a>(&self, wanted: &'a Desired) -> Option<&'a RevisionId> {
        let previous = wanted.previous()?;
        let is_free = !self.failing.contains_key(previous);
        self.ready(previous).filter(|_| is_free).map(|_| previous)
    }

    /// For how much longer the transform is put out after faults.
    fn out_for(&self) -> Option<Duration> {
        let running = self.running.as_ref()?;
        running.live.health.out_for(Instant::now())
    }

    fn state(&self, wanted: &Desired) -> TransformState {
        if wanted.paused.yes {
            TransformState::Paused
        } else if self.held {
            TransformState::Held
        } else if self.out_for().is_some() {
            TransformState::Out
        } else {
            TransformState::Live
        }
    }

    pub(super) fn state_now(&self) -> TransformState {
        self.state(&self.intent.wanted())
    }

    /// What keeps the transform from running what is wanted, for operators.
    pub(super) fn trouble(&self, host: &str) -> Option<String> {
        let wanted = self.intent.wanted();
        if self.intent.paused_unread {
            return Some(
                "what the fleet wants cannot be read here, but that it is paused".to_owned(),
            );
        }
        if self.unlooked {
            return Some("it waits until it knows what the fleet wants".to_owned());
        }
        if let Some(stopped) = stopped(&wanted) {
            return Some(stopped);
        }
        let target = wanted.target(host)?;
        let why = &self.failing.get(target)?.why;
        let instead = match &self.running {
            Some(running) if self.held => format!("{} is held", running.revision.id),
            Some(running) => format!("{} runs instead", running.revision.id),
            None => "nothing of it runs".to_owned(),
        };
        Some(format!(
            "{target} is wanted and cannot be made ready, which is tried again; {instead}: {why}"
        ))
    }

    /// `denied` names the transforms whose events the upstream may not subscribe to, and why.
    pub(super) fn families(
        &self,
        host: &str,
        denied: &BTreeMap<String, String>,
    ) -> Vec<FamilyState> {
        let Some(running) = &self.running else {
            return Vec::new();
        };
        let transform = running.live.name();
        let state = |family: &str| FamilyState {
            family: family.to_owned(),
            denied: denied.get(transform).cloned(),
            transform: transform.to_owned(),
            state: self.state_now(),
            out_for: self.out_for(),
            trouble: self.trouble(host),
        };
        running.live.families().map(state).collect()
    }

    pub(super) fn role(&self, wanted: &Desired, id: &RevisionId) -> Role {
        let runs = self.running.as_ref();
        if runs.is_some_and(|running| running.revision.id == *id) {
            Role::Active
        } else if wanted.is_withdrawn(id) {
            Role::Withdrawn
        } else if self.previous(wanted) == Some(id) {
            Role::Previous
        } else {
            Role::Kept
        }
    }

    /// None where it was removed.
    pub(super) fn report(
        &self,
        name: &str,
        host: &str,
        shadow: Option<String>,
        record: impl FnOnce(&RevisionId) -> Option<Arc<Revision>>,
    ) -> Option<TransformReport> {
        let wanted = self.intent.wanted();
        let revision = match &self.running {
            Some(running) => running.revision.clone(),
            None => {
                let chosen = wanted.choice.revision.as_ref()?;
                let unknown = || Arc::new(Revision::unknown(name, chosen));
                record(chosen).unwrap_or_else(unknown)
            }
        };
        let running = self.running.as_ref();
        let counts = running.map(|running| running.live.tally.counts());
        let counts = counts.unwrap_or_default();
        let watched = running.and_then(|running| running.watched.as_ref());
        let probation = watched.map(|watched| {
            let failures = watched.probation.failures(&counts);
            ProbationReport {
                ends_in_seconds: watched.left.get().as_secs_f64(),
                missing_events: watched.probation.missing(&counts),
                failures: failures.own(),
                common_failures: failures.common,
            }
        });
        let withdrawn = wanted.withdrawn.iter().filter(|(_, decided)| decided.yes);
        Some(TransformReport {
            name: name.to_owned(),
            state: self.state(&wanted),
            revision: revision.shown(),
            previous: self.previous(&wanted).cloned(),
            withdrawn: withdrawn.map(|(id, _)| id.clone()).collect(),
            generation: wanted.generation,
            detached: self.intent.detached.is_some(),
            trouble: self.trouble(host),
            lanes: self.lanes,
            configured: self.configured.is_some(),
            since: wanted.choice.since,
            by: wanted.choice.by.clone(),
            figures: Figures::of(&counts),
            high_water: running.map_or_else(HighWater::default, |running| {
                HighWater::of(&running.live.high_water.read(), running.component())
            }),
            probation,
            returned: self.returned.clone(),
            shadow,
            not_yet: Vec::new(),
        })
    }

    /// What stands ready: also where there is no folder to keep it in.
    pub(super) fn revisions(&self) -> Vec<RevisionReport> {
        let wanted = self.intent.wanted();
        let report = |ready: &Ready| RevisionReport {
            role: self.role(&wanted, ready.id()),
            revision: Revision::clone(&ready.revision),
        };
        self.ready.iter().map(report).collect()
    }
}

/// Why nothing of what is chosen runs, where it was taken back and nothing came in its place.
fn stopped(wanted: &Desired) -> Option<String> {
    let chosen = wanted.choice.revision.as_ref()?;
    if !wanted.is_withdrawn(chosen) {
        return None;
    }
    let failed = wanted.failed.as_ref();
    let why = failed.filter(|failed| failed.revision == *chosen);
    let why = match why {
        Some(failed) => format!("failed ({})", failed.why),
        None => "was taken back".to_owned(),
    };
    let way_on = match wanted.previous() {
        Some(previous) => {
            format!("{previous} shows clients more, and comes back by rollback --allow-wider only")
        }
        None => "no revision before it is known to be good".to_owned(),
    };
    Some(format!(
        "{chosen} {why}, and nothing goes out: {way_on}; go back or apply another, then resume"
    ))
}
