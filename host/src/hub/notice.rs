//! What clients are told beside messages: what they did not get, and why nothing comes.

use serde_json::{Value, json};

/// Why messages did not reach a client that had subscribed to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// The client was too far behind.
    Slow,
    /// Events of an outage upstream, which nobody can count.
    Upstream,
    /// An event that the transform's lane could not take or did not bear.
    Transform,
    /// Events while the transform was paused.
    Paused,
}

impl Reason {
    pub(crate) const ALL: [Self; 4] = [Self::Slow, Self::Upstream, Self::Transform, Self::Paused];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Upstream => "upstream",
            Self::Transform => "transform",
            Self::Paused => "paused",
        }
    }
}

/// What can be expected of a family now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Availability {
    #[default]
    Live,
    /// Its upstream is away.
    Stale,
    /// An operator has paused its transform.
    Paused,
}

impl Availability {
    const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Paused => "paused",
        }
    }
}

/// Says of a subscription whether messages can be expected.
pub(crate) fn status(pattern: &str, state: Availability) -> Value {
    json!({ "type": "status", "channel": pattern, "state": state.word() })
}

/// The messages `from` to `to` of a channel were missed, both included.
pub(crate) fn gap(channel: &str, from: u64, to: u64, reason: Reason) -> Value {
    json!({ "type": "gap", "channel": channel, "from": from, "to": to, "reason": reason.word() })
}

/// Messages of a subscription were missed whose numbers nobody knows, or are too many to tell;
/// then their `count` is told.
pub(crate) fn gap_somewhere(pattern: &str, count: Option<u64>, reason: Reason) -> Value {
    let mut gap = json!({ "type": "gap", "channel": pattern, "from": null, "to": null });
    if let Some(count) = count {
        gap["count"] = count.into();
    }
    gap["reason"] = reason.word().into();
    gap
}
