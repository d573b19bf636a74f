//! Who gets what: from the frames of a public channel to the outboxes of its subscribers.
//!
//! Publishing costs what its receivers cost: the patterns that can match a channel are looked
//! up, never searched for, and sessions that hold none of them are not touched.

mod batch;
mod index;
mod outbox;

use std::sync::Arc;

use parking_lot::RwLock;

pub use self::batch::Batch;
use self::index::Index;
pub use self::outbox::{End, Figures, Marks, Outbox, Push, Take};
use crate::channel::{Channel, Pattern};
use crate::metrics::Metrics;

/// A session as the hub knows it. Numbers grow with time, so that a list of subscribers
/// stays sorted by appending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u64);

/// One message as it goes over the wire: a whole WebSocket frame, built once and shared by
/// all who receive it.
#[derive(Debug, Clone)]
pub struct Frame(bytes::Bytes);

impl Frame {
    /// Wraps bytes that are already a complete WebSocket frame.
    pub fn from_wire(bytes: impl Into<bytes::Bytes>) -> Self {
        Self(bytes.into())
    }

    /// A text message as a server sends it: unmasked, in one frame (RFC 6455, 5.2).
    pub fn text(payload: &str) -> Self {
        let len = payload.len();
        let mut wire = Vec::with_capacity(len + 10);
        wire.push(0x81);
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short), _) if short < 126 => wire.push(short),
            (_, Ok(medium)) => {
                wire.push(126);
                wire.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                wire.push(127);
                wire.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        wire.extend_from_slice(payload.as_bytes());
        Self(wire.into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The map from patterns to subscribers.
#[derive(Debug)]
pub struct Hub {
    index: RwLock<Index>,
    metrics: Metrics,
}

impl Hub {
    pub fn new(metrics: Metrics) -> Self {
        Self {
            index: RwLock::default(),
            metrics,
        }
    }

    /// Gives `frame` to every subscriber of a pattern that matches `channel`, once each, and
    /// waits for none of them.
    pub fn publish(&self, channel: &Channel, frame: &Frame) {
        let (mut queued, mut skipped) = (0, 0);
        self.index
            .read()
            .for_each_subscriber(channel, |outbox| match outbox.push(frame) {
                Push::Queued => queued += 1,
                Push::Skipped => skipped += 1,
                // The session ends, and counts that itself.
                Push::Overrun | Push::Ended => {}
            });
        self.metrics.deliveries.inc_by(queued);
        self.metrics.skips.inc_by(skipped);
    }

    /// Adds a subscription; `false` where the subscriber already held it.
    pub fn subscribe(&self, id: SubscriberId, outbox: &Arc<Outbox>, pattern: &Pattern) -> bool {
        let added = self.index.write().insert(id, outbox, pattern);
        self.metrics.subscriptions.add(added.into());
        added
    }

    /// Takes a subscription away; `false` where there was none.
    pub fn unsubscribe(&self, id: SubscriberId, pattern: &Pattern) -> bool {
        let removed = self.index.write().remove(id, pattern);
        self.metrics.subscriptions.sub(removed.into());
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Waker};

    fn hub() -> Hub {
        Hub::new(Metrics::new())
    }

    fn drain(outbox: &Outbox) -> usize {
        let mut batch = Batch::default();
        match outbox.poll_take(&mut Context::from_waker(Waker::noop()), &mut batch) {
            std::task::Poll::Ready(_) => batch.frames.len(),
            std::task::Poll::Pending => 0,
        }
    }

    #[test]
    fn overlapping_subscriptions_deliver_once() {
        let hub = hub();
        let outbox = Arc::new(Outbox::new(Marks::default()));
        for text in ["a:x:y", "a:*:y", "a:x:*", "a:*:*", "a:z:*", "b:x:y"] {
            assert!(hub.subscribe(SubscriberId(1), &outbox, &text.parse().unwrap()));
        }
        assert!(!hub.subscribe(SubscriberId(1), &outbox, &"a:x:y".parse().unwrap()));
        hub.publish(&"a:x:y".parse().unwrap(), &Frame::text("1"));
        assert_eq!(drain(&outbox), 1);
        assert_eq!(hub.metrics.subscriptions.get(), 6);
    }

    #[test]
    fn a_channel_reaches_its_own_subscribers_only() {
        let hub = hub();
        let outboxes: Vec<_> = (0..3)
            .map(|_| Arc::new(Outbox::new(Marks::default())))
            .collect();
        for (n, text) in ["a:x:y", "a:*:z", "a:*:y"].into_iter().enumerate() {
            hub.subscribe(SubscriberId(n as u64), &outboxes[n], &text.parse().unwrap());
        }
        hub.publish(&"a:x:y".parse().unwrap(), &Frame::text("1"));
        assert_eq!(
            outboxes.iter().map(|o| drain(o)).collect::<Vec<_>>(),
            [1, 0, 1]
        );
        assert!(hub.unsubscribe(SubscriberId(0), &"a:x:y".parse().unwrap()));
        hub.publish(&"a:x:y".parse().unwrap(), &Frame::text("2"));
        assert_eq!(
            outboxes.iter().map(|o| drain(o)).collect::<Vec<_>>(),
            [0, 0, 1]
        );
    }

    #[test]
    fn a_text_frame_is_what_tungstenite_would_send() {
        use tokio_tungstenite::tungstenite::protocol::frame::{
            Frame as Reference,
            coding::{Data, OpCode},
        };
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = "x".repeat(len);
            let mut wire = Vec::new();
            Reference::message(payload.clone(), OpCode::Data(Data::Text), true)
                .format(&mut wire)
                .unwrap();
            assert_eq!(Frame::text(&payload).bytes(), wire, "{len}");
        }
    }
}
