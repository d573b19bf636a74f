//! Where messages of a connection end up: events at the intake, probes among the probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use super::crossing::{Crossing, Passage, UpstreamMessage};
use super::path_delay::PathDelay;
use super::probe::Probes;
use super::sightings::ConnectionNumber;
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
    path_delay: Arc<PathDelay>,
    /// A probe came back as a message: the subscription stands.
    proven: AtomicBool,
    pub(super) closed: Notify,
    /// Subscribers were told what this connection means to them.
    flows: AtomicBool,
    number: ConnectionNumber,
    around_moves: AroundMoves,
}

/// What a connection must know of those before it.
#[derive(Debug, Clone)]
pub(super) struct AroundMoves {
    pub(super) crossing: Arc<Mutex<Crossing>>,
    pub(super) duplicates: IntCounter,
    /// Bytes of events that wait for another connection.
    pub(super) waiting: IntGauge,
    /// Its events wait for those of the connection before it.
    pub(super) behind: bool,
    /// Events may have gone by, of which subscribers know nothing yet.
    pub(super) loses: bool,
}

impl UpstreamInbox {
    pub(super) fn new(
        intake: Arc<Intake>,
        patterns: Vec<UpstreamPattern>,
        (probe_channel, path_delay): (String, Arc<PathDelay>),
        around_moves: AroundMoves,
    ) -> Self {
        path_delay.begin();
        let number = around_moves
            .crossing
            .lock()
            .begin(around_moves.behind, Instant::now());
        Self {
            intake,
            number,
            around_moves,
            patterns: Mutex::new(patterns),
            probe_channel,
            probes: Mutex::new(Probes::new()),
            at_address: Mutex::new(Probes::new()),
            path_delay,
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

    /// Tells subscribers, once, that events come, and before that, where it is so, that some did not.
    pub(super) fn begin_to_flow(&self) {
        if !self.flows.swap(true, Ordering::Relaxed) {
            if self.around_moves.loses {
                self.intake.note_lost(true);
            }
            self.intake.note_lost(false);
        }
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
                self.path_delay.came(&payload, Instant::now());
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
                    self.event(channel, payload);
                }
            }
        }
    }

    fn event(&self, channel: String, payload: Vec<u8>) {
        let message = UpstreamMessage { channel, payload };
        // Held to the end, so that what two connections bring stays in the order that it is let
        // through in.
        let mut crossing = self.around_moves.crossing.lock();
        match crossing.pass(self.number, message, Instant::now()) {
            Passage::Through(message) => self.offer(message),
            Passage::AllThrough(messages) => {
                messages.into_iter().for_each(|message| self.offer(message))
            }
            Passage::Waits => {}
            Passage::Again => self.around_moves.duplicates.inc(),
        }
        self.note_waiting(&crossing);
    }

    fn note_waiting(&self, crossing: &Crossing) {
        let waiting = i64::try_from(crossing.waiting()).unwrap_or(i64::MAX);
        self.around_moves.waiting.set(waiting);
    }

    fn offer(&self, UpstreamMessage { channel, payload }: UpstreamMessage) {
        // Subscribers hear that events come before they get one.
        self.begin_to_flow();
        self.intake.offer(channel, payload);
    }

    /// Tells subscribers that events may have gone by, of which nobody here knows.
    pub(super) fn may_have_missed(&self) {
        self.intake.note_lost(true);
        self.intake.note_lost(false);
    }

    /// The connection before this one brings nothing any more: what waited for it goes through.
    /// `lost` is whether it ended before its time, so that events may have gone by.
    pub(super) fn alone(&self, lost: bool) {
        let mut crossing = self.around_moves.crossing.lock();
        let waited = crossing.alone(Instant::now());
        self.note_waiting(&crossing);
        if lost {
            self.may_have_missed();
        }
        waited.into_iter().for_each(|message| self.offer(message));
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
