//! The last message of a channel, kept for whoever is owed it: a client that has just come, or
//! one that is so far behind that the log has it no more.
//!
//! It is given out for as long as the revision that made it stands by it. One that was withdrawn
//! or paused does not, from that moment on and wherever its messages wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntCounter, IntGauge};

use super::log::ChannelId;
use crate::metrics::{FamilyMetrics, StreamMetrics};
use crate::transform::Delivery;

/// What an entry takes of memory beside its frame, in bytes, more or less.
const ENTRY_COST: usize = 160;

/// This bit is set while the origin stands by what it makes; the others count how often it was
/// withdrawn.
const STANDS: u64 = 1;
const NEXT_TIME: u64 = 2;

/// A revision at work, as far as its last messages are concerned.
#[derive(Debug)]
pub struct MessageOrigin {
    state: AtomicU64,
    /// The revision, as other hosts know it too.
    revision: String,
}

/// What a message is marked with when it is made.
#[derive(Debug, Clone)]
pub struct OriginMark {
    origin: Arc<MessageOrigin>,
    time: u64,
}

impl Default for MessageOrigin {
    fn default() -> Self {
        Self::of(String::new())
    }
}

impl MessageOrigin {
    /// Of this revision.
    pub fn of(revision: String) -> Self {
        Self {
            state: AtomicU64::new(STANDS),
            revision,
        }
    }

    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// From now on nothing that was made before is given out again, nor what is made until it
    /// is restored.
    pub fn withdraw(&self) {
        let withdrawn = |time: u64| Some((time & !STANDS) + NEXT_TIME);
        // It does not fail, as there is always a next time.
        let _ = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, withdrawn);
    }

    /// What is made from now on is given out again.
    pub fn restore(&self) {
        self.state.fetch_or(STANDS, Ordering::SeqCst);
    }

    pub fn mark(self: &Arc<Self>) -> OriginMark {
        OriginMark {
            origin: self.clone(),
            time: self.state.load(Ordering::SeqCst),
        }
    }
}

impl OriginMark {
    /// The revision, and a number that changes with each withdrawal and each return.
    pub(crate) fn version(&self) -> (&str, u64) {
        (&self.origin.revision, self.time)
    }

    /// Whether it stands by what has this mark.
    pub(crate) fn stands(&self) -> bool {
        self.time & STANDS == STANDS && self.origin.state.load(Ordering::SeqCst) == self.time
    }
}

/// How a message is delivered whose channel's last one is of use later, and who answers for it.
#[derive(Debug, Clone)]
pub struct Standing {
    pub delivery: Delivery,
    pub mark: OriginMark,
}

/// One message as it went out.
pub(crate) struct HeldMessage {
    frame: Box<[u8]>,
    pub(crate) seq: u64,
    family: Arc<FamilyMetrics>,
    mark: OriginMark,
}

impl HeldMessage {
    pub(crate) fn new(
        frame: &[u8],
        seq: u64,
        family: Arc<FamilyMetrics>,
        mark: OriginMark,
    ) -> Self {
        Self {
            frame: frame.into(),
            seq,
            family,
            mark,
        }
    }

    /// The frame, for sessions that get it in order with the rest.
    pub(super) fn in_order(&self) -> &[u8] {
        &self.frame
    }

    /// The frame, for those who get it later; none once it was withdrawn.
    pub(crate) fn again(&self) -> Option<&[u8]> {
        self.mark.stands().then_some(&*self.frame)
    }

    /// Bytes of the frame.
    pub(crate) fn bytes(&self) -> u64 {
        self.frame.len() as u64
    }

    /// Counts that a session was given the frame again.
    pub(crate) fn note_given(&self) {
        self.family.note_sent(1, self.frame.len() as u64);
    }

    pub(super) fn size(&self) -> usize {
        self.frame.len() + ENTRY_COST
    }
}

/// Shows sizes only, so that no message reaches a log by way of `{:?}`.
impl fmt::Debug for HeldMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldMessage")
            .field("seq", &self.seq)
            .field("bytes", &self.frame.len())
            .finish_non_exhaustive()
    }
}

/// What a message says of the last message of its channel; all loops share it.
#[derive(Debug, Clone)]
pub(crate) struct Last {
    pub(crate) delivery: Delivery,
    /// None where there was no room.
    pub(crate) held: Option<Arc<HeldMessage>>,
}

/// All that is held, by channel.
#[derive(Debug)]
pub(super) struct Shelf {
    /// In bytes.
    limit: usize,
    bytes: usize,
    by_channel: Vec<Option<Arc<HeldMessage>>>,
    gauge: IntGauge,
    unheld: IntCounter,
}

impl Shelf {
    pub(super) fn new(limit: usize, metrics: &StreamMetrics) -> Self {
        Self {
            limit,
            bytes: 0,
            by_channel: Vec::new(),
            gauge: metrics.held_bytes.clone(),
            unheld: metrics.unheld.clone(),
        }
    }

    /// Holds the last message of a channel in the place of the one before. What was withdrawn
    /// meanwhile is not held, nor what there is no room for.
    pub(super) fn hold(
        &mut self,
        channel: ChannelId,
        held: HeldMessage,
    ) -> Option<Arc<HeldMessage>> {
        let at = channel.0 as usize;
        if self.by_channel.len() <= at {
            self.by_channel.resize(at + 1, None);
        }
        self.bytes -= self.by_channel[at].take().map_or(0, |held| held.size());
        if held.again().is_some() {
            if self.bytes + held.size() <= self.limit {
                self.bytes += held.size();
                self.by_channel[at] = Some(Arc::new(held));
            } else {
                self.note_unheld();
            }
        }
        self.show();
        self.by_channel[at].clone()
    }

    fn note_unheld(&self) {
        if self.unheld.get() == 0 {
            tracing::warn!(
                bytes = self.bytes,
                "the last messages of further channels are not held: raise snapshot-size"
            );
        }
        self.unheld.inc();
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.by_channel.clear();
        self.bytes = 0;
        self.show();
    }

    /// Lets go of what was withdrawn.
    pub(super) fn sweep(&mut self) {
        for held in &mut self.by_channel {
            if let Some(gone) = held.take_if(|held| held.again().is_none()) {
                self.bytes -= gone.size();
            }
        }
        self.show();
    }

    fn show(&self) {
        self.gauge
            .set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn held(len: usize, origin: &Arc<MessageOrigin>, metrics: &Metrics) -> HeldMessage {
        HeldMessage::new(&vec![b'x'; len], 1, metrics.family("t"), origin.mark())
    }

    #[test]
    fn what_was_made_before_a_pause_or_in_it_is_never_given_out_again() {
        let (origin, metrics) = (Arc::new(MessageOrigin::default()), Metrics::new());
        let before = held(1, &origin, &metrics);
        assert!(before.again().is_some());
        origin.withdraw();
        let meanwhile = held(1, &origin, &metrics);
        let given = || [&before, &meanwhile].map(|held| held.again().is_some());
        assert_eq!(given(), [false; 2]);
        origin.restore();
        assert_eq!(given(), [false; 2]);
        let after = held(1, &origin, &metrics);
        assert!(after.again().is_some());
        origin.restore();
        assert!(after.again().is_some());
    }

    #[test]
    fn the_bound_is_kept_and_what_is_beyond_it_is_counted_and_not_held() {
        let (origin, metrics) = (Arc::new(MessageOrigin::default()), Metrics::new());
        let mut shelf = Shelf::new(2 * (100 + ENTRY_COST), &metrics.stream);
        let mut hold = |channel, len| {
            let held = shelf.hold(ChannelId(channel), held(len, &origin, &metrics));
            let bytes = metrics.stream.held_bytes.get();
            (held.is_some(), usize::try_from(bytes).unwrap())
        };
        let entry = |len| len + ENTRY_COST;
        assert_eq!(hold(0, 100), (true, entry(100)));
        assert_eq!(hold(2, 100), (true, 2 * entry(100)));
        assert_eq!(hold(1, 0), (false, 2 * entry(100)));
        assert_eq!(metrics.stream.unheld.get(), 1);
        // A newer one that is larger: the older is not the last any more.
        assert_eq!(hold(2, 101), (false, entry(100)));
        assert_eq!(hold(1, 100), (true, 2 * entry(100)));
        assert_eq!(metrics.stream.unheld.get(), 2);
        origin.withdraw();
        assert_eq!(hold(0, 100), (false, entry(100)));
        shelf.sweep();
        assert_eq!(metrics.stream.held_bytes.get(), 0);
        assert_eq!(metrics.stream.unheld.get(), 2, "what was withdrawn is none");
    }
}
