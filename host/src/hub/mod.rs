//! Who gets what: from the frames of a public channel to the outboxes of its subscribers.
//!
//! Publishing costs what its receivers cost: the patterns that can match a channel are looked
//! up, never searched for, and sessions that hold none of them are not touched.

mod batch;
mod index;
mod outbox;

use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

pub use self::batch::Batch;
use self::index::Index;
pub use self::outbox::{End, Figures, Marks, Outbox, Push, Take};
use crate::channel::{Channel, Pattern};
use crate::metrics::{FamilyMetrics, Fanned, Metrics};

/// A session as the hub knows it. Numbers grow with time, so that a list of subscribers
/// stays sorted by appending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u64);

/// One message as it goes over the wire: a whole WebSocket frame, built once and shared by
/// all who receive it.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    bytes: bytes::Bytes,
    /// None for what is no message of a channel: replies, pings, closes.
    origin: Option<Origin>,
}

/// Where a message comes from, to be able to say how long it took, or that it was missed.
#[derive(Debug)]
pub struct Origin {
    /// When its event came.
    pub received: Instant,
    pub family: Arc<FamilyMetrics>,
}

impl Frame {
    /// Wraps bytes that are already a complete WebSocket frame.
    pub fn from_wire(bytes: impl Into<bytes::Bytes>) -> Self {
        Self(Arc::new(Wire {
            bytes: bytes.into(),
            origin: None,
        }))
    }

    /// Says where a message comes from. To be called before it is shared: it is lost on a frame
    /// that others have.
    pub fn with_origin(mut self, origin: Origin) -> Self {
        if let Some(wire) = Arc::get_mut(&mut self.0) {
            wire.origin = Some(origin);
        }
        self
    }

    /// Counts how long the message took until a socket had it; `false` where it is none.
    pub fn note_written(&self) -> bool {
        let origin = self.0.origin.as_ref();
        if let Some(Origin { received, family }) = origin {
            family.note_delay(received.elapsed());
        }
        origin.is_some()
    }

    /// Counts that a session which was cut did not get the message. Gives its bytes.
    pub fn note_cut(&self) -> usize {
        if let Some(origin) = &self.0.origin {
            origin.family.note_cut();
        }
        self.bytes().len()
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
        Self::from_wire(wire)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What the frame carries, without its head; empty where the bytes are no unmasked frame.
    pub fn payload(&self) -> &[u8] {
        let bytes = self.bytes();
        let head = match bytes.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        bytes.get(head..).unwrap_or_default()
    }
}

/// The map from patterns to subscribers.
#[derive(Debug)]
pub struct Hub {
    index: RwLock<Index>,
    metrics: Metrics,
}

/// Says of a subscription that its messages have stopped for now, or come again.
fn status(pattern: &str, paused: bool) -> Frame {
    let state = if paused { "paused" } else { "live" };
    let body = serde_json::json!({ "type": "status", "channel": pattern, "state": state });
    Frame::text(&body.to_string())
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
    pub fn publish(&self, channel: &Channel, frame: &Frame) -> Fanned {
        let mut fanned = Fanned::default();
        self.index
            .read()
            .for_each_subscriber(channel, |outbox| match outbox.push(frame) {
                Push::Queued => fanned.queued += 1,
                Push::Skipped => fanned.skipped += 1,
                Push::Overrun => fanned.cut += 1,
                Push::Ended => {}
            });
        self.metrics.deliveries.inc_by(fanned.queued);
        self.metrics.skips.inc_by(fanned.skipped);
        fanned
    }

    /// Notes that a family is paused or live again, and tells it to its subscribers, once for
    /// each pattern that they hold.
    pub fn set_paused(&self, family: &str, paused: bool) {
        let mut index = self.index.write();
        if !index.set_paused(family, paused) {
            return;
        }
        index.for_each_of_family(family, |pattern, subscribers| {
            let frame = status(pattern, paused);
            for (_, outbox) in subscribers {
                outbox.push_control(&frame);
            }
        });
    }

    /// Adds a subscription; `false` where the subscriber already held it. Where the family is
    /// paused, the subscriber is told.
    pub fn subscribe(&self, id: SubscriberId, outbox: &Arc<Outbox>, pattern: &Pattern) -> bool {
        // Under one lock with `set_paused`, so that what a subscriber hears last is true.
        let mut index = self.index.write();
        let added = index.insert(id, outbox, pattern);
        if added && index.is_paused(pattern.family()) {
            outbox.push_control(&status(pattern.as_str(), true));
        }
        drop(index);
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
    fn subscribers_of_a_paused_family_are_told_and_so_are_those_who_come_later() {
        let hub = hub();
        let outboxes: Vec<_> = (0..3)
            .map(|_| Arc::new(Outbox::new(Marks::default())))
            .collect();
        let subscribe = |n: usize, text: &str| {
            hub.subscribe(SubscriberId(n as u64), &outboxes[n], &text.parse().unwrap());
        };
        subscribe(0, "a:x");
        subscribe(0, "a:*");
        subscribe(1, "ab:x");
        hub.set_paused("a", true);
        hub.set_paused("a", true);
        subscribe(2, "a:x");
        let told = || outboxes.iter().map(|o| drain(o)).collect::<Vec<_>>();
        assert_eq!(told(), [2, 0, 1]);
        hub.set_paused("a", false);
        assert_eq!(told(), [2, 0, 1]);
        subscribe(1, "a:x");
        assert_eq!(told(), [0, 0, 0]);
        let text = String::from_utf8(status("a:*", true).bytes()[2..].to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"type":"status","channel":"a:*","state":"paused"}"#
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
            let frame = Frame::text(&payload);
            assert_eq!(frame.bytes(), wire, "{len}");
            assert_eq!(frame.payload(), payload.as_bytes(), "{len}");
        }
    }
}
