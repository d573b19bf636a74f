//! One connected client, from its upgrade to its close.
//!
//! ```text
//! socket ─► Inbound ─► tungstenite ─► Session ─► hub (subscriptions)
//!              └── pongs ──┐             └── replies ──┐
//! socket ◄── Writer ◄──────┴────────── Outbox ◄────────┴── hub (messages)
//! ```
//! All of it runs in one task. `session` decides what a message means; the rules of the wire
//! are tungstenite's.

mod close;
mod inbound;
mod protocol;
mod rate;
mod requests;
mod roster;
pub mod routes;
mod subscriptions;
pub mod upgrade;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use self::close::CloseReason;
use self::inbound::Inbound;
use self::protocol::ErrorCode;
pub(crate) use self::protocol::MAX_ID_BYTES;
use self::rate::Bucket;
use self::requests::Client;
use self::roster::Presence;
pub use self::roster::{Listed, Roster};
use self::subscriptions::Subscriptions;
use self::writer::{Writer, Written};
use crate::gate::{Permit, Refusal, Standing};
use crate::hub::{Hub, Marks, Outbox, SubscriberId};
use crate::listener::BEFORE_HTTP;
use crate::log::Strangers;
use crate::metrics::Metrics;
use crate::registry::Catalog;
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;

/// How long the close frame may take into the socket, and then the client to answer it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The same for a client that was cut because it did not read: its socket is full, so that the
/// close frame waits until it reads again.
const SLOW_PATIENCE: Duration = Duration::from_secs(5);

/// tungstenite's read buffer, in bytes: kept for as long as a session lives, so small.
/// Requests are some hundred bytes.
const READ_BUFFER: usize = 2 << 10;

/// The longest head of a client's frame, in bytes (RFC 6455, 5.2).
const MAX_FRAME_HEADER: usize = 14;

/// What all sessions share.
#[derive(Debug)]
pub struct Context {
    pub hub: Arc<Hub>,
    pub catalog: Arc<Catalog>,
    pub roster: Roster,
    pub metrics: Metrics,
    pub limits: Limits,
    pub shutdown: Shutdown,
    pub tasks: Tasks,
    pub strangers: Arc<Strangers>,
}

/// What one session may do.
#[derive(Debug, Clone)]
pub struct Limits {
    pub heartbeat_interval: Duration,
    pub max_subscriptions: usize,
    pub max_channels_per_message: usize,
    /// Messages a second in the long run; pings count.
    pub message_rate: u32,
    /// Messages at once.
    pub message_burst: u32,
    /// Bytes of one inbound message.
    pub max_message_size: usize,
    pub marks: Marks,
    /// Over which time the sessions' ends are spread when the host drains.
    pub drain_time: Duration,
}

impl Limits {
    /// The bytes that so many messages of the largest size have, in a frame each.
    fn byte_bucket(&self) -> Bucket {
        let framed = self.max_message_size.saturating_add(MAX_FRAME_HEADER);
        let size = u32::try_from(framed).unwrap_or(u32::MAX);
        let bytes = |messages: u32| messages.saturating_mul(size);
        let now = std::time::Instant::now();
        Bucket::new(bytes(self.message_rate), bytes(self.message_burst), now)
    }
}

/// Lets everything that sessions count start at zero.
pub fn declare(metrics: &Metrics) {
    CloseReason::declare(metrics);
    for code in ErrorCode::ALL {
        metrics.client_errors.with_label_values(&[code.as_str()]);
    }
    for reason in upgrade::REFUSALS.into_iter().chain(BEFORE_HTTP) {
        metrics.refused.with_label_values(&[reason]);
    }
}

/// The codes of `error` messages, for documents.
pub fn error_codes() -> Vec<&'static str> {
    ErrorCode::ALL.into_iter().map(ErrorCode::as_str).collect()
}

/// Serves one client until either side ends it. The result says why, and whether the goodbye
/// went through; if not, the connection is best reset.
pub(crate) async fn run<R, W>(
    read: R,
    write: W,
    leftover: Vec<u8>,
    mut presence: Presence<'_>,
    outbox: Arc<Outbox>,
    mut permit: Permit,
    context: &Context,
) -> (CloseReason, bool)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let limits = &context.limits;
    let inbound = Inbound::new(read, outbox.clone(), limits.byte_bucket());
    let mut messages = WebSocketStream::from_partially_read(
        inbound,
        leftover,
        Role::Server,
        Some(wire_config(limits)),
    )
    .await;
    let mut writer = Writer::new(write);
    let id = presence.id;
    let subscriptions = Subscriptions::new(
        &context.hub,
        id,
        outbox.clone(),
        presence.subscriptions.clone(),
    );
    let mut client = Client::new(context, subscriptions);
    let mut heartbeat = tokio::time::interval_at(
        Instant::now() + spread(id, limits.heartbeat_interval),
        limits.heartbeat_interval,
    );
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let drain = context
        .shutdown
        .drained_after(spread(id, limits.drain_time));
    tokio::pin!(drain);
    let mut standing = permit.standing();
    let mut channels = context.catalog.channels();

    let reason = loop {
        let granted = match &standing {
            Standing::Granted(grant) => grant,
            Standing::Ended => break CloseReason::Refused(Refusal::InvalidKey),
            Standing::Replaced => break CloseReason::Replaced,
        };
        let step = tokio::select! {
            biased;
            written = writer.run(&outbox) => Err(match written {
                Written::Overrun => CloseReason::SlowConsumer,
                Written::All | Written::Failed => CloseReason::ClientLeft,
            }),
            () = permit.changed() => {
                standing = permit.standing();
                if let Standing::Granted(granted) = &standing {
                    client.narrow(granted);
                }
                Ok(())
            }
            () = presence.closed() => Err(CloseReason::ClosedByOperator),
            // The catalog lives as long as the context, so it does not end.
            Ok(()) = channels.changed() => {
                client.prune();
                Ok(())
            }
            () = &mut drain => Err(CloseReason::Draining),
            message = messages.next() => client.receive(message, granted),
            _ = heartbeat.tick() => client.beat(),
        };
        if let Err(reason) = step {
            break reason;
        }
    };
    // Whoever says goodbye is no receiver any more.
    drop(client);
    if reason == CloseReason::SlowConsumer {
        let figures = outbox.figures();
        tracing::warn!(
            session = id.0,
            key = permit.at_the_door().key_id,
            address = context.roster.remote(id).map(tracing::field::display),
            bytes = figures.waiting_bytes,
            missed = figures.skipped + writer.untouched() as u64,
            "a slow client is cut"
        );
    }
    presence.leave();
    // An answer to the client's own close is still inside tungstenite, which ends without
    // flushing its stream.
    let _ = messages.flush().await;
    let inbound = messages.get_mut();
    inbound.hand_over();
    let socket = inbound.socket();
    let told = tokio::select! {
        told = finish(reason, socket, &mut writer, &outbox, &context.metrics) => told,
        () = permit.hurried() => false,
    };
    (reason, told)
}

/// Tells somebody who was not let in why.
pub(crate) async fn refuse<R, W>(
    mut read: R,
    write: W,
    refusal: Refusal,
    context: &Context,
) -> (CloseReason, bool)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let reason = CloseReason::Refused(refusal);
    let label = refusal.label();
    context.metrics.refused.with_label_values(&[label]).inc();
    let outbox = Outbox::new(context.limits.marks);
    (
        reason,
        finish(
            reason,
            &mut read,
            &mut Writer::new(write),
            &outbox,
            &context.metrics,
        )
        .await,
    )
}

/// Says goodbye: the close frame, then the end of the stream, then a wait until the client has
/// read it. Without that wait, closing with unread bytes in the socket makes the kernel reset
/// the connection, and the client never sees the code.
async fn finish<R, W>(
    reason: CloseReason,
    read: &mut R,
    writer: &mut Writer<W>,
    outbox: &Outbox,
    metrics: &Metrics,
) -> bool
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    metrics.closed.with_label_values(&[reason.label()]).inc();
    tracing::debug!(reason = reason.label(), "session ends");
    metrics
        .cuts
        .inc_by(u64::from(reason == CloseReason::SlowConsumer));
    if reason.discards() {
        writer.discard(outbox);
    }
    outbox.close(reason.frame().as_ref(), reason.discards());
    let patience = match reason {
        CloseReason::SlowConsumer => SLOW_PATIENCE,
        _ => CLOSE_PATIENCE,
    };
    let until = Instant::now() + patience;
    let told = tokio::time::timeout_at(until, writer.run(outbox)).await;
    if told != Ok(Written::All) || reason == CloseReason::DeadPeer {
        return false;
    }
    writer.shut().await;
    let mut rest = [0; 512];
    let quiet = async { while matches!(read.read(&mut rest).await, Ok(1..)) {} };
    let until = until.max(Instant::now() + CLOSE_PATIENCE);
    let _ = tokio::time::timeout_at(until, quiet).await;
    true
}

fn wire_config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(READ_BUFFER)
        .max_message_size(Some(limits.max_message_size))
        .max_frame_size(Some(limits.max_message_size))
}

/// A session's own share of `over`: consecutive sessions are spread evenly (multiples of the
/// golden ratio), so that neither heartbeats nor the ends of a drain come in a herd.
fn spread(id: SubscriberId, over: Duration) -> Duration {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let share = (id.0.wrapping_mul(GOLDEN) >> 11) as f64 / (1_u64 << 53) as f64;
    over.mul_f64(share)
}

#[cfg(test)]
mod tests;
