//! What would change: made from what runs and a revision, and good for exactly that.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::change::Deployments;
use super::claims::refuse_conflicts;
use super::decide::at;
use super::loader::Trust;
use super::push::check_record;
use super::report::Plan;
use super::switch::probation_after;
use super::{Caller, MAX_PLANS, Record, Refused, Registry, consent, shown};
use crate::count::count_of;
use crate::event::Event;
use crate::pipeline::{Counts, Failure, Paired, Probation, Stands, Took};
use crate::revision::Revision;
use crate::revision::change::Level;
use crate::revision::compare::Sides;
use crate::revision::compare::report::Comparison;
use crate::revision::diff::Side;
use crate::revision::needs::{changes_from, measures};
use crate::state::Store;
use crate::tasks::blocking;
use crate::transform::{Component, RevisionId};

/// How long the last events may be tried for a plan. An operator waits for it.
const TRIAL_TIME: Duration = Duration::from_secs(2);

/// Digits of a plan's id: enough not to be mistaken for another.
const ID_DIGITS: usize = 12;

/// The plans that can be applied, oldest first.
#[derive(Debug, Default)]
pub(super) struct Plans(VecDeque<StoredPlan>);

/// A plan and what it was made for. The component is loaded again when it is applied.
#[derive(Debug, Clone)]
pub(super) struct StoredPlan {
    pub(super) plan: Arc<Plan>,
    /// The digest of what it was made for; see `basis`.
    basis: String,
    /// By a clock that nobody sets.
    until: Instant,
}

/// A plan as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
struct PlanFile {
    plan: Plan,
    basis: String,
}

impl Plans {
    /// Those that an earlier process made and that are still good. None can be good for longer
    /// than `time`, whatever the clock did in between.
    pub(super) async fn open(store: Option<Arc<Store>>, time: Duration) -> Self {
        let Some(store) = store else {
            return Self::default();
        };
        let kept = blocking(move || store.plans().all::<PlanFile>()).await;
        let mut kept = kept.unwrap_or_else(|error| {
            tracing::warn!(%error, "plans of before the start cannot be read");
            Vec::new()
        });
        kept.sort_by_key(|kept| kept.plan.at);
        let mut plans = Self::default();
        for kept in kept {
            let left = kept.plan.expires.duration_since(Timestamp::now());
            let left = Duration::try_from(left).unwrap_or_default().min(time);
            plans.keep(StoredPlan {
                plan: Arc::new(kept.plan),
                basis: kept.basis,
                until: Instant::now() + left,
            });
        }
        plans
    }

    /// Keeps a plan, and says which go for it.
    fn keep(&mut self, stored: StoredPlan) -> Vec<String> {
        self.0.retain(|known| known.plan.id != stored.plan.id);
        self.0.push_back(stored);
        let beyond = self.0.len().saturating_sub(MAX_PLANS);
        let gone = self.0.drain(..beyond);
        gone.map(|stored| stored.plan.id.clone()).collect()
    }

    pub(super) fn find(&self, id: &str) -> Result<StoredPlan, Refused> {
        let found = self.0.iter().find(|stored| stored.plan.id == id);
        let stored = found.ok_or_else(|| Refused::NoSuchPlan(shown(id)))?;
        if !stored.is_good() {
            return Err(Refused::ExpiredPlan {
                plan: stored.plan.id.clone(),
                revision: stored.plan.to.clone(),
                at: stored.plan.expires,
            });
        }
        Ok(stored.clone())
    }

    /// The revisions that a plan could still make active.
    pub(super) fn targets(&self) -> BTreeSet<RevisionId> {
        let good = self.0.iter().filter(|stored| stored.is_good());
        good.map(|stored| stored.plan.to.clone()).collect()
    }
}

impl StoredPlan {
    fn is_good(&self) -> bool {
        Instant::now() < self.until
    }

    /// For the disk, where no value of any event is kept.
    fn kept(&self) -> PlanFile {
        let mut plan = Plan::clone(&self.plan);
        let fields = plan.recent.iter_mut().flat_map(|recent| &mut recent.fields);
        fields.for_each(|field| field.examples.clear());
        PlanFile {
            plan,
            basis: self.basis.clone(),
        }
    }
}

/// Works out what applying a revision would change.
///
/// # Errors
/// It runs already, is not known, or would take what is another's.
pub async fn plan(
    registry: &Registry,
    by: Caller<'_>,
    revision: &str,
) -> Result<Arc<Plan>, Refused> {
    let outcome = async {
        let _planning = registry.planning.lock().await;
        make_plan(registry, by, revision).await
    };
    let outcome = outcome.await;
    let plan = outcome.as_ref().ok();
    let record = Record {
        by,
        action: "plan",
        transform: plan.map(|plan| plan.transform.clone()),
        revision: plan.map(|plan| plan.to.clone()),
        plan: plan.map(|plan| plan.id.clone()),
        detail: plan.map_or_else(String::new, |plan| {
            let notes = plan.changes.iter();
            let notes = notes.filter(|change| change.level == Level::Note).count();
            format!(
                "{} breaking, {} wider, {}",
                plan.needs.breaking.len(),
                plan.needs.wider.len(),
                count_of(notes, "other change")
            )
        }),
    };
    registry.record(record, outcome).await
}

/// # Errors
/// There is no such plan any more.
pub fn find_plan(registry: &Registry, id: &str) -> Result<Arc<Plan>, Refused> {
    registry.plans.lock().find(id).map(|stored| stored.plan)
}

async fn make_plan(
    registry: &Registry,
    by: Caller<'_>,
    revision: &str,
) -> Result<Arc<Plan>, Refused> {
    registry.store()?;
    let revision = registry.known_revision(revision)?.revision;
    let name = &revision.transform;
    let basis = basis(&registry.deployments.lock(), name);
    let active = registry.with_running(name, |running| {
        (running.revision.clone(), running.component().clone())
    });
    let active = active.ok();
    if let Some((running, _)) = &active
        && running.id == revision.id
    {
        return Err(Refused::AlreadyActive(revision.id.clone()));
    }
    let component = load_component(registry, &revision).await?;
    refuse_conflicts(registry, &component)?;
    let runs = active.as_ref().map(|(running, component)| Side {
        revision: running,
        imports: &component.imports,
    });
    let next = Side {
        revision: &revision,
        imports: &component.imports,
    };
    let wanted = registry.with(name, |deployment| deployment.intent.wanted());
    let measures = wanted.map_or_else(
        |_| vec![None],
        |wanted| measures(&wanted, active.as_ref().map(|(running, _)| &running.id)),
    );
    let changes = changes_from(&measures, runs, next, |id| registry.record_of(name, id));
    let (recent, probation_would_undo) = match &active {
        Some((record, running)) => {
            let sides = Sides::new(running, &record.surface, &component, false);
            let events = registry.intake.recent(name);
            let probation = probation_of_next(registry, name);
            let paired = Paired::of(&running.descriptor, &component.descriptor);
            blocking(move || try_both(sides, &events, probation, paired)).await
        }
        None => (None, None),
    };
    let needs = consent::needs(&changes, recent.as_ref(), probation_would_undo.as_deref());
    let now = Timestamp::now();
    let plan = Arc::new(Plan {
        id: id_of(&basis, &revision.id),
        transform: name.clone(),
        from: active.map(|(running, _)| running.id.clone()),
        to: revision.id.clone(),
        changes,
        needs,
        recent,
        probation_would_undo,
        returns_to: would_return_to(registry, &revision),
        certificate: revision.certificate.clone(),
        at: now,
        by: by.name.to_owned(),
        expires: now
            .saturating_add(registry.options.plan_time)
            .unwrap_or(now),
    });
    let stored = StoredPlan {
        plan: plan.clone(),
        basis,
        until: Instant::now() + registry.options.plan_time,
    };
    keep_plan(registry, stored).await?;
    Ok(plan)
}

/// Where Tidegate would return to by itself if a revision were applied and failed.
fn would_return_to(registry: &Registry, revision: &Revision) -> Option<RevisionId> {
    let wanted = registry
        .with(&revision.transform, |deployment| deployment.intent.wanted())
        .ok()?;
    let covers = registry.covers(&wanted, revision);
    wanted.safe().find(|safe| covers.contains(safe)).cloned()
}

/// Keeps a plan in memory and on disk. One that the disk does not take is good until a restart.
async fn keep_plan(registry: &Registry, stored: StoredPlan) -> Result<(), Refused> {
    let (store, kept) = (registry.store()?, stored.kept());
    let gone = registry.plans.lock().keep(stored);
    let written = blocking(move || {
        store.note_use(&kept.plan.to);
        store.plans().keep(&kept.plan.id, &kept)?;
        gone.iter().try_for_each(|id| store.plans().remove(id))
    });
    if let Err(error) = written.await {
        tracing::warn!(%error, "a plan cannot be kept for after a restart");
    }
    Ok(())
}

/// What a plan would make active, loaded from what is kept. It takes long, so it is to be
/// done where nobody waits for a lock.
pub(super) async fn load_planned(
    registry: &Registry,
    stored: &StoredPlan,
) -> Result<(Arc<Revision>, Arc<Component>), Refused> {
    let id = &stored.plan.to;
    let revision = registry.store()?.revision(id);
    let revision = revision.ok_or_else(|| Refused::NoSuchRevision(id.to_string()))?;
    let component = load_component(registry, &revision).await?;
    Ok((revision, component))
}

/// The component of a revision that is on disk.
pub(super) async fn load_component(
    registry: &Registry,
    revision: &Revision,
) -> Result<Arc<Component>, Refused> {
    let (store, digest) = (registry.store()?, revision.component.clone());
    let bytes = blocking(move || store.component(&digest).map(Arc::from)).await;
    let bytes = bytes.map_err(|error| Refused::State(error.into()))?;
    let loaded = registry
        .loader
        .load(&bytes, Trust::None, &revision.settings, &revision.limits);
    let refuse = |faults| Refused::check(&revision.transform, faults);
    let loaded = loaded.await.map_err(refuse)?;
    check_record(revision, &loaded.component).map_err(|wrong| refuse(vec![wrong]))?;
    Ok(registry.loader.keep(loaded).await)
}

/// The probation of whatever would take over from what runs now; none where there are none.
fn probation_of_next(registry: &Registry, name: &str) -> Option<Probation> {
    let watched = !registry.options.probation.is_zero();
    let live = registry
        .with_running(name, |running| running.live.clone())
        .ok();
    watched.then(|| probation_after(registry, live.as_deref(), Stands::Answers))
}

/// # Errors
/// The plan was made for something else than what is there now.
pub(super) fn still_holds(deployments: &Deployments, stored: &StoredPlan) -> Result<(), Refused> {
    let name = &stored.plan.transform;
    if basis(deployments, name) == stored.basis {
        return Ok(());
    }
    let now = deployments
        .get(name)
        .filter(|deployment| deployment.running.is_some());
    let now = now.map(|deployment| at(name, &deployment.intent.wanted()));
    let elsewhere = || "another transform has changed meanwhile".to_owned();
    Err(Refused::StalePlan(now.unwrap_or_else(elsewhere)))
}

/// The digest of everything that a plan for this transform depends on, another after each change
/// of it: what is chosen and runs there, and what the others claim.
fn basis(deployments: &Deployments, transform: &str) -> String {
    let mut text = String::new();
    for (name, deployment) in deployments {
        let running = deployment.running.as_ref();
        if name == transform {
            let chosen = deployment.intent.wanted().choice.id;
            let runs = running.map(|running| running.revision.id.as_str());
            text += &format!("{chosen} {runs:?}\n");
        }
        if let Some(running) = running {
            let descriptor = &running.component().descriptor;
            let families: Vec<&str> = descriptor.family_names().collect();
            let kinds: Vec<&str> = descriptor.message_types().collect();
            text += &format!("{name} {families:?} {kinds:?}\n");
        }
    }
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

fn id_of(basis: &str, to: &RevisionId) -> String {
    let digest = Sha256::digest(format!("{basis}{}", to.as_str()));
    let mut id = data_encoding::HEXLOWER.encode(&digest);
    id.truncate(ID_DIGITS);
    id
}

/// The newest first, as far as the time goes; and what a probation says of the candidate by
/// the same rules, were all events like these. It is asked once, at the end, so that its numbers
/// are those of the comparison.
fn try_both(
    mut sides: Sides,
    events: &[Arc<Event>],
    probation: Option<Probation>,
    mut paired: Paired,
) -> (Option<Comparison>, Option<String>) {
    let started = Instant::now();
    let mut counts = Counts::default();
    let mut times = Vec::new();
    for event in events.iter().rev() {
        if started.elapsed() > TRIAL_TIME {
            break;
        }
        let Some(tried) = sides.note(event) else {
            continue;
        };
        counts.note(&tried.answer);
        if let (None, None, Ok(outcome)) = (
            Failure::of(&tried.active),
            Failure::of(&tried.answer),
            &tried.answer,
        ) {
            let (before, now) = tried.times;
            times.push(Took::of(before, now, outcome));
        }
        if tried.both {
            paired.note_answers(&tried.active, &tried.answer);
        }
        if let (Some(probation), Some(failure)) = (&probation, Failure::of(&tried.answer)) {
            probation.note_failure(failure, failure.is_common_with(&tried.active));
        }
    }
    let verdict = probation.and_then(|probation| probation.would_undo(&counts, &paired, &times));
    let report = (!events.is_empty()).then(|| sides.report());
    let elsewhere = report
        .as_ref()
        .map_or(0, |report| report.events - counts.events);
    let verdict = verdict.map(|reason| match elsewhere {
        0 => reason,
        count => format!(
            "{reason}; {count} more of the last events are on channels that it does not listen to"
        ),
    });
    (report, verdict)
}
