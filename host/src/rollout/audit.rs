//! The audit log as everything here writes it: entries go through one bounded queue to the disk,
//! and whoever asked for a change waits, with patience, until his is there.
//!
//! What stops something happens whether or not it can be written down, and is written later.
//! What starts something asks `ready` beforehand, and does not begin without.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, OwnedMutexGuard, watch};

use super::prepare::ITSELF;
use super::{Caller, Refused};
use crate::metrics::Metrics;
use crate::state::Store;
use crate::state::audit::Entry;
use crate::tasks::{Tasks, Unasked, blocking, ever};
use crate::transform::{RevisionId, printable};

/// What an answer says of a change that is not in the log yet.
pub(super) const NOT_YET: &str = "the audit log: it cannot be written now; this is written there \
                                  when it can, unless the host ends before";

/// The longest detail, in characters.
const MAX_DETAIL: usize = 2_000;

/// How long whoever asked waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// Until a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How many entries of Tidegate's own are remembered, so that what it tries again and again is
/// written once.
const REMEMBERED: usize = 64;

/// What changes nothing that runs: after any other change the same is news again.
const PASSIVE: [&str; 4] = ["check", "push", "plan", "request"];

/// What is to be written of one action, besides its outcome.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) by: Caller<'a>,
    pub(super) action: &'static str,
    pub(super) transform: Option<String>,
    pub(super) revision: Option<RevisionId>,
    pub(super) plan: Option<String>,
    pub(super) detail: String,
}

impl Record<'_> {
    pub(super) fn entry<T>(self, outcome: &Result<T, Refused>) -> Entry {
        let (result, detail) = match outcome {
            Ok(_) => ("done", self.detail.clone()),
            Err(refused) if self.detail.is_empty() => (refused.code(), words(refused)),
            Err(refused) => {
                let words = words(refused);
                (refused.code(), format!("{words}; {}", self.detail))
            }
        };
        self.with(result, &detail)
    }

    /// With this result, in words.
    pub(super) fn with(self, result: &str, detail: &str) -> Entry {
        Entry {
            at: Timestamp::now(),
            by: self.by.name.to_owned(),
            address: self.by.address,
            action: self.action.to_owned(),
            transform: self.transform,
            revision: self.revision,
            plan: self.plan,
            result: result.to_owned(),
            detail: printable(detail, MAX_DETAIL),
            before: None,
        }
    }
}

/// A refusal for the log, in which no upstream channel is named.
fn words(refused: &Refused) -> String {
    if refused.faults().is_empty() {
        return refused.to_string();
    }
    let faults = refused.faults().iter();
    let faults: Vec<&str> = faults
        .map(|fault| match fault.contains("upstream") {
            true => "something about its upstream channels",
            false => fault,
        })
        .collect();
    faults.join("; ")
}

/// The way to the log. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Trail(Arc<TrailState>);

#[derive(Debug)]
struct TrailState {
    /// None where there is no state folder: then nothing is written.
    store: Option<Arc<Store>>,
    /// The most entries that may wait.
    room: usize,
    waiting: Mutex<Waiting>,
    wake: Notify,
    progress: watch::Sender<WriteProgress>,
    /// Held by a trial of the disk: one that hangs is not followed by another.
    trying: Arc<tokio::sync::Mutex<()>>,
    metrics: Metrics,
}

/// Entries that are not on the disk yet, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// The number of the last one, from 1 on.
    last: u64,
    /// How many found no room since one was written.
    lost: u64,
    repeats: Repeats,
}

/// How far the writer is, by the numbers of entries.
#[derive(Debug, Clone, Copy, Default)]
struct WriteProgress {
    written: u64,
    /// Those up to this one wait for another try.
    failed: u64,
}

impl Trail {
    pub(super) fn start(
        store: Option<Arc<Store>>,
        room: usize,
        metrics: &Metrics,
        tasks: &Tasks,
    ) -> Self {
        let trail = Self(Arc::new(TrailState {
            store: store.clone(),
            room,
            waiting: Mutex::default(),
            wake: Notify::new(),
            progress: watch::Sender::default(),
            trying: Arc::default(),
            metrics: metrics.clone(),
        }));
        if let Some(store) = store {
            let writer = trail.clone();
            tasks.spawn("audit", Unasked::Restart, move || {
                let (writer, store) = (writer.clone(), store.clone());
                ever(async move { writer.write_for_ever(&store).await })
            });
        }
        trail
    }

    /// Writes an entry, and returns whether it is on the disk; if not, it is tried again until
    /// it is, as far as there is room for it.
    pub(super) async fn write(&self, entry: Entry) -> bool {
        if self.0.store.is_none() {
            return true;
        }
        let number = match self.0.waiting.lock().push(entry, self.0.room) {
            Queued::Waits(number) => number,
            Queued::Known => return true,
            Queued::Lost => {
                self.0.metrics.audit.lost.inc();
                return false;
            }
        };
        self.is_written(number).await
    }

    /// Writes down what Tidegate has done by itself. Nobody waits for an answer.
    pub(super) async fn write_own(
        &self,
        action: &'static str,
        transform: &str,
        revision: Option<RevisionId>,
        detail: &str,
    ) {
        let record = Record {
            by: Caller::named(ITSELF),
            action,
            transform: Some(transform.to_owned()),
            revision,
            plan: None,
            detail: String::new(),
        };
        self.write(record.with("done", detail)).await;
    }

    /// Whether an entry could be written now.
    ///
    /// # Errors
    /// It could not. Then nothing should be started that has to be written down.
    pub(super) async fn ready(&self) -> Result<(), Refused> {
        let Some(store) = self.0.store.clone() else {
            return Ok(());
        };
        let last = self.0.waiting.lock().last;
        if !self.is_written(last).await {
            return Err(unwritable("earlier entries still wait"));
        }
        let attempt = async {
            let held = self.0.trying.clone().lock_owned().await;
            blocking(move || try_to_write(&store, held)).await
        };
        match tokio::time::timeout(PATIENCE, attempt).await {
            Ok(tried) => tried.map_err(|error| unwritable(&error.to_string())),
            Err(_) => Err(unwritable("the disk does not answer")),
        }
    }

    /// Waits until this entry is written, was tried in vain, or has taken too long.
    async fn is_written(&self, number: u64) -> bool {
        self.0.progress.send_modify(|progress| progress.failed = 0);
        self.0.wake.notify_one();
        let mut progress = self.0.progress.subscribe();
        let settled = |progress: &WriteProgress| progress.written.max(progress.failed) >= number;
        let settled = progress.wait_for(settled);
        let settled = tokio::time::timeout(PATIENCE, settled).await;
        settled.is_ok_and(|progress| progress.is_ok_and(|now| now.written >= number))
    }

    async fn write_for_ever(&self, store: &Arc<Store>) {
        let mut said = false;
        loop {
            let Some((number, entry)) = self.0.waiting.lock().next() else {
                self.0.wake.notified().await;
                continue;
            };
            let writing = store.clone();
            let written = blocking(move || writing.audit().append(&entry)).await;
            match written {
                Ok(head) => {
                    tracing::info!(head, "the audit log has a new line");
                    self.0.waiting.lock().written(number);
                    self.0
                        .progress
                        .send_modify(|progress| progress.written = number);
                    self.0.metrics.audit.entries.inc();
                    said = false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::error!(%error, "the audit log cannot be written; what is to be in it waits");
                    }
                    let last = self.0.waiting.lock().last;
                    self.0
                        .progress
                        .send_modify(|progress| progress.failed = last);
                    let woken = self.0.wake.notified();
                    let _sooner = tokio::time::timeout(RETRY, woken).await;
                }
            }
            self.show_waiting();
        }
    }

    fn show_waiting(&self) {
        let waiting = self.0.waiting.lock().entries.len();
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.0.metrics.audit.waiting.set(waiting);
    }
}

fn try_to_write(store: &Store, held: OwnedMutexGuard<()>) -> std::io::Result<()> {
    let tried = store.audit().try_to_write();
    drop(held);
    tried
}

fn unwritable(why: &str) -> Refused {
    Refused::AuditUnwritable(why.to_owned())
}

/// What became of an entry that was to be written.
#[derive(Debug, PartialEq, Eq)]
enum Queued {
    Waits(u64),
    /// The same is there already.
    Known,
    Lost,
}

impl Waiting {
    /// Refusals have half of the room: nobody can take it all from what was done.
    fn push(&mut self, entry: Entry, room: usize) -> Queued {
        let room = if entry.result == "done" {
            room
        } else {
            room / 2
        };
        if self.entries.len() >= room.max(1) {
            self.lost += 1;
            return Queued::Lost;
        }
        if self.repeats.has(&entry) {
            return Queued::Known;
        }
        self.entries.push_back(entry);
        self.last += 1;
        Queued::Waits(self.last)
    }

    /// The entry to be written now, and its number.
    fn next(&self) -> Option<(u64, Entry)> {
        let entry = self.entries.front()?;
        Some((self.last + 1 - self.entries.len() as u64, entry.clone()))
    }

    /// Lets go of an entry that is on the disk.
    fn written(&mut self, number: u64) {
        if self.next().is_some_and(|(next, _)| next == number) {
            self.entries.pop_front();
        }
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.last += 1;
            self.entries.push_back(of_lost(lost));
        }
    }
}

fn of_lost(count: u64) -> Entry {
    Entry {
        at: Timestamp::now(),
        by: "tidegate".to_owned(),
        address: None,
        action: "lost".to_owned(),
        transform: None,
        revision: None,
        plan: None,
        result: "done".to_owned(),
        detail: format!("{count} entries found no room while this log could not be written"),
        before: None,
    }
}

/// What Tidegate itself did or tried since something last changed.
#[derive(Debug, Default)]
struct Repeats(VecDeque<[u8; 32]>);

impl Repeats {
    /// Whether the same was noted since then. What somebody asked for is always news.
    fn has(&mut self, entry: &Entry) -> bool {
        if entry.result == "done" && !PASSIVE.contains(&entry.action.as_str()) {
            self.0.clear();
            return false;
        }
        if entry.address.is_some() {
            return false;
        }
        let text = format!(
            "{:?}",
            (
                &entry.by,
                &entry.action,
                &entry.transform,
                &entry.revision,
                &entry.plan,
                &entry.result,
                &entry.detail
            )
        );
        let digest = Sha256::digest(text).into();
        if self.0.contains(&digest) {
            return true;
        }
        self.0.push_back(digest);
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        false
    }
}

#[cfg(test)]
mod tests;
