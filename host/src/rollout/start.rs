//! What the settings name, loaded; and why a host cannot start.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::builtin;
use super::loader::{Loader, Trust};
use super::refusals::Refusals;
use crate::files::{self, read_within};
use crate::metrics::Metrics;
use crate::revision::Revision;
use crate::revision::claims::{Claim, Claims};
use crate::settings::{ComponentSource, Settings, TransformSettings};
use crate::state::{Store, StoreError};
use crate::tasks::blocking;
use crate::transform::{Compiler, Component, Engine};
use crate::wanted::desired::CONFIGURATION;

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
    let components = load_configured(&loader, &settings.transforms).await?;
    refuse_conflicts(
        components
            .iter()
            .map(|named| (&*named.component, &*named.origin)),
    )?;
    Ok(components)
}

/// # Errors
/// Two of these want the same.
pub fn refuse_conflicts<'a>(
    components: impl Iterator<Item = (&'a Component, &'a str)>,
) -> Result<(), StartError> {
    let mut seen: Vec<(&Component, &str)> = Vec::new();
    for (component, origin) in components {
        for (earlier, first) in &seen {
            let (known, new) = (&earlier.descriptor, &component.descriptor);
            let claims = Claims::from(&**known);
            let shared = claims.shared_with(&Claims::from(&**new)).cloned();
            let same_name = || {
                (known.name == new.name).then(|| Claim {
                    kind: "name",
                    name: known.name.clone(),
                })
            };
            if let Some(Claim { kind, name }) = shared.or_else(same_name) {
                return Err(StartError::Conflict {
                    first: (*first).to_owned(),
                    second: origin.to_owned(),
                    what: kind,
                    value: name,
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

pub(super) async fn load_configured(
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
        let (kept, bytes) = (
            Revision::of(&loaded.component, &origin, CONFIGURATION),
            bytes,
        );
        if let Err(error) = blocking(move || store.add(&kept, &bytes)).await {
            tracing::error!(
                transform = loaded.component.descriptor.name,
                %error,
                "what the settings name cannot be kept; it runs all the same"
            );
        }
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
