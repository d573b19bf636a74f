//! One connected client as a state machine: what it sends goes in, replies come out, and its
//! subscriptions change in its loop's log. The socket, the log and the clock are the loop's.

mod close;
mod farewell;
mod inbound;
mod protocol;
mod rate;
mod requests;
pub mod routes;
#[cfg(test)]
mod tests;
pub mod upgrade;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

pub use self::close::CloseReason;
pub(crate) use self::farewell::{CLOSE_PATIENCE, reset};
use self::inbound::Inbound;
pub(crate) use self::inbound::Parser;
pub(crate) use self::protocol::MAX_ID_BYTES;
use self::protocol::{ClientError, ErrorCode};
use self::rate::{Buckets, Quantity, Rate, RateVerdict};
pub(crate) use self::requests::Responder;
use crate::catalog::Catalog;
use crate::gate::usage::UsageBook;
use crate::gate::{GateRefusal, Grant, Permit, PermitStatus};
use crate::hub::{Hub, Interest};
use crate::listener::BEFORE_HTTP;
use crate::log::Strangers;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;

/// The longest head of a client's frame, in bytes (RFC 6455, 5.2).
const MAX_FRAME_HEADER: usize = 14;

/// In tests, a session panics where it is about to refuse this channel.
#[cfg(test)]
pub(crate) const POISON: &str = "poison";

/// What all sessions share.
#[derive(Debug)]
pub struct SessionContext {
    pub hub: Arc<Hub>,
    pub catalog: Arc<Catalog>,
    /// What sessions ask the relay for; none on hosts that make their messages themselves.
    pub interest: Option<Arc<Interest>>,
    pub metrics: Metrics,
    pub limits: SessionLimits,
    pub shutdown: Shutdown,
    pub tasks: Tasks,
    pub strangers: Arc<Strangers>,
    pub usage: Arc<UsageBook>,
}

/// What one session may do, and for how long.
#[derive(Debug, Clone)]
pub struct SessionLimits {
    pub heartbeat_interval: Duration,
    pub max_subscriptions: usize,
    pub max_channels_per_message: usize,
    /// Messages a second in the long run; pings count.
    pub message_rate: u32,
    /// Messages at once.
    pub message_burst: u32,
    /// Bytes of one inbound message.
    pub max_message_size: usize,
    /// The age of the oldest message that a session may still get.
    pub lag_limit: Duration,
    /// How long something may wait without a byte of it being taken.
    pub stall_limit: Duration,
    /// Bytes that the kernel may hold unsent (`TCP_NOTSENT_LOWAT`).
    pub kernel_unsent: usize,
    /// Over which time the sessions' ends are spread when the host drains.
    pub drain_time: Duration,
}

impl SessionLimits {
    /// The rates of messages and of bytes: as many bytes as that many of the largest messages have,
    /// each in a frame of its own.
    fn rates(&self) -> [Rate; 2] {
        let framed = self.max_message_size.saturating_add(MAX_FRAME_HEADER);
        let size = u32::try_from(framed).unwrap_or(u32::MAX);
        [1, size].map(|size| Rate {
            per_second: self.message_rate.saturating_mul(size),
            burst: self.message_burst.saturating_mul(size),
        })
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

#[derive(Debug)]
pub(crate) struct Session {
    permit: Permit,
    inbound: Inbound,
    /// One pong is owed, and costs the client nothing.
    awaits_pong: bool,
    buckets: Buckets,
    /// Requests that wait for the relay, in their order. The client is not read meanwhile, so they
    /// are as few as one reading brings.
    waiting: Vec<Utf8Bytes>,
}

impl Session {
    pub(crate) fn new(permit: Permit, limits: &SessionLimits, now: Instant) -> Self {
        Self {
            permit,
            inbound: Inbound::default(),
            awaits_pong: false,
            buckets: Buckets::new(limits.rates(), now),
            waiting: Vec::new(),
        }
    }

    /// The rights that the session last looked at.
    pub(crate) fn grant(&self) -> &Arc<Grant> {
        self.permit.grant()
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.permit.is_hurried()
    }

    /// Acts on bytes that the client sent.
    ///
    /// # Errors
    /// Why the session ends with them.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        parser: &mut Parser,
        responder: &mut Responder<'_>,
        now: Instant,
    ) -> Result<(), CloseReason> {
        let Self {
            permit,
            inbound,
            awaits_pong,
            buckets,
            waiting,
        } = self;
        let rates = responder.context.limits.rates();
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if buckets.take(Quantity::Bytes, count, rates, now) == RateVerdict::Abusive {
            return Err(CloseReason::RateLimited);
        }
        inbound.read(bytes, parser, responder, |message, responder| {
            if matches!(message, Message::Pong(_)) && std::mem::take(awaits_pong) {
                return Ok(());
            }
            let verdict = buckets.take(Quantity::Messages, 1, rates, now);
            answer(message, verdict, permit.grant(), responder, waiting)
        })
    }

    /// Whether a request waits until it can be acted on.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the first request that waits can be acted on now; none where none waits.
    pub(crate) fn is_brought(&self, responder: &Responder<'_>) -> Option<bool> {
        let text = self.waiting.first()?;
        Some(responder.is_brought(text, self.permit.grant()))
    }

    /// Acts on the first request that waits.
    pub(crate) fn go_on(&mut self, responder: &mut Responder<'_>) {
        if !self.waiting.is_empty() {
            let text = self.waiting.remove(0);
            responder.act(&text, self.permit.grant());
        }
    }

    /// The client was sent a ping.
    pub(crate) fn note_ping(&mut self) {
        self.awaits_pong = true;
    }

    /// Looks at what the permit is good for now, and ends what it does not cover any more.
    ///
    /// # Errors
    /// It is good for nothing.
    pub(crate) fn look_at_rights(
        &mut self,
        responder: &mut Responder<'_>,
    ) -> Result<(), CloseReason> {
        match self.permit.look() {
            PermitStatus::Unchanged => Ok(()),
            PermitStatus::Changed => {
                responder.narrow(self.permit.grant());
                Ok(())
            }
            PermitStatus::Ended => Err(CloseReason::Refused(GateRefusal::InvalidKey)),
            PermitStatus::Replaced => Err(CloseReason::Replaced),
        }
    }

    /// Ends the subscriptions to channels that there are no more.
    pub(crate) fn look_at_catalog(responder: &mut Responder<'_>) {
        responder.prune();
    }
}

fn answer(
    message: Message,
    verdict: RateVerdict,
    grant: &Grant,
    responder: &mut Responder<'_>,
    waiting: &mut Vec<Utf8Bytes>,
) -> Result<(), CloseReason> {
    match (verdict, message) {
        (_, Message::Close(_)) => return Err(CloseReason::ClientLeft),
        (RateVerdict::Abusive, _) => return Err(CloseReason::RateLimited),
        // tungstenite has answered pings; a flood of them runs into the verdict above.
        (_, Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
        (RateVerdict::Limited, _) => responder.fail(&ClientError::new(
            ErrorCode::RateLimited,
            "too many messages; this one was not read",
        )),
        (RateVerdict::Allowed, Message::Text(text)) => {
            // Its loop goes on with it, once the relay brings what it asks for.
            if responder.context.interest.is_some() {
                waiting.push(text);
            } else {
                responder.act(&text, grant);
            }
        }
        (RateVerdict::Allowed, Message::Binary(_)) => responder.fail(&ClientError::new(
            ErrorCode::InvalidMessage,
            "messages are text frames",
        )),
    }
    Ok(())
}
