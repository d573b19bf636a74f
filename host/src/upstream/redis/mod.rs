//! The subscription to Redis: one connection, kept or won back for as long as the host runs.
//!
//! What is read goes straight to the intake; nothing waits here. A connection that went silent
//! is found by the kernel (keepalive, `TCP_USER_TIMEOUT`) or by a probe: a message of our own
//! that must come back, which also shows that the subscription still stands.

mod connection;
mod probe;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::{Client, RedisError, TlsCertificates};

use self::connection::Connection;
pub use self::connection::{at_resp2, client};
use self::probe::Probe;
use super::{NOT_CONNECTED, Status};
use crate::pipeline::Intake;
use crate::settings::RedisUrl;
use crate::tasks::Tasks;

const MIN_PAUSE: Duration = Duration::from_millis(50);
/// Clients are owed events again within 5 s of the server's return, so no pause is longer.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How to subscribe; what to, the intake says.
#[derive(Debug)]
pub struct Config {
    pub url: RedisUrl,
    /// Certificates that the server's must be signed by, in PEM; the system's if none.
    pub ca_file: Option<PathBuf>,
    pub probe_channel: String,
    /// Zero turns the probe off.
    pub probe_interval: Duration,
    pub tasks: Tasks,
}

/// How a subscription ended, or why there was none.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("the connection was closed")]
    Closed,
    #[error("a probe did not come back")]
    Silent,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// What will subscribe; nothing is connected yet.
#[derive(Debug)]
pub struct Subscriber {
    config: Config,
    client: Client,
}

impl Subscriber {
    /// # Errors
    /// When the certificates cannot be read or used.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let client = client(&config.url, config.ca_file.as_deref())?;
        Ok(Self { config, client })
    }

    /// Subscribes, and does so again whenever the subscription is lost.
    pub async fn run(&self, intake: &Arc<Intake>, status: &Status) {
        // Where this begins anew after a panic, nobody has said so yet.
        status.lost(NOT_CONNECTED);
        subscribe_for_ever(&self.config, &self.client, intake, status).await;
    }
}

async fn subscribe_for_ever(
    config: &Config,
    client: &Client,
    intake: &Arc<Intake>,
    status: &Status,
) {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(MIN_PAUSE)
        .with_max_delay(MAX_PAUSE)
        .with_jitter()
        .without_max_times();
    let mut probe = Probe::new(config);
    let mut pause = pauses.build();
    loop {
        match Connection::open(client, config, &mut probe, intake).await {
            Ok(mut connection) => {
                status.subscribed();
                let since = Instant::now();
                status.lost(&connection.watch(&mut probe).await.to_string());
                // One that is lost as soon as it stands is no better than none.
                if since.elapsed() > MAX_PAUSE {
                    pause = pauses.build();
                }
            }
            Err(error) => status.lost(&error.to_string()),
        }
        tokio::time::sleep(pause.next().unwrap_or(MAX_PAUSE).min(MAX_PAUSE)).await;
    }
}
