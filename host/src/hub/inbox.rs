//! What waits for a loop: messages, in one order for all loops, and orders to its sessions.
//!
//! Whoever puts something in never waits. A loop that does not come to take its messages is
//! owed the numbers of those that it did not get.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use mio::Waker;
use parking_lot::Mutex;

use super::doorbell::Doorbell;
use super::frame;
use super::held::{HeldMessage, Last, Shelf, Standing};
use super::log::ChannelId;
use super::message::Message;
use super::notice::{Availability, Reason};
use super::order::LoopOrder;
use crate::channel::Channel;
use crate::metrics::FamilyMetrics;

/// Messages that were published together; shared by all loops.
#[derive(Debug)]
pub(crate) struct FrameBatch {
    /// Their frames, one after the other.
    pub(crate) frames: Vec<u8>,
    pub(crate) messages: Vec<NumberedMessage>,
}

/// One message of a batch.
#[derive(Debug)]
pub(crate) struct NumberedMessage {
    pub(crate) channel: Channel,
    pub(crate) id: ChannelId,
    pub(crate) seq: u64,
    /// The first of the numbers right before it that never came to this host; none where it
    /// follows the last one.
    pub(crate) missing: Option<u64>,
    /// Where its frame ends; it begins where the one before ends.
    pub(crate) end: usize,
    pub(crate) received: Instant,
    pub(crate) family: Arc<FamilyMetrics>,
    /// None where its family keeps no last message.
    pub(crate) last: Option<Last>,
}

impl NumberedMessage {
    /// The frame, where it is held as a last message and so is not in the batch.
    fn held(&self) -> Option<&HeldMessage> {
        self.last.as_ref()?.held.as_deref()
    }
}

impl FrameBatch {
    /// An empty one, with room for so many bytes of frames and so many messages.
    pub(super) fn with_room(bytes: usize, messages: usize) -> Self {
        Self {
            frames: Vec::with_capacity(bytes),
            messages: Vec::with_capacity(messages),
        }
    }

    /// Adds a message, and its frame, which is held where its family has it so. `seq_text` goes
    /// to the head of its text; the number is that of its channel, its own, and the first that is
    /// missing before it.
    pub(super) fn add(
        &mut self,
        shelf: &mut Shelf,
        message: Message,
        seq_text: &str,
        (id, seq, missing): (ChannelId, u64, Option<u64>),
    ) {
        let start = self.frames.len();
        let (head, tail) = message.text.split_at(message.head);
        frame::write_text(&[head, seq_text, tail], &mut self.frames);
        let last = message.standing.map(|Standing { delivery, mark }| {
            let family = message.family.clone();
            let held = HeldMessage::new(&self.frames[start..], seq, family, mark);
            let held = shelf.hold(id, held);
            if held.is_some() {
                self.frames.truncate(start);
            }
            Last { delivery, held }
        });
        self.messages.push(NumberedMessage {
            channel: message.channel,
            id,
            seq,
            missing,
            end: self.frames.len(),
            received: message.received,
            family: message.family,
            last,
        });
    }

    /// The messages, each with its frame.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NumberedMessage, &[u8])> {
        let mut start = 0;
        self.messages.iter().map(move |message| {
            let frame = &self.frames[start..message.end];
            start = message.end;
            (message, message.held().map_or(frame, HeldMessage::in_order))
        })
    }

    /// Bytes of memory.
    pub(crate) fn cost(&self) -> usize {
        let held = self.messages.iter().filter_map(NumberedMessage::held);
        let held: usize = held.map(HeldMessage::size).sum();
        self.frames.len() + held + self.messages.len() * size_of::<NumberedMessage>()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Item {
    Batch(Arc<FrameBatch>),
    State(Arc<str>, Availability),
    /// Messages of a family were lost.
    Loss(Arc<str>, Reason),
    /// Some of the held messages were withdrawn, and need not be kept.
    Sweep,
    /// The last message of a channel that nobody here had asked for has this number.
    Number(Channel, ChannelId, u64),
}

/// Numbers of messages that were never put in, by channel.
pub(crate) type Passed = BTreeMap<ChannelId, PassedNumbers>;

#[derive(Debug)]
pub(crate) struct PassedNumbers {
    pub(crate) channel: Channel,
    /// The first and the last.
    pub(crate) range: (u64, u64),
    pub(crate) family: Arc<FamilyMetrics>,
    /// Of the newest message, when it came and what is held of it.
    pub(crate) received: Instant,
    pub(crate) last: Option<Last>,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    limit: usize,
    state: Mutex<InboxContent>,
    doorbell: Doorbell,
    /// There are orders.
    urgent: AtomicBool,
    /// Bytes of what the loop has taken and not published yet.
    taken: AtomicUsize,
    waker: Waker,
}

#[derive(Debug, Default)]
struct InboxContent {
    items: VecDeque<Item>,
    /// These numbers are newer than the items.
    passed: Passed,
    orders: Vec<LoopOrder>,
    /// Bytes of the items.
    bytes: usize,
}

impl Inbox {
    /// `limit` is in bytes.
    pub(crate) fn new(limit: usize, waker: Waker) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            doorbell: Doorbell::new(),
            urgent: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            waker,
        }
    }

    /// Puts an item in; the loop is to be woken afterwards.
    pub(crate) fn put(&self, item: &Item) {
        let mut state = self.state.lock();
        let InboxContent {
            items,
            passed,
            bytes,
            ..
        } = &mut *state;
        if let Item::Batch(batch) = item {
            let cost = batch.cost();
            if !passed.is_empty() || (*bytes > 0 && *bytes + cost > self.limit) {
                for message in &batch.messages {
                    let entry = passed.entry(message.id);
                    let entry = entry.or_insert_with(|| PassedNumbers {
                        channel: message.channel.clone(),
                        range: (message.missing.unwrap_or(message.seq), message.seq),
                        family: message.family.clone(),
                        received: message.received,
                        last: None,
                    });
                    entry.range.1 = message.seq;
                    (entry.received, entry.last) = (message.received, message.last.clone());
                }
                return;
            }
            *bytes += cost;
        }
        items.push_back(item.clone());
    }

    /// Gives an order, which is followed before any further message is sent.
    pub(crate) fn order(&self, order: LoopOrder) {
        self.state.lock().orders.push(order);
        self.urgent.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Wakes the loop if it sleeps.
    pub(crate) fn wake(&self) {
        self.doorbell.ring(|| {
            // It fails where the system has no memory left; the loop wakes by its timers.
            let _ = self.waker.wake();
        });
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Relaxed)
    }

    pub(crate) fn take_orders(&self) -> Vec<LoopOrder> {
        let mut state = self.state.lock();
        self.urgent.store(false, Ordering::SeqCst);
        std::mem::take(&mut state.orders)
    }

    /// The messages that wait, and the numbers of those that come after them and did not fit.
    pub(crate) fn take_messages(&self) -> (VecDeque<Item>, Passed) {
        let mut state = self.state.lock();
        let bytes = std::mem::take(&mut state.bytes);
        self.taken.store(bytes, Ordering::Relaxed);
        (
            std::mem::take(&mut state.items),
            std::mem::take(&mut state.passed),
        )
    }

    /// What was taken last is in the loop's log now.
    pub(crate) fn note_published(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// To be called before the loop sleeps; `false` where something waits already.
    pub(crate) fn may_sleep(&self) -> bool {
        self.doorbell.may_sleep(|| {
            let state = self.state.lock();
            state.items.is_empty() && state.passed.is_empty() && state.orders.is_empty()
        })
    }

    pub(crate) fn is_awake(&self) {
        self.doorbell.is_awake();
    }

    /// Bytes that wait, or are on their way into the log.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes + self.taken.load(Ordering::Relaxed)
    }
}
