//! Where a host's keys come from, and how they come into force.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::redis_keys;
use crate::channel::Pattern;
use crate::credentials::{self, FileError};
use crate::fleet::RedisKeys;
use crate::gate::Gate;
use crate::gate::keys::KeyRecord;
use crate::gate::keys::unmatched::{WarnedKeys, unmatched};
use crate::metrics::Metrics;
use crate::rollout::Registry;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::upstream::redis::Server;

/// Where keys come from.
#[derive(Debug)]
pub enum KeySource {
    File(PathBuf),
    /// The Redis of the settings.
    Redis,
    Fixed(Vec<KeyRecord>),
}

impl KeySource {
    /// Puts the keys in force, and keeps them so when their file changes.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(super) fn watch(
        self,
        gate: &Arc<Gate>,
        registry: &Registry,
        (settings, server): (&Settings, &Server),
        metrics: &Metrics,
        tasks: &Tasks,
    ) -> anyhow::Result<Option<credentials::FileWatch>> {
        let path = match self {
            Self::File(path) => path,
            Self::Redis => {
                let (settings, server) = (settings.clone(), server.clone());
                let keys = move || RedisKeys::new(&settings, server.clone());
                redis_keys::follow(keys, gate, registry.catalog(), metrics, tasks);
                return Ok(None);
            }
            Self::Fixed(records) => {
                gate.replace(&records);
                metrics.key_file_ok.set(1);
                return Ok(None);
            }
        };
        let (gate, catalog) = (gate.clone(), registry.catalog().clone());
        let (warned, known) = (WarnedKeys::default(), metrics.keys.clone());
        let replace = move |records: Vec<KeyRecord>| {
            let why = |pattern: &Pattern| catalog.unmatched(pattern);
            warned.warn(&unmatched(&records, Timestamp::now(), why));
            known.set(i64::try_from(records.len()).unwrap_or(i64::MAX));
            gate.replace(&records);
        };
        let watch = credentials::watch(path, tasks, metrics.key_file_ok.clone(), replace);
        Ok(Some(watch.map_err(FileError::advised::<KeyRecord>)?))
    }
}
