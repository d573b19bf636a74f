//! Keys that are in Redis: read when the host starts, and looked at three times a second after
//! that. A Redis that is away, or that has forgotten something, leaves the keys in force that
//! were known.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::catalog::Catalog;
use crate::channel::Pattern;
use crate::fleet::RedisKeys;
use crate::gate::Gate;
use crate::gate::keys::table::{KeyChange, KeyTable};
use crate::gate::keys::unmatched::{WarnedKeys, unmatched};
use crate::metrics::Metrics;
use crate::tasks::{Tasks, Unasked, ever};

/// How often it is looked. A revoked key has a second to lose its sessions.
const EVERY: Duration = Duration::from_millis(300);

/// How many faults of records are told after a look.
const MAX_FAULTS: usize = 10;

const FORGOT: &str = "Redis has lost changes of keys that are known here; these stay in force until this host \
                      starts again: make or revoke keys anew";

/// What is known of the keys.
#[derive(Debug)]
struct FollowedKeys {
    keys: RedisKeys,
    gate: Arc<Gate>,
    catalog: Arc<Catalog>,
    metrics: Metrics,
    table: KeyTable,
    warned: WarnedKeys,
    /// The number of the last change that is in force here; none before all were read.
    upto: Option<u64>,
    trouble: Option<String>,
}

/// Keeps the keys as Redis has them.
pub(super) fn follow(
    keys: impl Fn() -> RedisKeys + Send + 'static,
    gate: &Arc<Gate>,
    catalog: &Arc<Catalog>,
    metrics: &Metrics,
    tasks: &Tasks,
) {
    gate.await_keys();
    let (gate, catalog, metrics) = (gate.clone(), catalog.clone(), metrics.clone());
    tasks.spawn("redis_keys", Unasked::Restart, move || {
        let (gate, catalog, metrics) = (gate.clone(), catalog.clone(), metrics.clone());
        ever(FollowedKeys::new(keys(), gate, catalog, metrics).run())
    });
}

impl FollowedKeys {
    fn new(keys: RedisKeys, gate: Arc<Gate>, catalog: Arc<Catalog>, metrics: Metrics) -> Self {
        Self {
            keys,
            gate,
            catalog,
            metrics,
            table: KeyTable::default(),
            warned: WarnedKeys::default(),
            upto: None,
            trouble: None,
        }
    }

    async fn run(mut self) {
        loop {
            let looked = match self.upto {
                None => self.read_all().await,
                Some(upto) => self.look(upto).await,
            };
            self.note(looked.err());
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reads all of them. What changes meanwhile comes with the next look.
    async fn read_all(&mut self) -> Result<(), String> {
        let newest = self.keys.newest().await?;
        let Self {
            keys, gate, table, ..
        } = self;
        let mut faults = Vec::new();
        let taking = keys.all(|texts| {
            let change = table.take(texts);
            gate.change(&change.gone, &change.records);
            faults.extend(change.faults);
            faults.truncate(MAX_FAULTS);
        });
        taking.await?;
        self.upto = Some(newest);
        self.say_faults(&faults);
        tracing::info!(keys = self.table.known(), "the keys in Redis are in force");
        Ok(())
    }

    /// Takes in what has changed since the change of that number.
    async fn look(&mut self, upto: u64) -> Result<(), String> {
        let mut upto = upto;
        loop {
            let changes = self.keys.since(upto).await?;
            if changes.newest < upto {
                return Err(FORGOT.to_owned());
            }
            if changes.texts.is_empty() {
                return Ok(());
            }
            upto = changes.upto;
            let change = self.table.take(changes.texts);
            self.put(&change);
            self.upto = Some(upto);
        }
    }

    fn put(&mut self, change: &KeyChange) {
        let KeyChange {
            gone,
            records,
            faults,
        } = change;
        self.gate.change(gone, records);
        let why = |pattern: &Pattern| self.catalog.unmatched(pattern);
        self.warned.warn(&unmatched(records, Timestamp::now(), why));
        tracing::info!(
            changed = records.len(),
            keys = self.table.known(),
            "keys in Redis have changed, and are in force as they are now"
        );
        self.say_faults(faults);
    }

    fn say_faults(&self, faults: &[String]) {
        for fault in faults.iter().take(MAX_FAULTS) {
            tracing::error!(
                fault,
                "a key in Redis cannot be used; what was known of it stays in force"
            );
        }
    }

    fn note(&mut self, trouble: Option<String>) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let is_good = trouble.is_none() && self.table.unusable() == 0;
        self.metrics.key_file_ok.set(is_good.into());
        self.metrics.keys.set(count(self.table.known()));
        match (&trouble, &self.trouble) {
            (Some(why), None) => tracing::error!(
                why,
                "the keys in Redis cannot be read; those that were known stay in force"
            ),
            (None, Some(_)) => tracing::info!("the keys in Redis can be read again"),
            _ => {}
        }
        self.gate.note_keys(trouble.clone());
        self.trouble = trouble;
    }
}
