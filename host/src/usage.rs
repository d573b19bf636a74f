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

use crate::fleet::{Member, Unreachable, UsageDays, read_usage, write_usage};
use crate::gate::usage::{OTHERS, UsageBook, UsageCount, UsageEntry, today};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::tasks::{Tasks, Unasked, ever};

/// How often it is written: so much is lost where the process is killed.
const EVERY: Duration = Duration::from_secs(10);

/// How long the last is tried to be written when the host ends.
const LAST: Duration = Duration::from_secs(1);

/// How many entries are written at once.
const AT_ONCE: usize = 500;

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
pub struct UsageKeeper {
    book: Arc<UsageBook>,
    hub: Arc<Hub>,
    metrics: Metrics,
    /// None where this host is on its own.
    member: Option<Arc<Member>>,
    since: Timestamp,
    /// How many days are kept.
    days: u32,
    /// How many keys a day tells apart.
    max_keys: usize,
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
    /// What `hub`'s sessions are sent is counted.
    pub fn new(
        settings: &Settings,
        hub: Arc<Hub>,
        member: Option<Arc<Member>>,
        metrics: &Metrics,
    ) -> Self {
        let book = UsageBook::new(settings.usage_keys, metrics.usage.clone());
        Self {
            book: Arc::new(book),
            hub,
            metrics: metrics.clone(),
            member,
            since: Timestamp::now(),
            days: settings.usage_days,
            max_keys: settings.usage_keys,
            own: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Where sessions bring what they were sent.
    pub const fn book(&self) -> &Arc<UsageBook> {
        &self.book
    }

    /// A host on its own keeps it in memory.
    fn keep(&self, entries: Vec<UsageEntry>) {
        let mut own = self.own.lock();
        for UsageEntry { day, key, count } in entries {
            let keys = own.entry(day).or_default();
            // Where all others are counted is none of them.
            let told_apart = keys.len() - usize::from(keys.contains_key(OTHERS));
            let is_full = told_apart >= self.max_keys && !keys.contains_key(&key);
            let key = match is_full {
                true => OTHERS.to_owned(),
                false => key,
            };
            keys.entry(key).or_default().add(count);
        }
        while own.len() > self.days as usize {
            own.pop_first();
        }
    }

    /// Begins to write usage down.
    pub fn follow(self: &Arc<Self>, tasks: &Tasks) {
        let keeper = self.clone();
        tasks.spawn("usage", Unasked::Restart, move || {
            let keeper = keeper.clone();
            ever(async move {
                let unwritten = &keeper.metrics.usage.unwritten;
                let mut was_good = true;
                loop {
                    tokio::time::sleep(EVERY).await;
                    let written = keeper.write().await;
                    unwritten.set(written.is_err().into());
                    match &written {
                        Err(Unreachable(why)) if was_good => tracing::error!(
                            why,
                            "usage cannot be written; it is kept here until it can be"
                        ),
                        Ok(()) if !was_good => tracing::info!("usage can be written again"),
                        Ok(()) | Err(_) => {}
                    }
                    was_good = written.is_ok();
                }
            })
        });
    }

    /// Writes what there is at the end of the host, as far as that can be done in time.
    pub async fn write_last(&self) {
        match tokio::time::timeout(LAST, self.write()).await {
            Ok(Ok(())) => {}
            _ => tracing::warn!("the usage of the last seconds could not be written"),
        }
    }

    async fn write(&self) -> Result<(), Unreachable> {
        self.hub.count_usage().await;
        let mut writing = self.writing.lock().await;
        loop {
            if writing.entries.is_empty() {
                writing.entries = self.book.take(AT_ONCE);
                writing.number += 1;
            }
            if writing.entries.is_empty() {
                return Ok(());
            }
            match &self.member {
                Some(member) => {
                    let (number, entries) = (writing.number, &writing.entries);
                    let written = write_usage(member, number, entries, self.days, self.max_keys);
                    written.await?;
                    writing.entries.clear();
                }
                None => self.keep(std::mem::take(&mut writing.entries)),
            }
        }
    }

    /// What keys were sent on the last so many days, of all hosts of the fleet or of this one.
    ///
    /// # Errors
    /// The fleet's Redis does not answer.
    pub async fn report(&self, days: u32) -> Result<UsageReport, Unreachable> {
        let last = today();
        let days = (0..i64::from(days)).filter_map(|back| last.checked_sub(back.days()).ok());
        let days: Vec<Date> = days.collect();
        let (known, fleet) = match &self.member {
            Some(member) => (
                read_usage(member, &days).await?,
                Some(member.fleet().to_owned()),
            ),
            // What was sent just now is in it.
            None => {
                let _ = self.write().await;
                (self.own.lock().clone(), None)
            }
        };
        let shown = days.iter().filter_map(|day| {
            let keys = known.get(day)?;
            Some(shown(*day, keys))
        });
        Ok(UsageReport {
            since: fleet.is_none().then_some(self.since),
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
