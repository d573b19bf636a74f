//! From what is wanted to what runs, when the host starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::audit::Trail;
use super::change::change_deployment;
use super::fleet::Fleet;
use super::keeper::{Keeper, keep_what_changes};
use super::plans::Plans;
use super::resolve::{Note, resolve};
use super::start::StartError;
use super::{Options, Registry};
use crate::catalog::Catalog;
use crate::fleet::Member;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::pipeline::Intake;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::transform::Engine;

/// Starts all transforms. `member` is this host in its fleet, if it is of one.
///
/// # Errors
/// What the settings name cannot run, or the state folder is not ours to use.
pub async fn open(
    settings: &Settings,
    engine: &Engine,
    intake: Arc<Intake>,
    hub: Arc<Hub>,
    member: Option<Arc<Member>>,
    metrics: Metrics,
    tasks: Tasks,
) -> Result<Arc<Registry>, StartError> {
    let fleet = member.map(|member| Fleet::new(member, settings));
    let resolved = resolve(settings, engine, &metrics, fleet.is_some()).await?;
    let store = &resolved.loader.store;
    let trail = Trail::start(store.clone(), settings.audit_queue, &metrics, &tasks);
    let options = Options::of(settings);
    let plans = Plans::open(store.clone(), options.plan_time).await;
    let registry = Arc::new(Registry {
        deployments: Mutex::new(BTreeMap::new()),
        keeper: Keeper::default(),
        planning: tokio::sync::Mutex::default(),
        plans: Mutex::new(plans),
        shadows: Mutex::default(),
        catalog: Arc::new(Catalog::default()),
        loader: resolved.loader,
        trail,
        intake,
        hub,
        metrics,
        tasks,
        options,
        fleet,
    });
    for name in resolved.deployments.keys() {
        let metrics = registry.metrics.transform(name);
        for kind in ["apply", "settings", "rollback", "return"] {
            metrics.swapped(kind);
        }
    }
    *registry.deployments.lock() = resolved.deployments;
    keep_what_changes(&registry);
    // Of two that want the same, what the settings name runs, or the first by name.
    let mut names: Vec<(bool, String)> = registry
        .deployments
        .lock()
        .iter()
        .map(|(name, deployment)| (deployment.configured.is_none(), name.clone()))
        .collect();
    names.sort();
    for (_, name) in names {
        let started = change_deployment(&registry, &name, |_| ());
        // They are there: they were put there just now.
        if let Ok((_, changed)) = started {
            changed.followed().await;
        }
    }
    registry.keeper.note_change();
    for note in resolved.notes {
        let Note {
            action,
            transform,
            revision,
            detail,
        } = note;
        registry
            .trail
            .write_own(action, &transform, Some(revision), &detail)
            .await;
    }
    if let Some(store) = registry.loader.store.clone() {
        let count = i64::try_from(store.revisions().len()).unwrap_or(i64::MAX);
        registry.metrics.revisions.set(count);
    }
    Ok(registry)
}
