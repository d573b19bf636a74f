//! The log of a loop with sessions and without sockets, for the micro-benchmarks in `benches`:
//! what publishing and flushing cost before the kernel is asked.

use std::time::Instant;

use super::log::{ChannelId, FamilyId, Log, LogMessage, SendPlan, SessionKey, changes, trimming};
use crate::channel::{Channel, Pattern};

/// As many bytes of what sessions missed as a loop allows by default.
const MISSED: usize = 16 << 20;

/// Slices and bytes of one write, as a loop has them.
const BOUNDS: (usize, usize) = (1024, 1 << 20);

/// Sessions that take everything at once.
#[derive(Debug)]
pub struct Crowd {
    log: Log,
    seq: u64,
    keys: Vec<SessionKey>,
    plan: SendPlan,
}

impl Crowd {
    /// A crowd without sessions.
    pub fn empty() -> Self {
        Self {
            log: Log::new(MISSED),
            seq: 0,
            keys: Vec::new(),
            plan: SendPlan::default(),
        }
    }

    /// Adds a session with these subscriptions.
    pub fn enter(&mut self, patterns: &[Pattern]) {
        let key = self.log.enter();
        changes::subscribe(&mut self.log, key, patterns);
        self.log.set_ready(key);
    }

    /// Publishes a message of the channel that has the number `place`.
    pub fn publish(&mut self, channel: &Channel, place: u32, frame: &[u8]) {
        self.seq += 1;
        let message = LogMessage {
            name: channel,
            id: ChannelId(place),
            seq: self.seq,
            family: FamilyId(0),
            received: Instant::now(),
            last: None,
        };
        self.log.publish(message, frame);
    }

    /// Sends all sessions all that waits, and says how many frames they took together.
    pub fn flush(&mut self) -> usize {
        let mut taken = 0;
        while let Some(view) = self.log.next_view() {
            self.log.take_due(view, 256, &mut self.keys);
            let mut rest = &self.keys[..];
            while let Some(position) = rest
                .first()
                .and_then(|first| self.log.position(*first, view))
            {
                self.log.plan(view, position, BOUNDS, &mut self.plan);
                let same = |key: &&SessionKey| self.log.position(**key, view) == Some(position);
                let (here, after) = rest.split_at(rest.iter().take_while(same).count());
                for key in here {
                    self.log.advance(*key, self.plan.frames);
                    taken += self.plan.frames;
                }
                if !self.log.is_end(view, position + self.plan.frames as u64) {
                    self.log.make_due(view, 0);
                }
                rest = after;
            }
        }
        trimming::settle(&mut self.log, false);
        taken
    }
}
