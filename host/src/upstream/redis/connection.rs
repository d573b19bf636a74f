//! One connection, subscribed: RESP3 where the server speaks it, RESP2 otherwise.
//!
//! With RESP3 the client library hands each message to a function, so there is no queue
//! between the socket and the intake, and the probe is published on the same connection.
//! With RESP2 a task pumps, and each probe takes a short connection of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, Value,
};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{Config, Lost, Probe, TlsCertificates};
use crate::certificates;
use crate::pipeline::Intake;
use crate::settings::RedisUrl;
use crate::tasks::Tasks;
use crate::transform::UpstreamPattern;

/// How long the server may take to accept, to answer a command, or to confirm a subscription.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long sent bytes may stay unacknowledged before the kernel gives the connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Connection {
    link: Link,
    wanted: watch::Receiver<Vec<UpstreamPattern>>,
    client: Client,
    inbox: Arc<Inbox>,
    probe_back: watch::Receiver<String>,
    probes: bool,
}

enum Link {
    Resp3(MultiplexedConnection),
    Resp2 {
        sink: PubSubSink,
        _pump: AbortOnDropHandle<()>,
    },
}

/// Where messages of the connection end up.
struct Inbox {
    intake: Arc<Intake>,
    /// What is subscribed or is about to be, in the order that it was.
    patterns: Mutex<Vec<UpstreamPattern>>,
    probe_channel: String,
    probe_back: watch::Sender<String>,
    closed: Notify,
}

/// However a pump ends, its connection is of no use any more.
struct Closing<'a>(&'a Inbox);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closed.notify_one();
    }
}

/// Connects to nothing yet. `ca_file` holds certificates in PEM that the server's must be
/// signed by; the system's if none.
///
/// # Errors
/// The certificates cannot be read or used.
pub fn client(url: &RedisUrl, ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let info = url
        .expose()
        .into_connection_info()
        .map_err(|error| anyhow::anyhow!("redis-url: {error}"))?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(USER_TIMEOUT);
    let info = with_protocol(&info.set_tcp_settings(tcp), ProtocolVersion::RESP3);
    let Some(path) = ca_file else {
        return Ok(Client::open(info)?);
    };
    let pem = certificates::read(path).context("redis-ca-file")?;
    Client::build_with_tls(
        info,
        TlsCertificates {
            client_tls: None,
            root_cert: Some(pem),
        },
    )
    .with_context(|| format!("redis-ca-file {}", path.display()))
}

impl Connection {
    /// Connects, subscribes, and sees the subscriptions confirmed.
    pub(super) async fn open(
        client: &Client,
        config: &Config,
        probe: &mut Probe,
        intake: &Arc<Intake>,
    ) -> Result<Self, Lost> {
        let (back, probe_back) = watch::channel(String::new());
        let mut wanted = intake.wanted();
        let patterns = wanted.borrow_and_update().clone();
        let inbox = Arc::new(Inbox {
            intake: intake.clone(),
            patterns: Mutex::new(patterns.clone()),
            probe_channel: config.probe_channel.clone(),
            probe_back: back,
            closed: Notify::new(),
        });
        let names: Vec<&str> = patterns.iter().map(UpstreamPattern::as_str).collect();
        let opening = async {
            match resp3(client, &names, probe, inbox.clone()).await {
                Err(error) if is_resp2_only(&error) => {
                    resp2(client, &names, probe, &inbox, &config.tasks).await
                }
                opened => opened,
            }
        };
        let opened = tokio::time::timeout(3 * PATIENCE, opening).await;
        let (link, probes) = opened.map_err(|_| Lost::Timeout(3 * PATIENCE))??;
        intake.note_subscribed(patterns);
        Ok(Self {
            link,
            wanted,
            client: client.clone(),
            inbox,
            probe_back,
            probes,
        })
    }

    /// Returns when the subscription is lost.
    pub(super) async fn watch(&mut self, probe: &mut Probe) -> Lost {
        let inbox = self.inbox.clone();
        let mut wanted = self.wanted.clone();
        loop {
            tokio::select! {
                () = inbox.closed.notified() => return Lost::Closed,
                lost = self.keep_probing(probe) => return lost,
                Ok(()) = wanted.changed() => {
                    let patterns = wanted.borrow_and_update().clone();
                    let followed = tokio::time::timeout(PATIENCE, self.subscribe_to(&patterns));
                    match followed.await {
                        Ok(Ok(())) => {}
                        // One pattern that is denied must not cost all the others.
                        Ok(Err(error)) if error.code() == Some("NOPERM") => {
                            tracing::error!("the Redis user may not subscribe to what a transform asks for; allow it");
                            let have = self.inbox.intake.now_subscribed();
                            self.inbox.patterns.lock().retain(|one| have.contains(one));
                        }
                        Ok(Err(error)) => return Lost::Redis(error),
                        Err(_) => return Lost::Timeout(PATIENCE),
                    }
                }
            }
        }
    }

    /// Follows a change of what is wanted. New patterns come last in the inbox, so that an
    /// event which an older one matches stays the older one's; an old pattern leaves the inbox
    /// when the server says that it sends no more for it.
    async fn subscribe_to(&mut self, wanted: &[UpstreamPattern]) -> redis::RedisResult<()> {
        let (mut more, mut less) = (Vec::new(), Vec::new());
        {
            let mut patterns = self.inbox.patterns.lock();
            less.extend(patterns.iter().filter(|one| !wanted.contains(one)).cloned());
            more.extend(wanted.iter().filter(|one| !patterns.contains(one)).cloned());
            patterns.extend(more.iter().cloned());
        }
        let names = |patterns: &[UpstreamPattern]| -> Vec<String> {
            patterns.iter().map(ToString::to_string).collect()
        };
        match &mut self.link {
            Link::Resp3(connection) => {
                if !more.is_empty() {
                    connection.psubscribe(names(&more)).await?;
                }
                if !less.is_empty() {
                    let left = connection.punsubscribe(names(&less)).await;
                    // A user who may not costs nothing but messages that nobody claims.
                    left.or_else(|error| match error.code() {
                        Some("NOPERM") => Ok(()),
                        _ => Err(error),
                    })?;
                }
            }
            // Here nobody tells at which message an unsubscription took effect: what is not
            // wanted any more comes, unclaimed, until the next connection.
            Link::Resp2 { sink, .. } => {
                if !more.is_empty() {
                    sink.psubscribe(names(&more)).await?;
                }
            }
        }
        self.inbox.intake.note_subscribed(wanted.to_vec());
        Ok(())
    }

    async fn keep_probing(&mut self, probe: &mut Probe) -> Lost {
        let Some(interval) = probe.interval.filter(|_| self.probes) else {
            return std::future::pending().await;
        };
        loop {
            let publishing = self.publish(probe.next());
            let Ok(published) =
                tokio::time::timeout((2 * interval).min(PATIENCE), publishing).await
            else {
                return Lost::Silent;
            };
            if let Err(error) = published {
                if error.code() != Some("NOPERM") {
                    return Lost::Redis(error);
                }
                probe.denied(&error);
                return std::future::pending().await;
            }
            tokio::time::sleep(interval).await;
            if *self.probe_back.borrow() != probe.last() {
                return Lost::Silent;
            }
        }
    }

    async fn publish(&mut self, probe: String) -> redis::RedisResult<()> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.inbox.probe_channel).arg(probe);
        match &mut self.link {
            Link::Resp3(connection) => publish.exec_async(connection).await,
            Link::Resp2 { .. } => {
                let resp2 = at_resp2(&self.client)?;
                let mut connection = resp2
                    .get_multiplexed_async_connection_with_config(&patience())
                    .await?;
                publish.exec_async(&mut connection).await
            }
        }
    }
}

async fn resp3(
    client: &Client,
    patterns: &[&str],
    probe: &mut Probe,
    inbox: Arc<Inbox>,
) -> redis::RedisResult<(Link, bool)> {
    let config = patience().set_push_sender(move |push: PushInfo| {
        inbox.receive(push);
        Ok::<(), redis::aio::SendError>(())
    });
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    connection.psubscribe(patterns).await?;
    let probes = match probe.interval {
        Some(_) => allowed(connection.subscribe(&probe.channel).await, probe)?,
        None => false,
    };
    Ok((Link::Resp3(connection), probes))
}

async fn resp2(
    client: &Client,
    patterns: &[&str],
    probe: &mut Probe,
    inbox: &Arc<Inbox>,
    tasks: &Tasks,
) -> redis::RedisResult<(Link, bool)> {
    let (mut sink, mut messages) = at_resp2(client)?.get_async_pubsub().await?.split();
    let inbox = inbox.clone();
    let pump = tasks.brief("redis_pump", async move {
        let _closing = Closing(&inbox);
        while let Some(message) = messages.next().await {
            let pattern = message.get_pattern::<Option<String>>().unwrap_or_default();
            inbox.message(
                pattern.as_deref(),
                message.get_channel_name().to_owned(),
                message.get_payload_bytes().to_vec(),
            );
        }
    });
    sink.psubscribe(patterns).await?;
    let probes = match probe.interval {
        Some(_) => allowed(sink.subscribe(&probe.channel).await, probe)?,
        None => false,
    };
    Ok((
        Link::Resp2 {
            sink,
            _pump: AbortOnDropHandle::new(pump),
        },
        probes,
    ))
}

impl Inbox {
    fn receive(&self, push: PushInfo) {
        match (push.kind, <[Value; 3]>::try_from(push.data)) {
            (
                PushKind::PMessage,
                Ok(
                    [
                        Value::BulkString(pattern),
                        channel,
                        Value::BulkString(payload),
                    ],
                ),
            ) => {
                let pattern = String::from_utf8_lossy(&pattern);
                self.message(Some(&pattern), text(channel), payload);
            }
            (PushKind::Message, Err(data)) => {
                if let Ok([channel, Value::BulkString(payload)]) = <[Value; 2]>::try_from(data) {
                    self.message(None, text(channel), payload);
                }
            }
            (PushKind::PUnsubscribe, Err(data)) => {
                if let Some(Value::BulkString(pattern)) = data.into_iter().next() {
                    let pattern = String::from_utf8_lossy(&pattern);
                    self.patterns.lock().retain(|one| one.as_str() != pattern);
                }
            }
            (PushKind::Disconnection, _) => self.closed.notify_one(),
            _ => {}
        }
    }

    /// Redis sends a message once for each pattern that it matches; the first of ours counts.
    fn message(&self, pattern: Option<&str>, channel: String, payload: Vec<u8>) {
        match pattern {
            None if channel == self.probe_channel => {
                self.probe_back
                    .send_replace(String::from_utf8_lossy(&payload).into_owned());
            }
            None => {}
            Some(pattern) => {
                let patterns = self.patterns.lock();
                let first = patterns.iter().find(|one| one.matches(&channel));
                let ours = first.is_some_and(|first| first.as_str() == pattern);
                drop(patterns);
                if ours {
                    self.intake.offer(channel, payload);
                }
            }
        }
    }
}

fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Value::SimpleString(text) => text,
        _ => String::new(),
    }
}

/// Whether the probe's subscription stands; that it is denied is no reason to go without events.
fn allowed(subscribed: redis::RedisResult<()>, probe: &mut Probe) -> redis::RedisResult<bool> {
    match subscribed {
        Err(error) if error.code() == Some("NOPERM") => {
            probe.denied(&error);
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

/// A server from before Redis 6, or one where HELLO is renamed or denied.
fn is_resp2_only(error: &redis::RedisError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("hello") || text.contains("noproto") || text.contains("resp3")
}

/// The same server, spoken to in the older protocol, which every version knows.
pub fn at_resp2(client: &Client) -> redis::RedisResult<Client> {
    Client::open(with_protocol(
        client.get_connection_info(),
        ProtocolVersion::RESP2,
    ))
}

fn with_protocol(info: &ConnectionInfo, protocol: ProtocolVersion) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(protocol);
    info.clone().set_redis_settings(settings)
}

fn patience() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
}
