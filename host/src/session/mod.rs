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
mod roster;
mod subscriptions;
pub mod upgrade;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

pub use self::close::CloseReason;
use self::inbound::Inbound;
use self::protocol::{Action, ClientError, ErrorCode, Id};
use self::rate::{Bucket, Verdict};
pub use self::roster::Roster;
use self::subscriptions::Subscriptions;
use self::writer::{Writer, Written};
use crate::channel::Pattern;
use crate::gate::{Grant, Permit, Refusal};
use crate::hub::{Frame, Hub, Marks, Outbox, SubscriberId};
use crate::metrics::Metrics;
use crate::registry::Catalog;
use crate::shutdown::Shutdown;

/// How long the close frame may take into the socket, and then the client to answer it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// tungstenite's read buffer, in bytes: kept for as long as a session lives, so small.
/// Requests are some hundred bytes.
const READ_BUFFER: usize = 2 << 10;

/// What all sessions share.
#[derive(Debug)]
pub struct Context {
    pub hub: Hub,
    pub catalog: Arc<Catalog>,
    pub roster: Roster,
    pub metrics: Metrics,
    pub limits: Limits,
    pub shutdown: Shutdown,
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

/// Serves one client until either side ends it. The result says why, and whether the goodbye
/// went through; if not, the connection is best reset.
pub(crate) async fn run<R, W>(
    read: R,
    write: W,
    leftover: Vec<u8>,
    id: SubscriberId,
    outbox: Arc<Outbox>,
    mut permit: Permit,
    context: &Context,
) -> (CloseReason, bool)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let limits = &context.limits;
    let inbound = Inbound::new(read, outbox.clone());
    let mut messages = WebSocketStream::from_partially_read(
        inbound,
        leftover,
        Role::Server,
        Some(wire_config(limits)),
    )
    .await;
    let mut writer = Writer::new(write);
    let mut session = Session {
        subscriptions: Subscriptions::new(&context.hub, id, outbox.clone()),
        bucket: Bucket::new(
            limits.message_rate,
            limits.message_burst,
            std::time::Instant::now(),
        ),
        awaits_pong: false,
        context,
    };
    let mut heartbeat = tokio::time::interval_at(
        Instant::now() + spread(id, limits.heartbeat_interval),
        limits.heartbeat_interval,
    );
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let drain = context
        .shutdown
        .drained_after(spread(id, limits.drain_time));
    tokio::pin!(drain);
    let mut grant = permit.grant();

    let reason = loop {
        let Some(granted) = &grant else {
            break CloseReason::Refused(Refusal::InvalidKey);
        };
        let step = tokio::select! {
            biased;
            written = writer.run(&outbox) => Err(match written {
                Written::Overrun => CloseReason::SlowConsumer,
                Written::All | Written::Failed => CloseReason::ClientLeft,
            }),
            () = permit.changed() => {
                grant = permit.grant();
                if let Some(granted) = &grant {
                    session.narrow(granted);
                }
                Ok(())
            }
            () = &mut drain => Err(CloseReason::Draining),
            message = messages.next() => session.receive(message, granted),
            _ = heartbeat.tick() => session.beat(),
        };
        if let Err(reason) = step {
            break reason;
        }
    };
    // An answer to the client's own close is still inside tungstenite.
    let _ = messages.flush().await;
    let socket = messages.get_mut().socket();
    (
        reason,
        finish(reason, socket, &mut writer, &outbox, &context.metrics).await,
    )
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
    if reason.discards() {
        writer.discard(outbox);
    }
    outbox.close(reason.frame().as_ref(), reason.discards());
    let told = tokio::time::timeout(CLOSE_PATIENCE, writer.run(outbox)).await;
    if told != Ok(Written::All) || reason == CloseReason::DeadPeer {
        return false;
    }
    writer.shut().await;
    let mut rest = [0; 512];
    let quiet = async { while matches!(read.read(&mut rest).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(CLOSE_PATIENCE, quiet).await;
    true
}

struct Session<'a> {
    subscriptions: Subscriptions<'a>,
    bucket: Bucket,
    awaits_pong: bool,
    context: &'a Context,
}

impl Session<'_> {
    fn receive(
        &mut self,
        message: Option<Result<Message, Error>>,
        grant: &Grant,
    ) -> Result<(), CloseReason> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(CloseReason::of(&error)),
            None => return Err(CloseReason::ClientLeft),
        };
        match &message {
            Message::Close(_) => return Err(CloseReason::ClientLeft),
            Message::Pong(_) if std::mem::take(&mut self.awaits_pong) => return Ok(()),
            _ => {}
        }
        let verdict = self.bucket.take(std::time::Instant::now());
        match (verdict, message) {
            (Verdict::Abusive, _) => return Err(CloseReason::RateLimited),
            // tungstenite answers pings; a flood of them runs into the verdict above.
            (_, Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_)) => {}
            (Verdict::Limited, _) => {
                self.fail(&ClientError::new(
                    ErrorCode::RateLimited,
                    "too many messages; this one was not read",
                ));
            }
            (Verdict::Allowed, Message::Text(text)) => self.act(&text, grant),
            (Verdict::Allowed, Message::Binary(_)) => {
                self.fail(&ClientError::new(
                    ErrorCode::InvalidMessage,
                    "messages are text frames",
                ));
            }
        }
        Ok(())
    }

    fn act(&mut self, text: &str, grant: &Grant) {
        let request = match protocol::parse(text, self.context.limits.max_channels_per_message) {
            Ok(request) => request,
            Err(error) => return self.fail(&error),
        };
        let id = &request.id;
        match request.action {
            Action::Ping => self.reply(&protocol::pong(id)),
            Action::Subscribe(channels) => {
                let (mut accepted, mut refused) = (Vec::new(), Vec::new());
                for channel in channels {
                    match self.check_subscription(&channel, grant, &accepted) {
                        Ok(pattern) => accepted.push(pattern),
                        Err(error) => refused.push(error.about(&channel, id)),
                    }
                }
                // The answer is queued before the hub can queue a message, and nothing is
                // written before both are done.
                self.confirm("subscribed", &accepted, id);
                for pattern in accepted {
                    self.subscriptions.add(pattern);
                }
                refused.iter().for_each(|error| self.fail(error));
            }
            Action::Unsubscribe(channels) => {
                let (mut removed, mut refused) = (Vec::new(), Vec::new());
                for channel in channels {
                    match self.known_channel(&channel) {
                        Ok(pattern) => removed.push(pattern),
                        Err(error) => refused.push(error.about(&channel, id)),
                    }
                }
                for pattern in &removed {
                    self.subscriptions.remove(pattern);
                }
                self.confirm("unsubscribed", &removed, id);
                refused.iter().for_each(|error| self.fail(error));
            }
        }
    }

    fn known_channel(&self, channel: &str) -> Result<Pattern, ClientError> {
        let invalid = |message: String| ClientError::new(ErrorCode::InvalidChannel, message);
        let pattern: Pattern = channel
            .parse()
            .map_err(|error| invalid(format!("{error}")))?;
        self.context.catalog.check(&pattern).map_err(invalid)?;
        Ok(pattern)
    }

    fn check_subscription(
        &self,
        channel: &str,
        grant: &Grant,
        accepted: &[Pattern],
    ) -> Result<Pattern, ClientError> {
        let pattern = self.known_channel(channel)?;
        if !grant.allows(&pattern) {
            return Err(forbidden());
        }
        let max = self.context.limits.max_subscriptions;
        if !self.subscriptions.fits(&pattern, accepted, max) {
            let message = format!("a session holds at most {max} subscriptions");
            return Err(ClientError::new(ErrorCode::SubscriptionLimit, message));
        }
        Ok(pattern)
    }

    /// Ends the subscriptions that the key's rights no longer cover, and says which.
    fn narrow(&mut self, grant: &Grant) {
        let lost = self.subscriptions.retain(|pattern| grant.allows(pattern));
        self.confirm("unsubscribed", &lost, &None);
        for pattern in &lost {
            self.fail(&forbidden().about(pattern.as_str(), &None));
        }
    }

    fn beat(&mut self) -> Result<(), CloseReason> {
        if std::mem::replace(&mut self.awaits_pong, true) {
            return Err(CloseReason::DeadPeer);
        }
        let mut wire = Vec::new();
        WireFrame::ping(Vec::new())
            .format(&mut wire)
            .expect("writing to a Vec does not fail");
        self.reply(&Frame::from_wire(wire));
        Ok(())
    }

    fn confirm(&self, kind: &'static str, channels: &[Pattern], id: &Id) {
        if !channels.is_empty() {
            let names: Vec<&str> = channels.iter().map(Pattern::as_str).collect();
            self.reply(&protocol::confirmation(kind, &names, id));
        }
    }

    fn fail(&self, error: &ClientError) {
        self.context
            .metrics
            .client_errors
            .with_label_values(&[error.code.as_str()])
            .inc();
        self.reply(&error.frame());
    }

    fn reply(&self, frame: &Frame) {
        self.subscriptions.outbox().push_control(frame);
    }
}

fn forbidden() -> ClientError {
    ClientError::new(
        ErrorCode::ForbiddenChannel,
        "this key is not allowed to read the channel",
    )
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
