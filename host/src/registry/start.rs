//! What runs when the host starts: what the settings name, and what operators applied since.
//!
//! What an operator applied stays until an operator applies something else; all else follows
//! the settings. Whatever of the state folder cannot be used is said and worked around.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::loader::{Loader, Trust, read_within};
use super::push::{check_record, record_of};
use super::refusals::Refusals;
use super::slot::Ready;
use super::store::{Active, ActiveSet, Room, Store, StoreError};
use super::{Revision, builtin};
use crate::files;
use crate::metrics::Metrics;
use crate::settings::{ComponentSource, Settings, TransformSettings};
use crate::tasks::blocking;
use crate::transform::{Compiler, Component, Engine, RevisionId};

/// Who sent what the settings name.
const CONFIGURATION: &str = "configuration";

/// How many transforms are loaded at a time. The compiler decides by itself how many it takes;
/// this bounds the components that wait for it, in memory.
pub(super) const AT_ONCE: usize = 16;

/// A transform that the settings name, loaded.
#[derive(Debug)]
pub struct Configured {
    pub component: Arc<Component>,
    /// Where it came from, for operators.
    pub origin: String,
    pub lanes: usize,
}

/// What takes a transform's place at the start.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) revision: Arc<Revision>,
    pub(super) component: Arc<Component>,
    pub(super) previous: Option<Ready>,
    pub(super) active: Active,
    /// Whether the settings name it; otherwise it runs because an operator applied it.
    pub(super) configured: bool,
}

/// Why the transforms cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("transform {origin}: there is no built-in component of that name; there are {known}")]
    NoSuchBuiltin { origin: String, known: String },
    #[error("transform {origin}: cannot read it: {cause}; {}", files::advice(.cause))]
    Read {
        origin: String,
        cause: std::io::Error,
    },
    #[error("transform {origin}: {}", listed(.faults))]
    Load { origin: String, faults: Vec<String> },
    #[error(
        "transforms {first} and {second} both have the {what} \"{value}\"; it can belong to one only"
    )]
    Conflict {
        first: String,
        second: String,
        what: &'static str,
        value: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the fleet: {0:#}")]
    Fleet(anyhow::Error),
    #[error("no thread for a lane")]
    Thread(#[source] std::io::Error),
}

fn listed(faults: &[String]) -> String {
    match faults {
        [only] => only.clone(),
        several => format!("\n  - {}", several.join("\n  - ")),
    }
}

/// Loads what the settings name, or all built-in components where they name nothing, and
/// holds them against each other.
///
/// # Errors
/// What keeps one of them from running.
pub async fn configured(
    settings: &Settings,
    engine: &Engine,
) -> Result<Vec<Configured>, StartError> {
    let loader = loader(settings, engine, None, &Metrics::new());
    let all = load_configured(&loader, &settings.transforms).await?;
    refuse_conflicts(all.iter().map(|one| (&*one.component, &*one.origin)))?;
    Ok(all)
}

/// # Errors
/// Two of these want the same.
pub fn refuse_conflicts<'a>(
    all: impl Iterator<Item = (&'a Component, &'a str)>,
) -> Result<(), StartError> {
    let mut seen: Vec<(&Component, &str)> = Vec::new();
    for (component, origin) in all {
        for (earlier, first) in &seen {
            let (one, other) = (&earlier.descriptor, &component.descriptor);
            let same_name = || (one.name == other.name).then(|| ("name", one.name.clone()));
            if let Some((what, value)) = one.conflict(other).or_else(same_name) {
                return Err(StartError::Conflict {
                    first: (*first).to_owned(),
                    second: origin.to_owned(),
                    what,
                    value,
                });
            }
        }
        seen.push((component, origin));
    }
    Ok(())
}

pub(super) fn loader(
    settings: &Settings,
    engine: &Engine,
    store: Option<Arc<Store>>,
    metrics: &Metrics,
) -> Loader {
    Loader {
        engine: engine.clone(),
        compiler: Compiler::new(engine, settings.compile_memory, settings.compile_time),
        refusals: Refusals::default(),
        store,
        metrics: metrics.clone(),
    }
}

async fn load_configured(
    loader: &Loader,
    settings: &[TransformSettings],
) -> Result<Vec<Configured>, StartError> {
    let named = named(settings);
    let loads = stream::iter(named.iter()).map(|transform| load_one(loader, transform));
    loads.buffered(AT_ONCE).try_collect().await
}

/// What the settings name; all that is built in where they name nothing.
pub(super) fn named(settings: &[TransformSettings]) -> Cow<'_, [TransformSettings]> {
    if settings.is_empty() {
        builtin::all_by_default().into()
    } else {
        settings.into()
    }
}

pub(super) async fn load_one(
    loader: &Loader,
    settings: &TransformSettings,
) -> Result<Configured, StartError> {
    let (origin, bytes, trust) = read(settings)?;
    let loaded = loader.load(&bytes, trust, &settings.settings, &settings.limits);
    let loaded = loaded.await.map_err(|faults| StartError::Load {
        origin: origin.clone(),
        faults,
    })?;
    if let Some(store) = loader.store.clone() {
        let (kept, bytes) = (record_of(&loaded.component, &origin, CONFIGURATION), bytes);
        blocking(move || store.add(&kept, &bytes)).await?;
    }
    Ok(Configured {
        component: loader.keep(loaded).await,
        origin,
        lanes: settings.lanes,
    })
}

fn read(settings: &TransformSettings) -> Result<(String, Arc<[u8]>, Trust), StartError> {
    match &settings.component {
        ComponentSource::Builtin(name) => {
            let origin = format!("builtin:{name}");
            match builtin::find(name) {
                Some(bytes) => Ok((origin, bytes.into(), Trust::Ours)),
                None => Err(StartError::NoSuchBuiltin {
                    origin,
                    known: builtin::names().join(", "),
                }),
            }
        }
        ComponentSource::File(path) => {
            let origin = path.display().to_string();
            match read_within(path, settings.limits.max_component_size) {
                Ok(bytes) => Ok((origin, bytes.into(), Trust::None)),
                Err(cause) => Err(StartError::Read { origin, cause }),
            }
        }
    }
}

fn room_of(settings: &Settings) -> Room {
    Room {
        refused: settings.refused_code_size,
        reusable: settings.reusable_code_size,
    }
}

/// Opens the state folder, and works out what is to run.
pub(super) async fn resolve(
    settings: &Settings,
    engine: &Engine,
    metrics: &Metrics,
) -> Result<(Loader, Vec<Starting>), StartError> {
    let (store, kept) = match settings.state_dir.clone() {
        Some(folder) => {
            let (key, room) = (engine.key(), room_of(settings));
            let opened = blocking(move || Store::open(&folder, &key, room)).await?;
            for damage in opened.damage {
                tracing::error!(damage, "the state folder is not as it was left");
            }
            (Some(Arc::new(opened.store)), opened.active)
        }
        None => (None, ActiveSet::default()),
    };
    let loader = loader(settings, engine, store, metrics);
    let configured = load_configured(&loader, &settings.transforms).await?;
    let starts = stream::iter(configured).map(|named| from_settings(&loader, named, &kept));
    let mut starting: Vec<_> = starts.buffered(AT_ONCE).collect().await;
    let named: BTreeSet<_> = starting.iter().map(name_of).collect();
    let others = kept.transforms.iter();
    let others = others.filter(|(name, active)| active.applied && !named.contains(*name));
    let starts = stream::iter(others).map(async |(name, active)| {
        let start = from_state(&loader, name, active).await;
        if start.is_none() {
            tracing::error!(
                transform = name,
                "none of its revisions can be used; push one again"
            );
        } else {
            tracing::info!(
                transform = name,
                "the settings do not name this transform; it runs because an operator applied it, \
                 until `tidegate transform remove` ends that"
            );
        }
        start
    });
    let others: Vec<_> = starts.buffered(AT_ONCE).collect().await;
    starting.extend(others.into_iter().flatten());
    refuse_conflicts(
        starting
            .iter()
            .map(|one| (&*one.component, &*one.revision.origin)),
    )?;
    Ok((loader, starting))
}

fn name_of(start: &Starting) -> String {
    start.revision.transform.clone()
}

/// A transform that the settings name, which may have been changed by an operator since.
async fn from_settings(loader: &Loader, named: Configured, kept: &ActiveSet) -> Starting {
    let revision = record_of(&named.component, &named.origin, CONFIGURATION);
    let kept = kept.transforms.get(&revision.transform);
    let fresh = |revision: &RevisionId| Active {
        revision: revision.clone(),
        previous: None,
        past: Vec::new(),
        failed: Vec::new(),
        paused: false,
        applied: false,
        probation: false,
        since: Timestamp::now(),
        by: CONFIGURATION.to_owned(),
        lanes: named.lanes,
    };
    if let Some(kept) = kept.filter(|kept| kept.applied)
        && let Some(mut applied) = from_state(loader, &revision.transform, kept).await
    {
        if applied.revision.id != revision.id {
            tracing::info!(
                transform = revision.transform,
                runs = %applied.revision.id,
                configured = %revision.id,
                "an operator's revision stays in place of the configured one"
            );
        }
        applied.active.lanes = named.lanes;
        applied.configured = true;
        return applied;
    }
    let mut active = kept.cloned().unwrap_or_else(|| fresh(&revision.id));
    active.lanes = named.lanes;
    active.applied = false;
    active.probation = false;
    active.turn_to(revision.id.clone(), CONFIGURATION, Timestamp::now());
    let previous = match active.previous.clone() {
        Some(id) => load(loader, &id).await,
        None => None,
    };
    active.previous = previous.as_ref().map(|one| one.id().clone());
    Starting {
        revision: Arc::new(revision),
        component: named.component,
        previous,
        active,
        configured: true,
    }
}

/// What an operator applied, or else what ran before it.
async fn from_state(loader: &Loader, name: &str, kept: &Active) -> Option<Starting> {
    let mut active = kept.clone();
    let (current, previous) = load_both(loader, &active).await;
    if let Some(Ready {
        revision,
        component,
    }) = current
    {
        active.previous = previous.as_ref().map(|one| one.id().clone());
        return Some(Starting {
            revision,
            component,
            previous,
            active,
            configured: false,
        });
    }
    let Ready {
        revision,
        component,
    } = previous?;
    tracing::error!(
        transform = name,
        runs = %revision.id,
        "the active revision cannot be used; the one before it is"
    );
    active.turn_to(revision.id.clone(), "tidegate", Timestamp::now());
    active.previous = None;
    active.probation = false;
    Some(Starting {
        revision,
        component,
        previous: None,
        active,
        configured: false,
    })
}

/// The active revision and the one before, beside each other; where both are of one component,
/// one after the other, so that it is compiled once.
async fn load_both(loader: &Loader, active: &Active) -> (Option<Ready>, Option<Ready>) {
    let component = |id| Some(loader.store.as_ref()?.revision(id)?.component.clone());
    let current = &active.revision;
    let Some(previous) = &active.previous else {
        return (load(loader, current).await, None);
    };
    if component(current) == component(previous) {
        return (load(loader, current).await, load(loader, previous).await);
    }
    tokio::join!(load(loader, current), load(loader, previous))
}

/// A revision of the state folder, if it can still be used.
async fn load(loader: &Loader, id: &RevisionId) -> Option<Ready> {
    let store = loader.store.clone()?;
    let Some(revision) = store.revision(id) else {
        tracing::error!(revision = %id, "this revision is not in the state folder any more");
        return None;
    };
    let digest = revision.component.clone();
    let faults = match blocking(move || store.component(&digest)).await {
        Ok(bytes) => {
            let (bytes, settings, limits) = (bytes.into(), &revision.settings, &revision.limits);
            match loader.load(&bytes, Trust::None, settings, limits).await {
                Ok(loaded) => match check_record(&revision, &loaded.component) {
                    Ok(()) => {
                        let component = loader.keep(loaded).await;
                        return Some(Ready {
                            revision,
                            component,
                        });
                    }
                    Err(wrong) => wrong,
                },
                Err(faults) => faults.join("; "),
            }
        }
        Err(error) => error.to_string(),
    };
    tracing::error!(revision = %id, faults, "this revision cannot be used");
    None
}
