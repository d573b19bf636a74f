//! Where messages of a connection end up: events at the intake, probes among the probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use super::probe::Probes;
use crate::pipeline::Intake;
use crate::transform::UpstreamPattern;

pub(super) struct UpstreamInbox {
    pub(super) intake: Arc<Intake>,
    /// What is subscribed or is about to be, in the order that it was.
    patterns: Mutex<Vec<UpstreamPattern>>,
    pub(super) probe_channel: String,
    /// What is sent over the connection itself.
    pub(super) probes: Mutex<Probes>,
    /// What is published where `redis-url` leads.
    pub(super) at_address: Mutex<Probes>,
    /// A probe came back as a message: the subscription stands.
    proven: AtomicBool,
    pub(super) closed: Notify,
    /// An event came, so whoever was told that none come has been told otherwise.
    flows: AtomicBool,
}

impl UpstreamInbox {
    pub(super) fn new(
        intake: Arc<Intake>,
        patterns: Vec<UpstreamPattern>,
        probe_channel: String,
    ) -> Self {
        Self {
            intake,
            patterns: Mutex::new(patterns),
            probe_channel,
            probes: Mutex::new(Probes::new()),
            at_address: Mutex::new(Probes::new()),
            proven: AtomicBool::default(),
            closed: Notify::new(),
            flows: AtomicBool::default(),
        }
    }

    /// Expects what is wanted, new patterns last, so that an event which an older one matches stays
    /// the older one's. Gives back what is to be subscribed to, and what is to be unsubscribed
    /// from; the latter leaves when the server says that it sends no more for it.
    pub(super) fn expect(
        &self,
        wanted: &[UpstreamPattern],
    ) -> (Vec<UpstreamPattern>, Vec<UpstreamPattern>) {
        let without = |patterns: &[UpstreamPattern], some: &[UpstreamPattern]| {
            let rest = patterns.iter().filter(|pattern| !some.contains(pattern));
            rest.cloned().collect::<Vec<_>>()
        };
        let mut patterns = self.patterns.lock();
        let (more, less) = (without(wanted, &patterns), without(&patterns, wanted));
        patterns.extend(more.iter().cloned());
        (more, less)
    }

    /// Expects these patterns no more, as the server refuses them.
    pub(super) fn give_up(&self, refused: &[&UpstreamPattern]) {
        self.patterns
            .lock()
            .retain(|pattern| !refused.contains(&pattern));
    }

    /// Whether a probe has come back as a message.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Takes no event any more: whoever was told that none come is told the truth.
    pub(super) fn retire(&self) {
        self.patterns.lock().clear();
    }

    pub(super) fn receive(&self, push: PushInfo) {
        match (push.kind, <[Value; 3]>::try_from(push.data)) {
            (
                PushKind::PMessage,
                Ok(
                    [
                        Value::BulkString(pattern),
                        channel,
                        Value::BulkString(payload),
                    ],
                ),
            ) => {
                let pattern = String::from_utf8_lossy(&pattern);
                self.message(Some(&pattern), text(channel), payload);
            }
            (PushKind::Message, Err(data)) => {
                if let Ok([channel, Value::BulkString(payload)]) = <[Value; 2]>::try_from(data) {
                    self.message(None, text(channel), payload);
                }
            }
            (PushKind::PUnsubscribe, Err(data)) => {
                if let Some(Value::BulkString(pattern)) = data.into_iter().next() {
                    let pattern = String::from_utf8_lossy(&pattern);
                    self.patterns
                        .lock()
                        .retain(|known| known.as_str() != pattern);
                }
            }
            (PushKind::Disconnection, _) => self.closed.notify_one(),
            _ => {}
        }
    }

    /// Redis sends a message once for each pattern that it matches; the first of ours counts.
    pub(super) fn message(&self, pattern: Option<&str>, channel: String, payload: Vec<u8>) {
        match pattern {
            None if channel == self.probe_channel => {
                let probes = [&self.probes, &self.at_address];
                if probes.iter().any(|probes| probes.lock().came(&payload)) {
                    self.proven.store(true, Ordering::Relaxed);
                }
            }
            None => {}
            Some(pattern) => {
                let patterns = self.patterns.lock();
                let first = patterns.iter().find(|known| known.matches(&channel));
                let ours = first.is_some_and(|first| first.as_str() == pattern);
                drop(patterns);
                if ours {
                    // Subscribers hear that events come before they get one.
                    if !self.flows.swap(true, Ordering::Relaxed) {
                        self.intake.note_lost(false);
                    }
                    self.intake.offer(channel, payload);
                }
            }
        }
    }
}

fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Value::SimpleString(text) => text,
        _ => String::new(),
    }
}
