//! What would change: made from what runs and a revision, and good for exactly that.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::consent;
use super::diff::{self, Side};
use super::fleet::Mark;
use super::loader::Trust;
use super::push::check_record;
use super::report::{Comparison, Level, Plan};
use super::trial::Trial;
use super::{Caller, MAX_PLANS, Record, Refused, Registry, Revision, shown};
use crate::count::count_of;
use crate::event::Event;
use crate::pipeline::{Counts, Failure, Paired, Probation, Took};
use crate::tasks::blocking;
use crate::transform::{Component, RevisionId};

/// How long the last events may be tried for a plan. An operator waits for it.
const TRIAL_TIME: Duration = Duration::from_secs(2);

/// Digits of a plan's id: enough not to be mistaken for another.
const ID_DIGITS: usize = 12;

/// The plans that can be applied, oldest first.
#[derive(Debug, Default)]
pub(super) struct Plans(VecDeque<Made>);

/// A plan with what it takes to carry it out.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) plan: Arc<Plan>,
    pub(super) revision: Arc<Revision>,
    pub(super) component: Arc<Component>,
    /// What it was made for; see `Registry::basis`.
    basis: String,
    /// The fleet's order at that time.
    pub(super) seen: Option<Mark>,
}

impl Plans {
    fn keep(&mut self, made: Made) {
        self.0.retain(|one| one.plan.id != made.plan.id);
        self.0.push_back(made);
        if self.0.len() > MAX_PLANS {
            self.0.pop_front();
        }
    }

    pub(super) fn find(&self, id: &str) -> Result<Made, Refused> {
        let found = self.0.iter().find(|one| one.plan.id == id);
        found.cloned().ok_or_else(|| Refused::NoSuchPlan(shown(id)))
    }

    /// The revisions that a plan could still make active.
    pub(super) fn targets(&self) -> BTreeSet<RevisionId> {
        self.0.iter().map(|one| one.plan.to.clone()).collect()
    }
}

impl Registry {
    /// Works out what applying a revision would change.
    ///
    /// # Errors
    /// It runs already, is not known, or would take what is another's.
    pub async fn plan(&self, by: Caller<'_>, revision: &str) -> Result<Arc<Plan>, Refused> {
        let outcome = async {
            let _planning = self.planning.lock().await;
            self.make_plan(by, revision).await
        };
        let outcome = outcome.await;
        let plan = outcome.as_ref().ok();
        let record = Record {
            by,
            action: "plan",
            transform: plan.map(|one| one.transform.clone()),
            revision: plan.map(|one| one.to.clone()),
            plan: plan.map(|one| one.id.clone()),
            detail: plan.map_or_else(String::new, |one| {
                let notes = one.changes.iter();
                let notes = notes.filter(|change| change.level == Level::Note).count();
                format!(
                    "{} breaking, {} wider, {}",
                    one.needs.breaking.len(),
                    one.needs.wider.len(),
                    count_of(notes, "other change")
                )
            }),
        };
        self.record(record, outcome).await
    }

    /// # Errors
    /// There is no such plan any more.
    pub fn find_plan(&self, id: &str) -> Result<Arc<Plan>, Refused> {
        self.plans.lock().find(id).map(|made| made.plan)
    }

    async fn make_plan(&self, by: Caller<'_>, revision: &str) -> Result<Arc<Plan>, Refused> {
        self.store()?;
        let revision = Arc::new(self.known_revision(revision)?.revision);
        let name = &revision.transform;
        let (basis, seen) = (self.basis(name), self.seen(name));
        let active = self.with_slot(name, |slot| {
            (slot.revision.clone(), slot.component().clone())
        });
        let active = active.ok();
        if let Some((running, _)) = &active
            && running.id == revision.id
        {
            return Err(Refused::AlreadyActive(revision.id.clone()));
        }
        let component = self.load_kept(&revision).await?;
        self.refuse_conflicts(&component)?;
        let changes = diff::changes(
            active.as_ref().map(|(revision, component)| Side {
                revision,
                imports: &component.imports,
            }),
            Side {
                revision: &revision,
                imports: &component.imports,
            },
        );
        let (recent, probation_would_undo) = match &active {
            Some((record, running)) => {
                let trial = Trial::new(running, &record.surface, &component, false);
                let events = self.intake.recent(name);
                let probation = self.probation_of_next(name, true);
                let paired = Paired::of(&running.descriptor, &component.descriptor);
                blocking(move || try_both(trial, &events, probation, paired)).await
            }
            None => (None, None),
        };
        let needs = consent::needs(&changes, recent.as_ref(), probation_would_undo.as_deref());
        let plan = Arc::new(Plan {
            id: id_of(&basis, &revision.id),
            transform: name.clone(),
            from: active.map(|(running, _)| running.id.clone()),
            to: revision.id.clone(),
            changes,
            needs,
            recent,
            probation_would_undo,
            at: Timestamp::now(),
            by: by.name.to_owned(),
        });
        self.plans.lock().keep(Made {
            plan: plan.clone(),
            revision,
            component,
            basis,
            seen,
        });
        Ok(plan)
    }

    /// The component of a revision that is on disk.
    pub(super) async fn load_kept(&self, revision: &Revision) -> Result<Arc<Component>, Refused> {
        let (store, digest) = (self.store()?, revision.component.clone());
        let bytes = blocking(move || store.component(&digest).map(Arc::from)).await;
        let bytes = bytes.map_err(|error| Refused::State(error.into()))?;
        let loaded = self
            .loader
            .load(&bytes, Trust::None, &revision.settings, &revision.limits);
        let refuse = |faults| Refused::check(&revision.transform, faults);
        let loaded = loaded.await.map_err(refuse)?;
        check_record(revision, &loaded.component).map_err(|wrong| refuse(vec![wrong]))?;
        Ok(self.loader.keep(loaded).await)
    }

    /// Everything that a plan for this transform depends on, as a text that is another after
    /// each change of it: what runs there, what the others claim, and what the fleet wants.
    fn basis(&self, transform: &str) -> String {
        let slots = self.slots.read();
        let mut text = format!("{:?}\n", self.seen(transform));
        for slot in slots.values() {
            let descriptor = &slot.component().descriptor;
            let own = descriptor.name == transform;
            let families: Vec<&str> = descriptor.family_names().collect();
            let kinds: Vec<&str> = descriptor.message_types().collect();
            let runs = own.then_some((slot.active.revision.as_str(), slot.active.since));
            text += &format!("{} {families:?} {kinds:?} {runs:?}\n", descriptor.name);
        }
        text
    }

    /// What the fleet wants of a transform, as far as this host knows.
    pub(super) fn seen(&self, transform: &str) -> Option<Mark> {
        self.fleet.as_ref().and_then(|fleet| fleet.mark(transform))
    }

    /// # Errors
    /// The plan was made for something else than what runs now.
    pub(super) fn still_holds(&self, made: &Made) -> Result<(), Refused> {
        if self.basis(&made.plan.transform) == made.basis {
            return Ok(());
        }
        let fleet = self.fleet.as_ref();
        if self.seen(&made.plan.transform) != made.seen
            && let Some(told) = fleet.and_then(|fleet| fleet.told(&made.plan.transform))
        {
            return Err(Refused::StalePlan(told));
        }
        let now = self.with_slot(&made.plan.transform, |slot| {
            format!(
                "{} runs {} since {}, by {}",
                slot.live.name(),
                slot.active.revision,
                slot.active.since,
                slot.active.by
            )
        });
        let other = |_| "another transform has changed meanwhile".to_owned();
        Err(Refused::StalePlan(now.unwrap_or_else(other)))
    }
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
    mut trial: Trial,
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
        let Some(tried) = trial.note(event) else {
            continue;
        };
        counts.note(&tried.answer);
        let (before, now) = tried.times;
        times.push(Took::of(before, now, &tried.answer));
        if tried.both {
            paired.note_answers(&tried.active, &tried.answer);
        }
        if let (Some(probation), Some(failure)) = (&probation, Failure::of(&tried.answer)) {
            probation.note_failure(failure, failure.is_common_with(&tried.active));
        }
    }
    let verdict = probation.and_then(|probation| probation.would_undo(&counts, &paired, &times));
    let report = (!events.is_empty()).then(|| trial.report());
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
