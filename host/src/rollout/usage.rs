//! What each key was sent by day: written where all hosts of a fleet have theirs, or kept in memory
//! by a host on its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Refused, Registry};
use crate::gate::usage::{OTHERS, UsageBook, UsageCount, UsageEntry, today};
use crate::tasks::{Unasked, ever};

/// How often it is written: so much is lost where the process is killed.
const EVERY: Duration = Duration::from_secs(10);

/// How long the last is tried to be written when the host ends.
const LAST: Duration = Duration::from_secs(1);

/// How many entries are written at once.
const AT_ONCE: usize = 500;

/// What was sent, by day and key.
pub(super) type UsageDays = BTreeMap<Date, BTreeMap<String, UsageCount>>;

/// Usage by day, newest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct UsageReport {
    /// The fleet whose hosts are counted together; null where this host is counted alone.
    pub fleet: Option<String>,
    /// Since when it is counted, where a host on its own has forgotten what was before.
    pub since: Option<Timestamp>,
    /// Days of UTC.
    pub days: Vec<UsageDay>,
}

/// Usage of one day.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct UsageDay {
    pub day: String,
    /// Those that were sent the most first.
    pub keys: Vec<KeyUsage>,
}

/// What one key was sent.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyUsage {
    /// Its id; of a subject of signed tokens a digest, and `*` for those that were too many to be
    /// told apart.
    pub key: String,
    pub messages: u64,
    /// Of frames as they are sent, their heads included.
    pub bytes: u64,
}

/// What is known of usage on this host.
#[derive(Debug)]
pub(super) struct UsageKeeper {
    book: Arc<UsageBook>,
    since: Timestamp,
    pub(super) days: u32,
    pub(super) max_keys: usize,
    /// Of a host on its own.
    own: Mutex<UsageDays>,
    /// What is being written, which is tried until it was: under one number, so that it counts once.
    writing: tokio::sync::Mutex<Writing>,
}

#[derive(Debug, Default)]
struct Writing {
    number: u64,
    entries: Vec<UsageEntry>,
}

impl UsageKeeper {
    pub(super) fn new(book: UsageBook, days: u32, max_keys: usize) -> Self {
        Self {
            book: Arc::new(book),
            since: Timestamp::now(),
            days,
            max_keys,
            own: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// A host on its own keeps it in memory.
    fn keep(&self, entries: Vec<UsageEntry>) {
        let mut own = self.own.lock();
        for UsageEntry { day, key, count } in entries {
            let keys = own.entry(day).or_default();
            let key = match keys.len() >= self.max_keys && !keys.contains_key(&key) {
                true => OTHERS.to_owned(),
                false => key,
            };
            keys.entry(key).or_default().add(count);
        }
        while own.len() > self.days as usize {
            own.pop_first();
        }
    }
}

impl Registry {
    /// Where sessions bring what they were sent.
    pub fn usage_book(&self) -> &Arc<UsageBook> {
        &self.usage.book
    }

    /// Begins to write usage down.
    pub fn follow_usage(self: &Arc<Self>) {
        let registry = self.clone();
        self.tasks.spawn("usage", Unasked::Restart, move || {
            let registry = registry.clone();
            ever(async move {
                let mut was_good = true;
                loop {
                    tokio::time::sleep(EVERY).await;
                    let written = registry.write_usage().await;
                    registry
                        .metrics
                        .usage
                        .unwritten
                        .set(written.is_err().into());
                    match written {
                        Err(why) if was_good => tracing::error!(
                            why,
                            "usage cannot be written; it is kept here until it can be"
                        ),
                        Ok(()) if !was_good => tracing::info!("usage can be written again"),
                        Ok(()) | Err(_) => {}
                    }
                    was_good = registry.metrics.usage.unwritten.get() == 0;
                }
            })
        });
    }

    /// Writes what there is at the end of the host, as far as that can be done in time.
    pub async fn write_last_usage(&self) {
        match tokio::time::timeout(LAST, self.write_usage()).await {
            Ok(Ok(())) => {}
            _ => tracing::warn!("the usage of the last seconds could not be written"),
        }
    }

    async fn write_usage(&self) -> Result<(), String> {
        self.hub.count_usage().await;
        let mut writing = self.usage.writing.lock().await;
        loop {
            if writing.entries.is_empty() {
                writing.entries = self.usage.book.take(AT_ONCE);
                writing.number += 1;
            }
            if writing.entries.is_empty() {
                return Ok(());
            }
            match &self.fleet {
                Some(fleet) => {
                    let (days, max_keys) = (self.usage.days, self.usage.max_keys);
                    let entries = &writing.entries;
                    let written = fleet.write_usage(writing.number, entries, days, max_keys);
                    written.await?;
                    writing.entries.clear();
                }
                None => self.usage.keep(std::mem::take(&mut writing.entries)),
            }
        }
    }

    /// What keys were sent on the last so many days, of all hosts of the fleet or of this one.
    ///
    /// # Errors
    /// The fleet's Redis does not answer.
    pub async fn usage(&self, days: u32) -> Result<UsageReport, Refused> {
        let last = today();
        let days = (0..i64::from(days)).filter_map(|back| last.checked_sub(back.days()).ok());
        let days: Vec<Date> = days.collect();
        let (known, fleet) = match &self.fleet {
            Some(fleet) => (
                fleet.read_usage(&days).await?,
                Some(fleet.name().to_owned()),
            ),
            // What was sent just now is in it.
            None => {
                let _ = self.write_usage().await;
                (self.usage.own.lock().clone(), None)
            }
        };
        let shown = days.iter().filter_map(|day| {
            let keys = known.get(day)?;
            Some(shown(*day, keys))
        });
        Ok(UsageReport {
            since: fleet.is_none().then_some(self.usage.since),
            days: shown.collect(),
            fleet,
        })
    }
}

fn shown(day: Date, keys: &BTreeMap<String, UsageCount>) -> UsageDay {
    let keys = keys.iter().map(|(key, count)| KeyUsage {
        key: key.clone(),
        messages: count.messages,
        bytes: count.bytes,
    });
    let mut keys: Vec<KeyUsage> = keys.collect();
    keys.sort_by(|a, b| (b.bytes, &a.key).cmp(&(a.bytes, &b.key)));
    let day = day.to_string();
    UsageDay { day, keys }
}
