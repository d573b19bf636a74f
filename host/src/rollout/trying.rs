//! What a check tries without starting: each transform that the settings name, and what the state
//! folder would have a host run. It changes nothing.

use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::loader::{Loader, Trust};
use super::push::check_record;
use super::resolve::room_of;
use super::start::{AT_ONCE, Configured, StartError, load_one, loader, named};
use crate::metrics::Metrics;
use crate::revision::Revision;
use crate::settings::Settings;
use crate::state::glimpse;
use crate::state::{Store, StoreError};
use crate::tasks::blocking;
use crate::transform::limits::Limits;
use crate::transform::{Component, Engine, RevisionId};
use crate::wanted::desired::Choice;

/// Loads each transform that the settings name, or tells what is wrong with it.
pub async fn try_configured(
    settings: &Settings,
    engine: &Engine,
) -> Vec<Result<Configured, StartError>> {
    let loader = loader(settings, engine, None, &Metrics::new());
    let named = named(&settings.transforms);
    let tries = stream::iter(named.iter()).map(|transform| load_one(&loader, transform));
    tries.buffered(AT_ONCE).collect().await
}

/// Loads components as a host does, beside no host: nothing of them is kept.
#[derive(Debug, Clone)]
pub struct Offline(Loader);

impl Offline {
    /// With what the host's settings give a compiler.
    pub fn new(settings: &Settings, engine: &Engine) -> Self {
        Self(loader(settings, engine, None, &Metrics::new()))
    }

    /// The same, and compiled code is kept in this folder, which is as a state folder. Nothing is
    /// kept where that cannot be, or where another process has it.
    pub fn keeping(settings: &Settings, engine: &Engine, folder: &Path) -> Self {
        let opened = Store::open(folder, &engine.key(), room_of(settings)).ok();
        let store = opened.map(|opened| Arc::new(opened.store));
        Self(loader(settings, engine, store, &Metrics::new()))
    }

    /// # Errors
    /// All for which a host would refuse it, a sentence each.
    pub async fn load(
        &self,
        bytes: &Arc<[u8]>,
        settings: &Value,
        limits: &Limits,
    ) -> Result<Arc<Component>, Vec<String>> {
        let loaded = self.0.load(bytes, Trust::None, settings, limits);
        Ok(loaded.await?.component)
    }

    /// The same without its samples, for whoever tries them by himself.
    ///
    /// # Errors
    /// As `load`, but for what its samples come to.
    pub async fn load_untried(
        &self,
        bytes: &Arc<[u8]>,
        settings: &Value,
        limits: &Limits,
    ) -> Result<Arc<Component>, Vec<String>> {
        let loaded = self.0.load_untried(bytes, settings, limits);
        Ok(Arc::new(loaded.await?))
    }
}

/// What the state folder would have a host run in place of what the settings name, or beside it.
#[derive(Debug)]
pub struct Taken {
    pub transform: String,
    /// Which revision, since when and by whom, for operators.
    pub origin: String,
    pub component: Result<Arc<Component>, Vec<String>>,
}

/// Tries all that an operator applied and that the state folder still has; changes nothing.
///
/// # Errors
/// The folder cannot be read.
pub async fn try_applied(settings: &Settings, engine: &Engine) -> Result<Vec<Taken>, StoreError> {
    let Some(folder) = settings.state_dir.clone() else {
        return Ok(Vec::new());
    };
    let applied = blocking(move || glimpse::applied(&folder)).await?;
    let loader = loader(settings, engine, None, &Metrics::new());
    let tries = stream::iter(applied).map(async |kept| {
        let Choice { since, by, .. } = &kept.choice;
        let revision = kept.choice.revision.as_ref().map(RevisionId::short);
        let revision = revision.unwrap_or_default();
        Taken {
            origin: format!("revision {revision} of the state folder, applied by {by} at {since}"),
            component: try_kept(&loader, kept.found).await,
            transform: kept.transform,
        }
    });
    Ok(tries.buffered(AT_ONCE).collect().await)
}

async fn try_kept(
    loader: &Loader,
    found: Result<(Revision, Vec<u8>), String>,
) -> Result<Arc<Component>, Vec<String>> {
    let (revision, bytes) = found.map_err(|wrong| vec![format!("it {wrong}")])?;
    let (bytes, settings, limits) = (bytes.into(), &revision.settings, &revision.limits);
    let loaded = loader.load(&bytes, Trust::None, settings, limits);
    let component = loaded.await?.component;
    check_record(&revision, &component).map_err(|wrong| vec![wrong])?;
    Ok(component)
}
