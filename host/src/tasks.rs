//! Every task and thread of the host begins here, so that none ends unseen.
//!
//! An end that nobody asked for, by a panic or for a reason, is logged and counted by name,
//! and shown on `/readyz` until the work is done again. What it means for the host stands
//! beside each start. `clippy.toml` keeps all other ways to start one closed.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that starts tasks and threads"
)]

mod panics;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, IntGauge};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::panics::hear_panics;
use crate::metrics::Metrics;

/// The stack of each thread, in bytes. The guest's part of a lane's is a setting of at most
/// 1 MiB.
const STACK: usize = 2 << 20;

/// The pause until something that failed is started again: the first, which doubles up to the
/// longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What has run for so long has recovered: its next pause is the first again.
const RECOVERED: Duration = Duration::from_secs(60);

/// What an end that nobody asked for means for the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// The work is started again after a pause.
    Restart,
    /// Nothing goes right without it: the host drains, and the process ends with an error.
    EndProcess,
}

/// How a piece of work came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// Nobody needs it any more, or it is done.
    Asked,
    /// It cannot go on, and why.
    Failed(String),
}

/// What a task or thread is called: in the log, on `/readyz`, and by its kind in metrics.
#[derive(Debug, Clone)]
pub struct TaskName {
    kind: &'static str,
    /// Which of its kind, where there are several.
    which: Option<String>,
}

impl TaskName {
    pub fn of(kind: &'static str, which: impl Into<String>) -> Self {
        let which = Some(which.into());
        Self { kind, which }
    }
}

impl From<&'static str> for TaskName {
    fn from(kind: &'static str) -> Self {
        Self { kind, which: None }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Some(which) => write!(f, "{} {which}", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

/// Starts and watches tasks and threads; clones watch the same ones.
#[derive(Debug, Clone)]
pub struct Tasks(Arc<TaskHealth>);

#[derive(Debug)]
struct TaskHealth {
    /// What does not run now though it should, and why; by the number of its start.
    down: Mutex<BTreeMap<u64, String>>,
    next: AtomicU64,
    /// The first end that ends the process.
    fatal: OnceLock<String>,
    failed: CancellationToken,
    down_gauge: IntGauge,
    ends: IntCounterVec,
}

impl Tasks {
    pub fn new(metrics: &Metrics) -> Self {
        Self(Arc::new(TaskHealth {
            down: Mutex::default(),
            next: AtomicU64::new(0),
            fatal: OnceLock::new(),
            failed: CancellationToken::new(),
            down_gauge: metrics.tasks_down.clone(),
            ends: metrics.task_ends.clone(),
        }))
    }

    /// A task that the host needs for as long as it lives; `make` gives its work, and gives
    /// it anew for each restart.
    pub fn spawn<F>(
        &self,
        name: impl Into<TaskName>,
        unasked: Unasked,
        mut make: impl FnMut() -> F + Send + 'static,
    ) -> JoinHandle<()>
    where
        F: Future<Output = TaskEnd> + Send + 'static,
    {
        let mut watch = self.watch(name.into(), unasked);
        tokio::spawn(async move {
            loop {
                let started = Instant::now();
                let work = AssertUnwindSafe(async { Box::pin(make()).await });
                let ended = work.catch_unwind().await;
                let Some(pause) = watch.ended(ended, started.elapsed()) else {
                    return;
                };
                tokio::time::sleep(pause).await;
                watch.again();
            }
        })
    }

    /// A task that cannot be made twice, and without which the host is of no use: its end, if
    /// nobody asked for it, ends the process.
    pub fn vital(
        &self,
        name: impl Into<TaskName>,
        work: impl Future<Output = TaskEnd> + Send + 'static,
    ) -> JoinHandle<()> {
        let mut work = Some(work);
        self.spawn(name, Unasked::EndProcess, move || {
            work.take().expect("what ends the process is made once")
        })
    }

    /// A thread that the host needs until its body says that nobody does; the body is called
    /// again for each restart, and must be fit for that.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub fn thread(
        &self,
        name: impl Into<TaskName>,
        unasked: Unasked,
        mut body: impl FnMut() -> TaskEnd + Send + 'static,
    ) -> io::Result<()> {
        let name = name.into();
        let mut watch = self.watch(name.clone(), unasked);
        start_thread(&name, move || {
            loop {
                let started = Instant::now();
                let ended = catch_unwind(AssertUnwindSafe(&mut body));
                let Some(pause) = watch.ended(ended, started.elapsed()) else {
                    return;
                };
                std::thread::sleep(pause);
                watch.again();
            }
        })
    }

    /// A task that costs nobody else anything: its panic is logged and counted, and whoever
    /// awaits the handle learns of it.
    pub fn brief<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let ends = self.counter(name);
        // By combinators, as an async block would keep room for the work twice.
        let watched = AssertUnwindSafe(work).catch_unwind().map(move |ended| {
            ended.unwrap_or_else(|panic| {
                note_end(&name.into(), &ends, &panics::reason());
                resume_unwind(panic)
            })
        });
        tokio::spawn(watched)
    }

    /// A thread that costs nobody else anything: its panic is logged and counted.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub fn brief_thread(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let ends = self.counter(name);
        let name = TaskName::from(name);
        start_thread(&name.clone(), move || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                note_end(&name, &ends, &panics::reason());
            }
        })
    }

    /// What does not run now though it should, a sentence each.
    pub fn down(&self) -> Vec<String> {
        self.0.down.lock().values().cloned().collect()
    }

    /// Waits until something ends without which the process must end, and says what.
    pub async fn failed(&self) -> String {
        self.0.failed.cancelled().await;
        self.0.fatal.get().cloned().unwrap_or_default()
    }

    fn watch(&self, name: TaskName, unasked: Unasked) -> TaskWatch {
        TaskWatch {
            ends: self.counter(name.kind),
            tasks: self.clone(),
            number: self.0.next.fetch_add(1, Ordering::Relaxed),
            name,
            unasked,
            pauses: Pauses::default(),
        }
    }

    /// The counter of ends is there, at zero, from the first start on.
    fn counter(&self, kind: &'static str) -> IntCounter {
        self.0.ends.with_label_values(&[kind])
    }

    fn set_down(&self, number: u64, why: Option<String>) {
        let mut down = self.0.down.lock();
        match why {
            Some(why) => down.insert(number, why),
            None => down.remove(&number),
        };
        let count = i64::try_from(down.len()).unwrap_or(i64::MAX);
        self.0.down_gauge.set(count);
    }
}

/// For commands and tests, where nobody asks what is down.
impl Default for Tasks {
    fn default() -> Self {
        Self::new(&Metrics::new())
    }
}

/// Runs what blocks where no session waits for it. The caller waits, so that its own end is
/// the end of this.
///
/// # Panics
/// If `work` does.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and the caller with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Work that has no end of its own.
pub async fn ever(work: impl Future<Output = ()>) -> TaskEnd {
    work.await;
    TaskEnd::Failed("it returned".into())
}

/// A task of a command, which awaits its handle and is there for nothing else.
pub fn awaited<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// The watch over one task or thread.
struct TaskWatch {
    tasks: Tasks,
    number: u64,
    name: TaskName,
    unasked: Unasked,
    ends: IntCounter,
    pauses: Pauses,
}

impl TaskWatch {
    /// Notes how it ended after it `ran` for so long. None where it is not to be started
    /// again, and otherwise for how long to pause before.
    fn ended(
        &mut self,
        ended: Result<TaskEnd, Box<dyn Any + Send>>,
        ran: Duration,
    ) -> Option<Duration> {
        let reason = match ended {
            Ok(TaskEnd::Asked) => return None,
            Ok(TaskEnd::Failed(reason)) => reason,
            Err(_) => panics::reason(),
        };
        note_end(&self.name, &self.ends, &reason);
        let what = format!("{} ended: {reason}", self.name);
        self.tasks.set_down(self.number, Some(what.clone()));
        match self.unasked {
            Unasked::Restart => Some(self.pauses.after(ran)),
            Unasked::EndProcess => {
                // A later one changes nothing: the first is what the process ends for.
                let _ = self.tasks.0.fatal.set(what);
                self.tasks.0.failed.cancel();
                None
            }
        }
    }

    fn again(&self) {
        tracing::info!(task = %self.name, "started again");
        self.tasks.set_down(self.number, None);
    }
}

fn note_end(name: &TaskName, ends: &IntCounter, reason: &str) {
    ends.inc();
    tracing::error!(task = %name, reason, "a task or thread ended that nobody asked to end");
}

fn start_thread(name: &TaskName, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let shown = name.which.as_deref().unwrap_or(name.kind);
    std::thread::Builder::new()
        .name(shown.to_owned())
        .stack_size(STACK)
        .spawn(body)?;
    Ok(())
}

/// The pauses of something that keeps failing.
#[derive(Debug, Default)]
struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    /// The pause after it failed once more, having run for so long.
    fn after(&mut self, ran: Duration) -> Duration {
        let pause = match self.last {
            Some(last) if ran < RECOVERED => (2 * last).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some(pause);
        pause
    }
}
