//! From lanes to loops: each message gets its number, becomes a frame, and goes to all loops in
//! the same order. What sessions get of it is for the loops to say.
//!
//! `log` is what a loop keeps of it, `wheel` its deadlines, `inbox` the way to it.

#[doc(hidden)]
pub mod bench;
mod doorbell;
pub(crate) mod frame;
pub(crate) mod held;
pub(crate) mod inbox;
mod interest;
pub(crate) mod log;
mod message;
pub(crate) mod notice;
mod numbers;
pub(crate) mod order;
mod outbox;
mod relayed;
#[cfg(test)]
mod tests;
pub(crate) mod wheel;

/// What the doorbell is made of; where it is tried in every order, that is something else.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use self::held::Shelf;
pub use self::held::{MessageOrigin, OriginMark, Standing};
use self::inbox::{FrameBatch, Inbox, Item};
pub use self::interest::Interest;
pub use self::message::{Loss, Message, RelayedMessage};
use self::notice::{Availability, Reason};
pub use self::numbers::FamilyAccount;
use self::numbers::{LOSS_INTERVAL, Numbers};
pub(crate) use self::order::LoopOrder;
pub use self::order::{Listed, SessionAddress, SessionId};
pub use self::outbox::{EventIdentity, MessageIdentity, Outbox};
use crate::channel::Channel;
use crate::metrics::Metrics;

/// Where lanes publish, and where sessions are reached.
#[derive(Debug)]
pub struct Hub {
    /// Held while a message is put into all inboxes, so that its place is the same everywhere.
    numbers: Mutex<Numbers>,
    inboxes: Vec<Arc<Inbox>>,
    epoch: Mutex<Arc<str>>,
    /// Where messages go instead of to the loops; none where this host delivers them.
    outbox: Option<Arc<Outbox>>,
    next: AtomicU64,
    untold: Notify,
    metrics: Metrics,
}

impl Hub {
    /// Publishes to the loops with these inboxes, numbers at most `max_channels` channels, and
    /// holds at most `snapshot_size` bytes of their last messages.
    pub(crate) fn new(
        inboxes: Vec<Arc<Inbox>>,
        max_channels: usize,
        snapshot_size: usize,
        metrics: Metrics,
    ) -> Self {
        for reason in Reason::ALL {
            metrics.stream.gaps.with_label_values(&[reason.word()]);
        }
        Self {
            numbers: Mutex::new(Numbers::new(
                max_channels,
                Shelf::new(snapshot_size, &metrics.stream),
            )),
            inboxes,
            epoch: Mutex::new(format!("{:016x}", getrandom::u64().unwrap_or_default()).into()),
            outbox: None,
            next: AtomicU64::new(1),
            untold: Notify::new(),
            metrics,
        }
    }

    /// The hub of an ingest host, which numbers and delivers nothing itself.
    pub fn handing_on(self, outbox: Arc<Outbox>) -> Self {
        Self {
            outbox: Some(outbox),
            ..self
        }
    }

    /// Where messages go instead of to the loops; none where this host delivers them.
    pub fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.outbox.as_ref()
    }

    /// What numbers are to be compared within: another one after each start, or that of the relay.
    pub fn epoch(&self) -> Arc<str> {
        self.epoch.lock().clone()
    }

    /// Gives each message its number and all loops the frames, and waits for none of them.
    pub fn publish(&self, messages: Vec<Message>) {
        if let Some(outbox) = &self.outbox {
            for family in outbox.put(messages) {
                self.note_loss(&family, Loss::Transform);
            }
            return;
        }
        let bytes = messages.iter().map(|message| message.text.len() + 40);
        let mut batch = FrameBatch::with_room(bytes.sum(), messages.len());
        let mut unnumbered: Vec<String> = Vec::new();
        let mut numbers = self.numbers.lock();
        for message in messages {
            let Some((id, seq)) = numbers.next(&message.channel) else {
                unnumbered.push(self.note_full(&numbers, &message.channel));
                continue;
            };
            let seq_text = format!(",\"seq\":{seq}");
            batch.add(&mut numbers.shelf, message, &seq_text, (id, seq, None));
        }
        self.put_batch(&mut numbers, batch, &unnumbered);
        drop(numbers);
        self.wake();
    }

    /// Puts a batch before all loops, and tells of the families of messages that have no place in
    /// it. To be called with `numbers` locked.
    fn put_batch(&self, numbers: &mut Numbers, batch: FrameBatch, unnumbered: &[String]) {
        let channels = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        self.metrics.stream.channels.set(channels);
        if !batch.messages.is_empty() {
            self.put(&Item::Batch(Arc::new(batch)));
        }
        for family in unnumbered {
            self.lose(numbers, family, Loss::Transform);
        }
    }

    /// Counts a message whose channel is one too many, and gives its family.
    fn note_full(&self, numbers: &Numbers, channel: &Channel) -> String {
        if self.metrics.stream.channels_full.get() == 0 {
            tracing::warn!(
                channels = numbers.len(),
                "messages of further channels are not sent: raise max-channels, or look for a transform whose channels have no end"
            );
        }
        self.metrics.stream.channels_full.inc();
        channel.as_pattern().family().to_owned()
    }

    /// Lets go of the last messages that were withdrawn: they are not given out from then on,
    /// and from here on they take no room either.
    pub fn sweep(&self) {
        let mut numbers = self.numbers.lock();
        numbers.shelf.sweep();
        self.put(&Item::Sweep);
        drop(numbers);
        self.note_change();
        self.wake();
    }

    /// Notes that an event of the family was lost; its subscribers are told. May be called for
    /// each of many events.
    pub fn note_loss(&self, family: &str, loss: Loss) {
        self.lose(&mut self.numbers.lock(), family, loss);
        self.wake();
    }

    /// Edge hosts are to hear of a family.
    fn note_change(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.note_change();
        }
    }

    fn lose(&self, numbers: &mut Numbers, family: &str, loss: Loss) {
        if numbers.lose(family, loss, Instant::now()) {
            self.put_loss(family.into(), Reason::Transform);
            self.note_change();
        } else if loss == Loss::Transform {
            self.untold.notify_one();
        }
    }

    /// Tells subscribers of losses that were too close to the one told before. Runs for as long
    /// as the host does.
    pub async fn tell_losses(&self) {
        loop {
            self.untold.notified().await;
            tokio::time::sleep(LOSS_INTERVAL).await;
            let mut numbers = self.numbers.lock();
            for family in numbers.take_untold(Instant::now()) {
                self.put_loss(family.into(), Reason::Transform);
            }
            if numbers.has_untold() {
                self.untold.notify_one();
            }
            drop(numbers);
            self.wake();
        }
    }

    /// Notes that a family is paused or goes on, and tells its subscribers.
    pub fn set_paused(&self, family: &str, paused: bool) {
        let mut numbers = self.numbers.lock();
        let change = numbers.set_paused(family, paused);
        self.tell(family, change, Reason::Paused);
    }

    /// Notes that a family's upstream is away or back, and tells its subscribers.
    pub fn set_stale(&self, family: &str, stale: bool) {
        let mut numbers = self.numbers.lock();
        let change = numbers.set_stale(family, stale);
        self.tell(family, change, Reason::Upstream);
    }

    /// To be called with `numbers` locked.
    fn tell(&self, family: &str, (state, lost): (Option<Availability>, bool), reason: Reason) {
        let family: Arc<str> = family.into();
        if let Some(state) = state {
            self.put(&Item::State(family.clone(), state));
        }
        if lost {
            self.put_loss(family, reason);
        }
        self.note_change();
        self.wake();
    }

    fn put_loss(&self, family: Arc<str>, reason: Reason) {
        self.metrics
            .stream
            .gaps
            .with_label_values(&[reason.word()])
            .inc();
        self.put(&Item::Loss(family, reason));
    }

    fn put(&self, item: &Item) {
        self.inboxes.iter().for_each(|inbox| inbox.put(item));
    }

    fn wake(&self) {
        self.inboxes.iter().for_each(|inbox| inbox.wake());
    }

    /// A number for a new session, and the loop that it will be of.
    pub fn address(&self) -> SessionAddress {
        let id = SessionId(self.next.fetch_add(1, Ordering::Relaxed));
        SessionAddress::new(id, self.inbox_of(id).clone())
    }

    fn inbox_of(&self, id: SessionId) -> &Arc<Inbox> {
        &self.inboxes[id.place(self.inboxes.len())]
    }

    /// Gives every loop an order.
    pub(crate) fn order(&self, mut order: impl FnMut() -> LoopOrder) {
        self.inboxes.iter().for_each(|inbox| inbox.order(order()));
    }

    /// All live sessions, oldest first.
    pub async fn sessions(&self) -> Vec<Listed> {
        let mut answers = Vec::new();
        self.order(|| {
            let (answer, listed) = oneshot::channel();
            answers.push(listed);
            LoopOrder::List(answer)
        });
        let mut sessions = Vec::new();
        for listed in answers {
            sessions.extend(listed.await.unwrap_or_default());
        }
        sessions.sort_unstable_by_key(|session: &Listed| session.id);
        sessions
    }

    /// Has all that sessions were sent counted for their keys.
    pub async fn count_usage(&self) {
        let mut answers = Vec::new();
        self.order(|| {
            let (answer, counted) = oneshot::channel();
            answers.push(counted);
            LoopOrder::Count(answer)
        });
        for counted in answers {
            // A loop that began anew has let go of its sessions, and counted them.
            let _ = counted.await;
        }
    }

    /// Ends a session on behalf of an operator, and says which it was; `None` where there is
    /// no live one of that number.
    pub async fn close(&self, id: u64) -> Option<Listed> {
        let id = SessionId(id);
        let (answer, closed) = oneshot::channel();
        self.inbox_of(id).order(LoopOrder::Close(id, answer));
        closed.await.ok()
    }

    /// With inboxes that nobody takes from.
    #[cfg(test)]
    pub(crate) fn with_loops(count: usize) -> Arc<Self> {
        let inboxes = (0..count).map(|_| Arc::new(tests::unattended(1 << 20)));
        Arc::new(Self::new(inboxes.collect(), 1_000, 1 << 20, Metrics::new()))
    }

    /// Bytes that wait for all loops.
    pub fn inbox_bytes(&self) -> usize {
        self.inboxes.iter().map(|inbox| inbox.bytes()).sum()
    }
}
