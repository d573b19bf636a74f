//! Which components run: read, loaded and held against each other.

mod builtin;
mod catalog;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::catalog::Catalog;
use crate::settings::{ComponentSource, TransformSettings};
use crate::transform::{Component, Engine, Health, LoadError};

/// A transform at work.
#[derive(Debug)]
pub struct Live {
    pub component: Arc<Component>,
    pub health: Arc<Health>,
    /// How many threads it has.
    pub lanes: usize,
    /// Where it came from, for operators.
    pub origin: String,
}

/// All transforms of this host.
#[derive(Debug)]
pub struct Registry {
    live: Vec<Live>,
    catalog: Arc<Catalog>,
}

/// Why the transforms cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("transform {origin}: there is no built-in component of that name; there are {known}")]
    NoSuchBuiltin { origin: String, known: String },
    #[error("transform {origin}: cannot read it")]
    Read {
        origin: String,
        source: std::io::Error,
    },
    #[error("transform {origin}")]
    Load { origin: String, source: LoadError },
    #[error(
        "transforms {first} and {second} both have the {what} \"{value}\"; it can belong to one only"
    )]
    Conflict {
        first: String,
        second: String,
        what: &'static str,
        value: String,
    },
}

impl Registry {
    /// Loads what the settings name, or all built-in components where they name nothing.
    /// It compiles, so it blocks.
    pub fn load(engine: &Engine, settings: &[TransformSettings]) -> Result<Self, RegistryError> {
        let builtin = builtin::all_by_default();
        let settings = if settings.is_empty() {
            &builtin
        } else {
            settings
        };
        let live = settings
            .iter()
            .map(|one| load(engine, one))
            .collect::<Result<Vec<_>, _>>()?;
        refuse_conflicts(&live)?;
        let catalog = Catalog::new(live.iter().map(|live| live.component.descriptor.clone()));
        Ok(Self {
            live,
            catalog: Arc::new(catalog),
        })
    }

    pub fn live(&self) -> &[Live] {
        &self.live
    }

    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The transforms that are put out, and for how much longer.
    pub fn out(&self) -> impl Iterator<Item = (&str, Duration)> {
        let now = Instant::now();
        self.live.iter().filter_map(move |live| {
            Some((&*live.component.descriptor.name, live.health.out_for(now)?))
        })
    }
}

fn load(engine: &Engine, settings: &TransformSettings) -> Result<Live, RegistryError> {
    let (origin, bytes) = match &settings.component {
        ComponentSource::Builtin(name) => {
            let origin = format!("builtin:{name}");
            match builtin::find(name) {
                Some(bytes) => (origin, bytes.to_vec()),
                None => {
                    return Err(RegistryError::NoSuchBuiltin {
                        origin,
                        known: builtin::names().join(", "),
                    });
                }
            }
        }
        ComponentSource::File(path) => {
            let origin = path.display().to_string();
            match read_within(path, settings.limits.max_component_size) {
                Ok(bytes) => (origin, bytes),
                Err(source) => return Err(RegistryError::Read { origin, source }),
            }
        }
    };
    match Component::load(engine, &bytes, &settings.settings, settings.limits.clone()) {
        Ok(component) => Ok(Live {
            health: Arc::new(Health::new(&settings.limits)),
            component: Arc::new(component),
            lanes: settings.lanes,
            origin,
        }),
        Err(source) => Err(RegistryError::Load { origin, source }),
    }
}

/// Reads one byte more than allowed at most: what is too big is refused without being read.
fn read_within(path: &std::path::Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse_conflicts(live: &[Live]) -> Result<(), RegistryError> {
    for (i, second) in live.iter().enumerate() {
        for first in &live[..i] {
            let (one, other) = (&first.component.descriptor, &second.component.descriptor);
            let same = [
                ("family", &one.family, &other.family),
                ("name", &one.name, &other.name),
                ("message-type", &one.message_type, &other.message_type),
            ];
            if let Some((what, value, _)) = same.into_iter().find(|(_, a, b)| a == b) {
                return Err(RegistryError::Conflict {
                    first: first.origin.clone(),
                    second: second.origin.clone(),
                    what,
                    value: value.clone(),
                });
            }
        }
    }
    Ok(())
}
