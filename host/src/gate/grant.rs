//! What somebody may do who came in.

use jiff::Timestamp;

use super::keys::{AtLimit, KeyRecord};
use crate::channel::Pattern;

/// What a key or a signed token allows at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key's public identifier and name; not the key. Of a signed token, whose it is.
    pub key_id: String,
    pub key_name: String,
    /// `None` allows every channel.
    pub(super) channels: Option<Vec<Pattern>>,
    pub(super) max_connections: u32,
    pub(super) at_limit: AtLimit,
    pub(super) expires: Option<Timestamp>,
    /// It came with a signed token.
    pub(super) is_signed: bool,
}

impl Grant {
    pub(super) fn of(record: &KeyRecord) -> Self {
        Self {
            key_id: record.id.clone(),
            key_name: record.name.clone(),
            channels: record.channels.clone(),
            max_connections: record.max_connections,
            at_limit: record.at_limit,
            expires: record.expires,
            is_signed: false,
        }
    }

    pub(super) fn in_force(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    /// Whether the key may subscribe to `pattern`, all of it.
    pub fn allows(&self, pattern: &Pattern) -> bool {
        self.channels.as_ref().is_none_or(|allowed| {
            allowed
                .iter()
                .any(|pattern_allowed| pattern_allowed.covers(pattern))
        })
    }
}
