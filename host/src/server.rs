//! The public listener: accepts connections and serves HTTP on them until they are upgraded.
//!
//! `axum::serve` would wait for ever for a request that never comes. Here a connection has a
//! time to become a session, there is a bound on those that have not, and when files run out
//! accepting slows down instead of failing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use crate::asyncapi::Published;
use crate::metrics::Metrics;
use crate::session::upgrade::{Arrival, DISPLACED, Door, TIMED_OUT, stream};

/// Bytes of a request's head, and how many headers it may have.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

/// Files kept free for everything that is not a client: upstream, admin, key file, components.
const RESERVED_FILES: usize = 64;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of connections that are not sessions.
#[derive(Debug, Clone)]
pub struct Limits {
    pub upgrade_timeout: Duration,
    pub max_pending_upgrades: usize,
    pub max_connections: usize,
}

/// Serves clients until the host drains. `asyncapi` is the public document.
pub async fn serve(listener: TcpListener, door: Arc<Door>, asyncapi: Published, limits: Limits) {
    let context = door.context.clone();
    let router = router(door, asyncapi);
    let pending = Arc::new(Pending::new(
        limits.max_pending_upgrades,
        context.metrics.clone(),
    ));
    let slots = Arc::new(Semaphore::new(max_open(&limits)));
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.shutdown.begun() => return,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (socket, arrival) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tokio::time::sleep(trouble.pause(&error)).await;
                continue;
            }
        };
        trouble.over();
        let (waiting, displaced) = pending.enter();
        let connection = upgradeable(socket, router.clone().layer(axum::Extension(arrival)));
        let refused = context.metrics.refused.clone();
        context.tasks.brief("connection", async move {
            let _waiting = waiting;
            let cut = tokio::select! {
                served = tokio::time::timeout(limits.upgrade_timeout, connection) => match served {
                    Ok(()) => return,
                    Err(_) => TIMED_OUT,
                },
                _ = displaced => DISPLACED,
            };
            refused.with_label_values(&[cut]).inc();
        });
    }
}

fn router(door: Arc<Door>, asyncapi: Published) -> Router {
    let asyncapi = Arc::new(asyncapi);
    let yaml = [(header::CONTENT_TYPE, "application/yaml")];
    Router::new()
        .route("/public/v1/stream", get(stream))
        .route(
            "/public/v1/asyncapi.yaml",
            get(async move || (yaml, asyncapi.text().to_string())),
        )
        .with_state(door)
}

/// Speaks HTTP until a stream takes the connection over.
async fn upgradeable(socket: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        // The time for the head is part of the time for the upgrade.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "connection failed before its upgrade");
    }
}

/// Waits for a slot first: without one the connection stays with the kernel.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Arrival)> {
    let slot = slots
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (socket, remote) = listener.accept().await?;
    Ok((socket, Arrival::new(remote, slot)))
}

/// How many connections may be open: sessions, those being refused and those not yet upgraded,
/// but never so many that no file is left for the rest of the process.
fn max_open(limits: &Limits) -> usize {
    let wanted = limits
        .max_connections
        .saturating_add(limits.max_pending_upgrades);
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let possible = usize::try_from(files.unwrap_or(u64::MAX))
        .unwrap_or(usize::MAX)
        .saturating_sub(RESERVED_FILES)
        .max(1);
    if possible < wanted {
        tracing::warn!(
            possible,
            wanted,
            "the limit on open files allows fewer connections than max-connections and max-pending-upgrades; \
             beyond it clients wait to be accepted. Raise it with `ulimit -n`"
        );
    }
    possible.min(wanted).min(Semaphore::MAX_PERMITS)
}

/// Connections that are not sessions yet, oldest first. When there are too many, the oldest
/// goes: honest clients are through in milliseconds, so it is hardly ever one of them.
#[derive(Debug)]
struct Pending {
    max: usize,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    /// Never used twice: a place that was given up must not be mistaken for its successor.
    next: AtomicU64,
    metrics: Metrics,
}

/// A place among the pending; given back on drop.
struct Waiting {
    pending: Arc<Pending>,
    number: u64,
}

impl Pending {
    fn new(max: usize, metrics: Metrics) -> Self {
        Self {
            max,
            waiting: Mutex::default(),
            next: AtomicU64::new(0),
            metrics,
        }
    }

    /// Takes a place, and says when it must be given up.
    fn enter(self: &Arc<Self>) -> (Waiting, oneshot::Receiver<()>) {
        let (keep, displaced) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.max {
            waiting.pop_first();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        waiting.insert(number, keep);
        self.show(waiting.len());
        (
            Waiting {
                pending: self.clone(),
                number,
            },
            displaced,
        )
    }

    fn show(&self, waiting: usize) {
        self.metrics
            .pending_upgrades
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.pending.waiting.lock();
        waiting.remove(&self.number);
        self.pending.show(waiting.len());
    }
}

/// A run of failures to accept: slower each time, and in the log once.
#[derive(Debug, Default)]
struct Trouble {
    pause: Option<Duration>,
}

impl Trouble {
    fn pause(&mut self, error: &io::Error) -> Duration {
        if self.pause.is_none() {
            tracing::error!(%error, "cannot accept connections; those that are open go on");
        }
        let pause = self
            .pause
            .map_or(FIRST_PAUSE, |last| (2 * last).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        pause
    }

    fn over(&mut self) {
        if self.pause.take().is_some() {
            tracing::info!("accepting connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pending_connection_gives_way() {
        let pending = Arc::new(Pending::new(2, Metrics::new()));
        let (_a, mut first) = pending.enter();
        let (b, _second) = pending.enter();
        let (_c, mut third) = pending.enter();
        assert!(
            first
                .try_recv()
                .is_err_and(|e| e == oneshot::error::TryRecvError::Closed)
        );
        drop(b);
        let (_d, _fourth) = pending.enter();
        assert!(
            third
                .try_recv()
                .is_err_and(|e| e == oneshot::error::TryRecvError::Empty)
        );
        assert_eq!(pending.metrics.pending_upgrades.get(), 2);
    }

    #[test]
    fn a_place_that_was_lost_is_not_its_successors() {
        let pending = Arc::new(Pending::new(1, Metrics::new()));
        let (first, _) = pending.enter();
        let (_second, mut displaced) = pending.enter();
        drop(first);
        assert!(
            displaced
                .try_recv()
                .is_err_and(|e| e == oneshot::error::TryRecvError::Empty)
        );
    }

    #[test]
    fn trouble_doubles_its_pause_up_to_a_second() {
        let mut trouble = Trouble::default();
        let error = io::Error::other("no files");
        let pauses: Vec<_> = (0..10).map(|_| trouble.pause(&error).as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        trouble.over();
        assert_eq!(trouble.pause(&error), FIRST_PAUSE);
    }
}
