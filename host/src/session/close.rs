//! Why sessions end, and what the client is told. The codes are part of the public contract.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use crate::gate::GateRefusal;
use crate::hub::frame;
use crate::metrics::Metrics;

/// The end of a session. An expected end is a value, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed, or its connection went away.
    ClientLeft,
    /// Nothing was heard since a ping, for a whole interval.
    DeadPeer,
    SlowConsumer,
    Draining,
    /// A frame against RFC 6455, such as an unmasked one.
    ProtocolViolation,
    NotUtf8,
    MessageTooBig,
    RateLimited,
    Refused(GateRefusal),
    /// A newer connection of the same key has the place.
    Replaced,
    ClosedByOperator,
    /// What numbers the messages has lost its count, so all numbers begin anew.
    Renumbered,
}

impl CloseReason {
    const ALL: [Self; 15] = [
        Self::ClientLeft,
        Self::DeadPeer,
        Self::SlowConsumer,
        Self::Draining,
        Self::ProtocolViolation,
        Self::NotUtf8,
        Self::MessageTooBig,
        Self::RateLimited,
        Self::Refused(GateRefusal::KeyRequired),
        Self::Refused(GateRefusal::InvalidKey),
        Self::Refused(GateRefusal::ConnectionLimit),
        Self::Refused(GateRefusal::ConnectionShare),
        Self::Replaced,
        Self::ClosedByOperator,
        Self::Renumbered,
    ];

    /// Lets all ends be counted from zero: a counter that appears with its first event hides
    /// that event from whoever watches its rate.
    pub(super) fn declare(metrics: &Metrics) {
        for reason in Self::ALL {
            metrics.closed.with_label_values(&[reason.label()]);
        }
    }

    /// A fixed word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::DeadPeer => "dead_peer",
            Self::SlowConsumer => "slow_consumer",
            Self::Draining => "draining",
            Self::ProtocolViolation => "protocol_violation",
            Self::NotUtf8 => "not_utf8",
            Self::MessageTooBig => "message_too_big",
            Self::RateLimited => "rate_limited",
            Self::Refused(refusal) => refusal.label(),
            Self::Replaced => "replaced",
            Self::ClosedByOperator => "closed_by_operator",
            Self::Renumbered => "renumbered",
        }
    }

    /// The close code and text for the client; `None` where nobody is there to read it.
    pub fn code(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::ClientLeft | Self::DeadPeer => return None,
            Self::SlowConsumer => (1013, "slow consumer"),
            Self::Draining => (1001, "server shutting down"),
            Self::ProtocolViolation => (1002, "protocol error"),
            Self::NotUtf8 => (1007, "text is not UTF-8"),
            Self::MessageTooBig => (1009, "message too big"),
            Self::RateLimited => (1008, "rate limit exceeded"),
            Self::Refused(refusal) => refusal.code(),
            Self::Replaced => (4009, "replaced by a newer connection"),
            Self::ClosedByOperator => (4010, "closed by operator"),
            Self::Renumbered => (1012, "numbers begin anew"),
        })
    }

    /// For API clients: what to make of the code.
    fn meaning(self) -> &'static str {
        match self {
            Self::ClientLeft | Self::DeadPeer => "",
            Self::SlowConsumer => {
                "something waited, and the client took not a byte for `stall-limit` (10 s)"
            }
            Self::Draining => "connect again",
            Self::ProtocolViolation => "a frame against RFC 6455, such as an unmasked one",
            Self::NotUtf8 => "text frames are UTF-8",
            Self::MessageTooBig => {
                "the largest message is a setting of the host, 16 KiB by default"
            }
            Self::RateLimited => {
                "messages went on while `RATE_LIMITED`, as many as the burst is (100 by default), or far too many bytes came"
            }
            Self::Refused(GateRefusal::KeyRequired) => "no key was shown",
            Self::Refused(GateRefusal::InvalidKey) => {
                "also when a key is revoked or expires, or a signed token is over"
            }
            Self::Refused(GateRefusal::ConnectionLimit) => {
                "5 live connections a key, unless the key says otherwise, on all hosts together"
            }
            Self::Refused(GateRefusal::ConnectionShare) => {
                "until the host can ask the others again, it lets in its share of a key's connections; another host may have room"
            }
            Self::Replaced => {
                "the key was at its limit, and a newer client with it got this place; do not reconnect by yourself, or the two take turns"
            }
            Self::Renumbered => {
                "what gives the numbers has lost its count: connect again, and compare `epoch`"
            }
            Self::ClosedByOperator => "somebody ended this session by hand; connect again later",
        }
    }

    /// Rows of code, text and meaning for documents, by code.
    pub fn table() -> Vec<(u16, &'static str, &'static str)> {
        let row = |reason: Self| {
            reason
                .code()
                .map(|(code, text)| (code, text, reason.meaning()))
        };
        let mut rows: Vec<_> = Self::ALL.into_iter().filter_map(row).collect();
        rows.sort_by_key(|row| row.0);
        rows
    }

    /// Whether what still waits for the client is sent before the close. Only a session that
    /// ends for no fault of its own gets it.
    pub(crate) fn finishes(self) -> bool {
        self == Self::Draining
    }

    /// The close frame; none where nobody is there to read it.
    pub(crate) fn frame(self) -> Option<Vec<u8>> {
        let (code, text) = self.code()?;
        Some(frame::close(code, text))
    }

    /// What an error while reading means.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::ClientLeft,
            Error::Protocol(_) => Self::ProtocolViolation,
            Error::Utf8(_) => Self::NotUtf8,
            Error::Capacity(_) => Self::MessageTooBig,
            _ => Self::ClientLeft,
        }
    }
}
