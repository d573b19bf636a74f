//! Which revisions run, and how that changes: everything that an operator can ask for, decided
//! one change at a time.
//!
//! ```text
//! push ─► check ─► revision ─► plan ─► (shadow) ─► apply ─► probation ─► settled
//!                                                    └── rollback ◄── return ◄──┘
//! ```
//! The registry is the state that all of this works on. Its methods look at it and write to the
//! audit log, and change nothing of what runs. Each file has what is done with it as functions;
//! events never wait for any of them.

mod apply;
mod audit;
mod builtin;
mod caller;
mod change;
mod claims;
pub mod consent;
mod decide;
mod deployment;
mod examine;
mod fleet;
mod follow_config;
mod history;
mod keeper;
mod loader;
mod open;
mod options;
mod pause;
mod plans;
mod prepare;
mod probation;
mod push;
mod refusals;
mod refused;
mod remove;
pub mod report;
mod requests;
mod resolve;
mod rollback;
mod shadow;
mod start;
mod state;
mod switch;
mod trying;
mod watch;

use std::sync::Arc;

use parking_lot::Mutex;

pub use self::apply::apply;
use self::audit::{Record, Trail};
pub use self::caller::Caller;
use self::change::Deployments;
use self::deployment::{Deployment, Running};
pub use self::fleet::{DesiredReport, FailedReport, FleetReport, fleet_report, follow_fleet};
use self::fleet::{Fleet, host_troubles};
pub use self::follow_config::follow_config;
pub use self::history::history;
use self::keeper::Keeper;
use self::loader::Loader;
pub use self::open::open;
use self::options::Options;
pub use self::pause::{PauseOrder, pause};
use self::plans::Plans;
pub use self::plans::{find_plan, plan};
pub use self::push::{check, checked, imports_of, push, reconfigure};
pub use self::refused::Refused;
use self::refused::shown;
pub use self::remove::remove;
pub use self::report::FamilyState;
use self::report::{RevisionReport, Role, TransformReport};
pub use self::requests::{Consent, FollowRequest, PushRequest, RollbackRequest, ShadowRequest};
pub use self::rollback::rollback;
use self::shadow::Shadows;
pub use self::shadow::{find_shadow, shadow, stop_shadow};
pub use self::start::{Configured, StartError, configured, refuse_conflicts};
use self::state::state_trouble;
pub use self::state::watch_state;
pub use self::trying::{Offline, Taken, try_applied, try_configured};
pub use self::watch::Rights as FolderRights;
pub use self::watch::watch_folder;
use crate::catalog::Catalog;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::pipeline::Intake;
use crate::revision::Revision;
use crate::revision::needs::covers;
use crate::state::Store;
use crate::tasks::Tasks;
use crate::transform::RevisionId;
use crate::wanted::desired::Desired;

/// How many plans are kept in memory; the oldest goes first.
const MAX_PLANS: usize = 16;

/// The fewest digits by which a revision can be named.
const MIN_PREFIX: usize = 6;

/// All transforms of this host.
#[derive(Debug)]
pub struct Registry {
    /// Never held while anything is waited for.
    deployments: Mutex<Deployments>,
    keeper: Keeper,
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
    /// What this host is called in its fleet; nothing where it is on its own.
    fn host(&self) -> &str {
        self.fleet.as_ref().map_or("", |fleet| fleet.host())
    }

    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// All transforms, by name.
    pub fn list(&self) -> Vec<TransformReport> {
        let deployments = self.deployments.lock();
        let shadows = self.shadows.lock();
        let report = |(name, deployment): (&String, &Deployment)| {
            let shadow = shadows.running_for(name);
            deployment.report(name, self.host(), shadow, |id| self.recorded(name, id))
        };
        deployments.iter().filter_map(report).collect()
    }

    /// # Errors
    /// There is no such transform.
    pub fn show(&self, name: &str) -> Result<TransformReport, Refused> {
        let shadow = self.shadows.lock().running_for(name);
        let report = self.with(name, |deployment| {
            deployment.report(name, self.host(), shadow, |id| self.recorded(name, id))
        })?;
        let mut report = report.ok_or_else(|| Refused::NoSuchTransform(shown(name)))?;
        report.not_yet.extend(state_trouble(self));
        Ok(report)
    }

    /// What runs, in words: each transform with its version and its revision's short name.
    pub fn in_words(&self) -> Vec<String> {
        let deployments = self.deployments.lock();
        let running = |(name, deployment): (&String, &Deployment)| {
            let [revision, version] = deployment.running.as_ref()?.revision.label();
            let state = match deployment.state_now() {
                report::TransformState::Paused => " (paused)",
                report::TransformState::Held => " (held)",
                _ => "",
            };
            Some(format!("{name} {version} {revision}{state}"))
        };
        deployments.iter().filter_map(running).collect()
    }

    /// All revisions that are known, newest first, without the values of secret settings.
    pub fn revisions(&self, transform: Option<&str>) -> Vec<RevisionReport> {
        let mut reports = self.known_revisions(transform);
        for report in &mut reports {
            report.revision = report.revision.shown();
        }
        reports
    }

    fn known_revisions(&self, transform: Option<&str>) -> Vec<RevisionReport> {
        let deployments = self.deployments.lock();
        let ready = deployments.values().flat_map(Deployment::revisions);
        let mut reports: Vec<RevisionReport> = ready.collect();
        for kept in self.loader.store.iter().flat_map(|store| store.revisions()) {
            if !reports.iter().any(|known| known.revision.id == kept.id) {
                let deployment = deployments.get(&kept.transform);
                let wanted = deployment.map(|deployment| deployment.intent.wanted());
                let is_withdrawn = wanted.is_some_and(|wanted| wanted.is_withdrawn(&kept.id));
                reports.push(RevisionReport {
                    role: if is_withdrawn {
                        Role::Withdrawn
                    } else {
                        Role::Kept
                    },
                    revision: Revision::clone(&kept),
                });
            }
        }
        reports.retain(|report| transform.is_none_or(|name| report.revision.transform == name));
        reports.sort_by_key(|report| std::cmp::Reverse(report.revision.at));
        reports
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
        found.retain(|report| {
            beginning.len() >= MIN_PREFIX && report.revision.id.as_str().starts_with(beginning)
        });
        match found.len() {
            0 => Err(Refused::NoSuchRevision(shown(beginning))),
            1 => Ok(found.remove(0)),
            _ => Err(Refused::AmbiguousRevision(shown(beginning))),
        }
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
        let deployments = self.deployments.lock();
        for running in deployments
            .values()
            .filter_map(|deployment| deployment.running.as_ref())
        {
            running.live.show_high_water();
        }
    }

    /// How each family's transform is doing.
    pub fn families(&self) -> Vec<FamilyState> {
        let denied = self.intake.denied_transforms();
        let deployments = self.deployments.lock();
        let families = deployments.values();
        let families = families.flat_map(|deployment| deployment.families(self.host(), &denied));
        families.collect()
    }

    /// Why this host should get no clients yet, and transforms of which nothing runs though it
    /// should, a sentence each.
    pub fn troubles(&self) -> (Option<&'static str>, Vec<String>) {
        let deployments = self.deployments.lock();
        let waits = deployments.values().any(|deployment| deployment.unlooked);
        let waits = waits.then_some("what the fleet wants is not known yet");
        let idle = deployments
            .iter()
            .filter(|(_, deployment)| deployment.running.is_none());
        let troubles = idle.filter_map(|(name, deployment)| {
            let is_removed = deployment.intent.wanted().choice.revision.is_none();
            let trouble = match is_removed && deployment.configured.is_some() {
                true => {
                    "it was removed, and the settings name it; follow-config brings it back".into()
                }
                false => deployment.trouble(self.host())?,
            };
            Some(format!("transform {name}: {trouble}"))
        });
        (waits, troubles.chain(host_troubles(self)).collect())
    }

    fn with<T>(&self, name: &str, look: impl FnOnce(&Deployment) -> T) -> Result<T, Refused> {
        let deployments = self.deployments.lock();
        let deployment = deployments.get(name);
        deployment
            .map(look)
            .ok_or_else(|| Refused::NoSuchTransform(shown(name)))
    }

    /// As `with`, of a transform that runs.
    fn with_running<T>(&self, name: &str, look: impl FnOnce(&Running) -> T) -> Result<T, Refused> {
        let deployments = self.deployments.lock();
        let running = deployments
            .get(name)
            .and_then(|deployment| deployment.running.as_ref());
        running
            .map(look)
            .ok_or_else(|| Refused::NoSuchTransform(shown(name)))
    }

    /// What runs of a transform.
    fn runs(&self, name: &str) -> Option<RevisionId> {
        let runs = self.with_running(name, |running| running.revision.id.clone());
        runs.ok()
    }

    /// What is known of a revision, where it stands ready, is kept, or is known to the
    /// fleet.
    fn record_of(&self, name: &str, id: &RevisionId) -> Option<Arc<Revision>> {
        let ready = self.with(name, |deployment| {
            deployment.ready(id).map(|ready| ready.revision.clone())
        });
        let ready = ready.ok().flatten();
        ready.or_else(|| self.recorded(name, id))
    }

    /// Those that may run in the place of a revision, by what is known of them anywhere.
    fn covers(&self, wanted: &Desired, of: &Revision) -> Vec<RevisionId> {
        covers(wanted, of, |id| self.record_of(&of.transform, id))
    }

    /// The record of a revision of a transform, where it is kept or known to the fleet.
    fn recorded(&self, name: &str, id: &RevisionId) -> Option<Arc<Revision>> {
        let kept = || self.loader.store.as_ref()?.revision(id);
        let shared = || self.fleet.as_ref()?.record(name, id).map(Arc::new);
        kept().or_else(shared)
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
