//! What an ingest host hands on instead of delivering it: finished messages, in the order of its
//! lanes, until Redis has taken them.
//!
//! Two ingest hosts make the same messages of the same events. A message is known again by its
//! event and by its place among what was made of that event for its channel, whatever the revision
//! that made it: where two revisions make different messages of one event, one of the two goes out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::message::Message;
use crate::channel::Channel;
use crate::event::Event;
use crate::metrics::RelayMetrics;

/// What a message takes of memory beside its text, in bytes, more or less.
const ENTRY_COST: usize = 256;

/// By which two ingest hosts know a message: equal wherever both made it of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageIdentity(pub [u8; 16]);

/// One event as the messages made of it are known by, in their order.
#[derive(Debug)]
pub struct EventIdentity {
    digest: Sha256,
    /// A channel for each message so far.
    channels: Vec<Channel>,
}

impl EventIdentity {
    pub fn of(event: &Event) -> Self {
        let mut digest = Sha256::new();
        digest.update((event.channel.len() as u64).to_be_bytes());
        digest.update(&event.channel);
        digest.update(&event.payload);
        Self {
            digest,
            channels: Vec::new(),
        }
    }

    /// The identity of the next message, which is of this channel.
    pub fn next(&mut self, channel: &Channel) -> MessageIdentity {
        let before = self.channels.iter().filter(|known| *known == channel);
        let place = before.count() as u64;
        self.channels.push(channel.clone());
        let mut digest = self.digest.clone();
        digest.update(place.to_be_bytes());
        let mut identity = [0; 16];
        identity.copy_from_slice(&digest.finalize()[..16]);
        MessageIdentity(identity)
    }
}

/// Messages on their way to Redis. Who puts some in never waits.
#[derive(Debug)]
pub struct Outbox {
    /// In bytes.
    limit: usize,
    content: Mutex<OutboxContent>,
    filled: Notify,
    changed: Notify,
    /// How often what is to be known of families has changed.
    changes: AtomicU64,
    bytes: IntGauge,
    dropped: IntCounter,
}

#[derive(Debug, Default)]
struct OutboxContent {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Outbox {
    /// `limit` is in bytes.
    pub fn new(limit: usize, metrics: &RelayMetrics) -> Self {
        Self {
            limit,
            content: Mutex::default(),
            filled: Notify::new(),
            changed: Notify::new(),
            changes: AtomicU64::new(0),
            bytes: metrics.queue_bytes.clone(),
            dropped: metrics.dropped.clone(),
        }
    }

    /// Puts messages in, and gives back the families of those that did not fit.
    pub(super) fn put(&self, messages: Vec<Message>) -> Vec<String> {
        let mut lost: Vec<String> = Vec::new();
        let mut content = self.content.lock();
        for message in messages {
            let cost = cost(&message);
            if content.bytes > 0 && content.bytes + cost > self.limit {
                self.dropped.inc();
                let family = message.channel.as_pattern().family();
                if !lost.iter().any(|known| known == family) {
                    lost.push(family.to_owned());
                }
                continue;
            }
            content.bytes += cost;
            content.messages.push_back(message);
        }
        self.show(&content);
        drop(content);
        self.filled.notify_one();
        lost
    }

    /// Takes up to `most` messages, the oldest first.
    pub fn take(&self, most: usize) -> Vec<Message> {
        let mut content = self.content.lock();
        let count = most.min(content.messages.len());
        let taken: Vec<Message> = content.messages.drain(..count).collect();
        content.bytes -= taken.iter().map(cost).sum::<usize>();
        self.show(&content);
        taken
    }

    /// Lets go of messages whose events came before `before`, and of what fills more than half of the
    /// bound; says of how many.
    pub fn leave(&self, before: Instant) -> usize {
        let mut content = self.content.lock();
        let count = content.messages.len();
        while let Some(first) = content.messages.front()
            && (first.received < before || content.bytes > self.limit / 2)
        {
            content.bytes -= cost(first);
            content.messages.pop_front();
        }
        self.show(&content);
        count - content.messages.len()
    }

    /// Waits until there may be messages.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// What is to be known of families has changed.
    pub(super) fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// How often what is to be known of families has changed: counted before any message is here
    /// that came after it.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Waits until what is to be known of families has changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn show(&self, content: &OutboxContent) {
        let bytes = i64::try_from(content.bytes).unwrap_or(i64::MAX);
        self.bytes.set(bytes);
    }
}

fn cost(message: &Message) -> usize {
    message.text.len() + ENTRY_COST
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Metrics;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn the_bound_is_kept_what_is_beyond_is_told_and_there_is_room_again() {
        let metrics = Metrics::new();
        let outbox = Outbox::new(2 * (100 + ENTRY_COST), &metrics.relay);
        let put = |sizes: &[usize]| {
            outbox.put(sizes.iter().map(|&size| Message::example(size)).collect())
        };
        assert_eq!(put(&[100, 100]), [""; 0]);
        assert_eq!(put(&[0, 0]), ["ticks"]);
        assert_eq!(metrics.relay.dropped.get(), 2);
        assert_eq!(outbox.take(1).len(), 1);
        assert_eq!(put(&[100]), [""; 0]);
        assert_eq!(outbox.take(9).len(), 2);
        assert_eq!(metrics.relay.queue_bytes.get(), 0);
        // The largest message fits where nothing else waits.
        assert_eq!(put(&[10_000]), [""; 0]);
    }

    #[test]
    fn what_is_left_is_what_came_before_a_moment_and_what_fills_more_than_half() {
        let metrics = Metrics::new();
        let outbox = Outbox::new(4 * (100 + ENTRY_COST), &metrics.relay);
        let put = |count: usize| outbox.put((0..count).map(|_| Message::example(100)).collect());
        put(2);
        let later = Instant::now();
        assert_eq!(outbox.leave(later.checked_sub(HOUR).unwrap()), 0);
        assert_eq!(outbox.leave(later), 2);
        put(3);
        assert_eq!(outbox.leave(later), 1, "half of the bound is free");
        assert_eq!(outbox.take(9).len(), 2);
        assert_eq!(metrics.relay.queue_bytes.get(), 0);
    }

    #[test]
    fn two_hosts_know_a_message_by_its_event_and_its_place_in_its_channel() {
        let event = |channel: &str, payload: &str| {
            Event::at(channel.to_owned(), payload.as_bytes().to_vec(), 0)
        };
        let [first, second]: [Channel; 2] = ["t:a", "t:b"].map(|text| text.parse().unwrap());
        let names = |event: &Event, channels: &[&Channel]| {
            let mut identity = EventIdentity::of(event);
            let names = channels.iter().map(|channel| identity.next(channel).0);
            names.collect::<Vec<_>>()
        };
        let first_event = event("u:1", "x");
        let [a, b] = names(&first_event, &[&first, &first])[..] else {
            panic!("two");
        };
        assert_ne!(a, b);
        assert_eq!(names(&event("u:1", "x"), &[&first, &first]), [a, b]);
        // Another revision that makes something else besides.
        assert_eq!(names(&first_event, &[&second, &first])[1], a);
        assert_ne!(names(&event("u:2", "x"), &[&first])[0], a);
        assert_ne!(names(&event("u:1x", ""), &[&first])[0], a);
    }
}
