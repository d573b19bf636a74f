//! What a connection of an edge host brings, on its way to the inbox for as long as the connection is
//! one of those at work.

use std::sync::{Arc, Weak};

use redis::{PushInfo, PushKind, Value};

use super::inbox::EdgeInbox;
use crate::settings::RedisNode;

/// Where one connection's messages go.
pub(super) struct PushReceiver {
    inbox: Arc<EdgeInbox>,
    /// The connection is not given up yet.
    alive: Weak<()>,
    /// The node of a cluster that it leads to.
    node: Option<RedisNode>,
}

impl PushReceiver {
    /// `node` is the one of a cluster that the connection leads to.
    pub(super) fn new(inbox: &Arc<EdgeInbox>, alive: &Arc<()>, node: Option<RedisNode>) -> Self {
        Self {
            inbox: inbox.clone(),
            alive: Arc::downgrade(alive),
            node,
        }
    }

    /// What comes over a connection that was given up belongs to nobody.
    pub(super) fn receive(&self, push: PushInfo) {
        let inbox = &self.inbox;
        if self.alive.strong_count() == 0 {
            return;
        }
        match (push.kind, &push.data[..]) {
            (PushKind::SMessage, [Value::BulkString(name), Value::BulkString(payload)]) => {
                inbox.take(name, payload);
            }
            (PushKind::SUnsubscribe, [Value::BulkString(name), ..]) => {
                inbox.note_unsubscribed(name, self.node.as_ref());
            }
            (PushKind::Disconnection, _) => inbox.closed.notify_one(),
            _ => {}
        }
    }
}
