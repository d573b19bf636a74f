//! What loops are told about sessions, and who tells it: whoever has a session's address.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::inbox::Inbox;
use crate::channel::Pattern;
use crate::listener::Remote;

/// A session's number; numbers grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl SessionId {
    /// Which of so many loops the session is of.
    pub(crate) fn place(self, loops: usize) -> usize {
        usize::try_from(self.0 % loops as u64).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(crate) enum LoopOrder {
    /// Keys have changed: each session is to look at its own.
    Rights,
    /// There are other channels than before.
    Catalog,
    /// Say goodbye to everybody, over a while.
    Drain,
    /// The session has lost its place to a newer one, or has no time left for its goodbye.
    Replaced(SessionId),
    /// An operator ends the session, and is told which it was.
    Close(SessionId, oneshot::Sender<Listed>),
    List(oneshot::Sender<Vec<Listed>>),
    /// What sessions were sent is to be counted for their keys.
    Count(oneshot::Sender<()>),
    /// Which patterns sessions hold.
    Patterns(oneshot::Sender<Vec<Pattern>>),
    /// Requests that waited for the relay can be answered.
    Answer,
    /// The numbers of all channels begin anew, so every session ends.
    Renumbered,
    /// The loop panics.
    #[cfg(test)]
    Poison,
}

/// One live session, as operators see it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    pub id: u64,
    #[schemars(with = "String")]
    pub remote: Remote,
    pub key_id: String,
    pub key_name: String,
    pub since: Timestamp,
    /// How many channels and patterns it holds.
    pub subscriptions: usize,
    /// Messages that it has not got yet, among them those that newer ones replace.
    pub waiting_messages: usize,
    /// The age of the oldest of them.
    pub lag_seconds: f64,
    /// Replies and begun messages that its socket has not taken yet.
    pub reply_bytes: usize,
    pub delivered: u64,
    /// Messages that it was told to have missed.
    pub missed: u64,
}

/// Where orders for one session go.
#[derive(Clone)]
pub struct SessionAddress {
    pub(crate) id: SessionId,
    inbox: Arc<Inbox>,
}

impl SessionAddress {
    pub(crate) fn new(id: SessionId, inbox: Arc<Inbox>) -> Self {
        Self { id, inbox }
    }

    pub(crate) fn order(&self, order: impl FnOnce(SessionId) -> LoopOrder) {
        self.inbox.order(order(self.id));
    }
}

impl fmt::Debug for SessionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionAddress").field(&self.id.0).finish()
    }
}
