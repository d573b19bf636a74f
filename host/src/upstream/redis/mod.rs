//! The subscription to Redis: one connection, kept, moved or won back for as long as the host runs.
//!
//! ```text
//! guide, questions, sentinels ─► course (stay, move, wait) ─► connection ─► inbox ─► crossing ─► intake
//! ```
//! What is read goes straight to the intake; nothing waits here. A connection that went silent
//! is found by the kernel (keepalive, `TCP_USER_TIMEOUT`) or by probes: messages of our own
//! that must come back, which also shows that the subscription still stands; and that it is on
//! the right server, as some of them are published where `redis-url` leads at that time.

pub mod acl;
mod address;
mod connection;
mod course;
mod crossing;
mod guide;
mod inbox;
mod leave;
mod link;
mod path_delay;
mod probe;
mod questions;
mod reason;
mod record;
mod refusal;
mod retries;
mod routing;
mod sentinels;
mod server;
mod sightings;
mod slots;
mod stay;
mod steady_clock;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::RedisError;

use self::connection::UpstreamConnection;
use self::course::Departure;
use self::crossing::Crossing;
use self::guide::Guide;
pub(crate) use self::path_delay::PathDelay;
pub use self::questions::{Surroundings, surroundings};
pub use self::reason::{is_denied, reason};
pub use self::record::listen;
use self::retries::Retries;
pub use self::routing::{Routing, route};
pub use self::server::{Server, is_resp2_only, machine_name};
pub use self::slots::hash_slot;
pub(super) use self::slots::{ClusterMap, SlotRanges, cluster_map};
pub use self::steady_clock::{ASK_THE_CLOCK, SteadyClock, with_steady_clock};
use super::place::UpstreamKind;
use super::{NOT_CONNECTED, Status};
use crate::pipeline::Intake;
use crate::settings::Settings;
use crate::tasks::Tasks;

/// How long the server may take to accept, to answer a command, or to confirm a subscription.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clients are owed events again within 5 s of the server's return, so no pause is longer.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Why a server is left for another, as metrics and reports have it.
pub const WHY_LEFT: [&str; 7] = [
    BROKEN,
    Departure::Failed.word(),
    Departure::Demoted.word(),
    Departure::CutOff.word(),
    Departure::Forgotten.word(),
    Departure::Silent.word(),
    Departure::Superseded.word(),
];

/// The connection was lost.
const BROKEN: &str = "broken";

/// How to subscribe; the intake says to what.
#[derive(Debug)]
struct Config {
    server: Server,
    guide: Guide,
    crossing: Arc<Mutex<Crossing>>,
    /// How long a server that was left is still listened to.
    overlap: Duration,
    probe_channel: String,
    /// Zero turns the probe off.
    probe_interval: Duration,
    path_delay: Arc<PathDelay>,
    /// It was said that the server does not allow the probe.
    warned: AtomicBool,
    /// What was last said to be refused.
    refusal: Mutex<String>,
    tasks: Tasks,
}

/// How a subscription ended, or why there was none.
#[derive(Debug)]
enum Lost {
    Redis(RedisError),
    /// Nothing that transforms ask for may be subscribed to.
    Refused(String),
    Closed,
    Silent,
    /// What is published at the address does not come.
    Elsewhere,
    Timeout(Duration),
    /// No node of the cluster answers.
    NoNode,
    /// No majority of the sentinels names a master, and why.
    NoMaster(String),
}

impl From<RedisError> for Lost {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl Lost {
    /// For operators; `user` is whom Redis knows the host as.
    fn words(&self, user: &str) -> String {
        match self {
            Self::Redis(error) => reason(error, user),
            Self::Refused(why) => why.clone(),
            Self::Closed => "the connection was closed".to_owned(),
            Self::Silent => "two probes in a row did not come back".to_owned(),
            Self::Elsewhere => {
                "redis-url leads to another server than the subscription: two probes in a row that were published \
                 there did not come"
                    .to_owned()
            }
            Self::NoNode => "no node of the cluster answers".to_owned(),
            Self::NoMaster(why) => why.clone(),
            Self::Timeout(patience) => format!("no answer within {patience:?}"),
        }
    }
}

impl Config {
    /// What a server says that it is, held against what `redis-url` says.
    fn take_kind(&self, mode: Option<&str>, status: &Status) -> Result<(), Lost> {
        let kind = match (self.guide.kind(), mode) {
            (_, Some("sentinel")) => {
                return Err(Lost::Refused(
                    "redis-url leads to a sentinel; to follow the master that it watches, write \
                     redis+sentinel://host:port/name"
                        .to_owned(),
                ));
            }
            (UpstreamKind::Sentinel, _) => UpstreamKind::Sentinel,
            (_, Some("cluster")) => UpstreamKind::Cluster,
            (UpstreamKind::Cluster, None) => UpstreamKind::Cluster,
            _ if self.server.url().names_several() => {
                return Err(Lost::Refused(
                    "redis-url names several servers, as of a cluster, and the one that answers is in none"
                        .to_owned(),
                ));
            }
            _ => UpstreamKind::Single,
        };
        self.guide.found(kind);
        if self.guide.has_several() {
            self.crossing.lock().turn_on();
        }
        status.note_kind(kind);
        Ok(())
    }

    /// The subscription is on another server now, or on the same again.
    fn arrived(&self, connection: &UpstreamConnection<'_>, why: &'static str, status: &Status) {
        connection.inbox.begin_to_flow();
        self.guide.arrived(&connection.node);
        status.arrived(&connection.node.to_string(), why);
    }

    /// The server does not take the probe, so the host goes on without; said once.
    fn warn_without_probe(&self, command: &str, error: &RedisError) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason = reason(error, self.server.user()),
                command,
                "Redis does not let the host do this on the probe channel, so a connection that goes silent is only \
                 found by TCP, and a server that was moved not at all; to have it so, set probe-interval to 0s"
            );
        }
    }
}

/// What will subscribe; it is not connected yet.
#[derive(Debug)]
pub struct Subscriber {
    config: Config,
}

impl Subscriber {
    /// # Errors
    /// When the certificates cannot be read or used.
    pub fn new(settings: &Settings, tasks: &Tasks) -> anyhow::Result<Self> {
        let server = Server::new(settings)?;
        let crossing = Crossing::new(
            settings.redis_move_window,
            settings.redis_move_events,
            settings.redis_move_size,
        );
        let config = Config {
            guide: Guide::new(&server),
            server,
            crossing: Arc::new(Mutex::new(crossing)),
            overlap: settings.redis_move_window,
            probe_channel: settings.probe_channel.clone(),
            probe_interval: settings.probe_interval,
            path_delay: Arc::new(PathDelay::new()),
            warned: AtomicBool::default(),
            refusal: Mutex::default(),
            tasks: tasks.clone(),
        };
        Ok(Self { config })
    }

    /// The server that is subscribed to.
    pub fn server(&self) -> &Server {
        &self.config.server
    }

    /// How late the subscription is, for whoever publishes what tells it on this channel.
    pub(crate) fn path_delay(&self) -> (Arc<PathDelay>, &str) {
        (self.config.path_delay.clone(), &self.config.probe_channel)
    }

    /// Subscribes, and does so again whenever the subscription is lost.
    pub async fn run(&self, intake: &Arc<Intake>, status: &Status) {
        // Where this begins anew after a panic, nobody has said yet that events are lost.
        intake.note_lost(true);
        status.lost(NOT_CONNECTED);
        subscribe_for_ever(&self.config, intake, status).await;
    }
}

async fn subscribe_for_ever(config: &Config, intake: &Arc<Intake>, status: &Status) {
    let user = config.server.user();
    let mut retries = Retries::new();
    loop {
        let (lost, proven) = stay::subscribe(config, intake, status).await;
        intake.note_lost(true);
        status.lost(&lost.words(user));
        tokio::time::sleep(retries.pause(proven, Instant::now())).await;
    }
}
