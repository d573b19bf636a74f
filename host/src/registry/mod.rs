//! Which revisions run, and how that changes: everything that an operator can ask for, decided
//! one change at a time.
//!
//! ```text
//! push ─► check ─► revision ─► plan ─► (shadow) ─► apply ─► probation ─► settled
//!                                                    └── rollback ◄── return ◄──┘
//! ```
//! The registry orders the pipeline and keeps the state folder true; events never wait for it.

mod apply;
mod ask;
mod audit;
mod builtin;
mod caller;
mod catalog;
mod compare;
pub mod consent;
mod diff;
mod examine;
mod fleet;
mod loader;
mod open;
mod pause;
mod plans;
mod probation;
mod push;
mod refusals;
mod refused;
mod remove;
pub mod report;
mod revision;
mod rollback;
mod shadow;
mod slot;
mod start;
mod state;
pub mod store;
mod swap;
mod trial;
mod trying;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

pub use self::ask::{Ask, Consent, RollbackAsk, ShadowAsk};
use self::audit::{Record, Trail};
pub use self::caller::Caller;
pub use self::catalog::Catalog;
use self::fleet::Fleet;
pub use self::fleet::{FleetReport, acl_rules as fleet_acl_rules};
use self::loader::Loader;
use self::plans::Plans;
pub use self::push::imports_of;
pub use self::refused::Refused;
use self::refused::shown;
pub use self::report::FamilyState;
use self::report::{RevisionReport, Role, TransformReport};
pub use self::revision::{Allowed, Parameter, PublicFamily, PublicMessage, Revision, Surface};
use self::shadow::Shadows;
use self::slot::Slot;
pub use self::start::{Configured, StartError, configured, refuse_conflicts};
use self::store::Store;
use self::store::audit::Entry;
pub use self::trying::{Taken, try_applied, try_configured};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::pipeline::{Intake, ProbationMarks};
use crate::tasks::Tasks;

/// How many plans are kept in memory; the oldest goes first.
const MAX_PLANS: usize = 16;

/// The fewest digits by which a revision can be named.
const MIN_PREFIX: usize = 6;

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

/// All transforms of this host.
#[derive(Debug)]
pub struct Registry {
    slots: RwLock<BTreeMap<String, Slot>>,
    /// Held from the look at what runs to the end of a change.
    changing: tokio::sync::Mutex<()>,
    /// Held while a plan is made: each takes a whole component, and a core for a while.
    planning: tokio::sync::Mutex<()>,
    plans: Mutex<Plans>,
    shadows: Mutex<Shadows>,
    catalog: Arc<Catalog>,
    loader: Loader,
    trail: Trail,
    intake: Arc<Intake>,
    hub: Arc<Hub>,
    metrics: Metrics,
    tasks: Tasks,
    options: Options,
    /// None where this host is on its own.
    fleet: Option<Arc<Fleet>>,
}

impl Registry {
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// All transforms, by name.
    pub fn list(&self) -> Vec<TransformReport> {
        let shadows = self.shadows.lock();
        let slots = self.slots.read();
        let report = |slot: &Slot| slot.report(shadows.running_for(slot.live.name()));
        slots.values().map(report).collect()
    }

    /// # Errors
    /// There is no such transform.
    pub fn show(&self, name: &str) -> Result<TransformReport, Refused> {
        let shadow = self.shadows.lock().running_for(name);
        self.with_slot(name, |slot| slot.report(shadow))
    }

    /// What runs, in words: each transform with its version and its revision's short name.
    pub fn in_words(&self) -> Vec<String> {
        let slots = self.slots.read();
        let running = |slot: &Slot| {
            let [revision, version] = slot.revision.label();
            let state = if slot.active.paused { " (paused)" } else { "" };
            format!("{} {version} {revision}{state}", slot.live.name())
        };
        slots.values().map(running).collect()
    }

    /// All revisions that are known, newest first, without the values of secret settings.
    pub fn revisions(&self, transform: Option<&str>) -> Vec<RevisionReport> {
        let mut all = self.known_revisions(transform);
        for report in &mut all {
            report.revision = report.revision.shown();
        }
        all
    }

    fn known_revisions(&self, transform: Option<&str>) -> Vec<RevisionReport> {
        let slots = self.slots.read();
        let mut all: Vec<RevisionReport> = slots.values().flat_map(Slot::revisions).collect();
        for kept in self.loader.store.iter().flat_map(|store| store.revisions()) {
            if !all.iter().any(|one| one.revision.id == kept.id) {
                all.push(RevisionReport {
                    role: Role::Kept,
                    revision: Revision::clone(&kept),
                });
            }
        }
        all.retain(|one| transform.is_none_or(|name| one.revision.transform == name));
        all.sort_by_key(|one| std::cmp::Reverse(one.revision.at));
        all
    }

    /// The one revision whose id begins so, without the values of secret settings.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn revision(&self, beginning: &str) -> Result<RevisionReport, Refused> {
        let mut report = self.known_revision(beginning)?;
        report.revision = report.revision.shown();
        Ok(report)
    }

    /// As `revision`, and it can be run: its settings are whole.
    fn known_revision(&self, beginning: &str) -> Result<RevisionReport, Refused> {
        let mut found = self.known_revisions(None);
        found.retain(|one| {
            beginning.len() >= MIN_PREFIX && one.revision.id.as_str().starts_with(beginning)
        });
        match found.len() {
            0 => Err(Refused::NoSuchRevision(shown(beginning))),
            1 => Ok(found.remove(0)),
            _ => Err(Refused::AmbiguousRevision(shown(beginning))),
        }
    }

    /// The last entries of the audit log, newest last, and the hash of its last line.
    ///
    /// # Errors
    /// There is no state folder, or it cannot be read.
    pub fn history(
        &self,
        transform: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<String>), Refused> {
        let store = self.store()?;
        let entries = store
            .audit()
            .tail(transform, limit)
            .map_err(Refused::State)?;
        Ok((entries, store.audit().head()))
    }

    /// Writes down a change that an operator asked for elsewhere, and what came of it.
    ///
    /// # Errors
    /// Those of `outcome`.
    pub async fn note<T>(
        &self,
        by: Caller<'_>,
        action: &'static str,
        detail: String,
        outcome: Result<T, Refused>,
    ) -> Result<T, Refused> {
        let record = Record {
            by,
            action,
            transform: None,
            revision: None,
            plan: None,
            detail,
        };
        self.record(record, outcome).await
    }

    /// Writes down requests that were refused before anybody looked what they were about, in
    /// words. They wait for nobody.
    pub async fn note_request(&self, by: Caller<'_>, result: &'static str, detail: String) {
        let entry = Record {
            by,
            action: "request",
            transform: None,
            revision: None,
            plan: None,
            detail: String::new(),
        };
        self.trail.write(entry.with(result, &detail)).await;
    }

    /// Sets the gauges of what the revisions that run have used at most.
    pub fn show_high_water(&self) {
        for slot in self.slots.read().values() {
            slot.live.show_high_water();
        }
    }

    /// How each family's transform is doing.
    pub fn families(&self) -> Vec<FamilyState> {
        let denied = self.intake.denied_transforms();
        let slots = self.slots.read();
        let families = slots.values().flat_map(|slot| slot.families(&denied));
        families.collect()
    }

    fn with_slot<T>(&self, name: &str, look: impl FnOnce(&Slot) -> T) -> Result<T, Refused> {
        let slots = self.slots.read();
        let slot = slots.get(name);
        slot.map(look)
            .ok_or_else(|| Refused::NoSuchTransform(shown(name)))
    }

    fn store(&self) -> Result<Arc<Store>, Refused> {
        self.loader.store.clone().ok_or(Refused::NoStateDir)
    }

    /// Writes down what came of a change, whichever way it went.
    async fn record<T>(&self, what: Record<'_>, outcome: Result<T, Refused>) -> Result<T, Refused> {
        self.trail.write(what.entry(&outcome)).await;
        outcome
    }

    /// As `record`, for a change that was made though it could perhaps not be written down: then
    /// its answer says so.
    async fn record_stop<T>(
        &self,
        what: Record<'_>,
        mut outcome: Result<T, Refused>,
        not_yet: impl FnOnce(&mut T) -> &mut Vec<String>,
    ) -> Result<T, Refused> {
        let written = self.trail.write(what.entry(&outcome)).await;
        if let Ok(answer) = &mut outcome
            && !written
        {
            not_yet(answer).push(audit::NOT_YET.to_owned());
        }
        outcome
    }
}
