//! Messages that another host has numbered: an edge host takes the numbers as they are, and tells
//! of those that never came.

use tokio::sync::oneshot;

use super::inbox::{FrameBatch, Item};
use super::message::RelayedMessage;
use super::numbers::{FamilyAccount, Placed};
use super::{Hub, LoopOrder};
use crate::channel::{Channel, Pattern};

impl Hub {
    /// Gives all loops the frames of these messages. One that came before is left out, and numbers
    /// that are missing before one are told, as the relay is all that could bring them.
    pub fn deliver(&self, messages: Vec<RelayedMessage>) {
        let bytes = messages.iter().map(|message| message.text.len() + 10);
        let mut batch = FrameBatch::with_room(bytes.sum(), messages.len());
        let mut unnumbered = Vec::new();
        let mut numbers = self.numbers.lock();
        for message in messages {
            let seq = message.seq;
            let (id, missing) = match numbers.place(&message.channel, seq) {
                Placed::Next { id, missing } => (id, missing),
                Placed::Known => continue,
                Placed::Full => {
                    unnumbered.push(self.note_full(&numbers, &message.channel));
                    continue;
                }
            };
            if let Some(first) = missing {
                self.metrics.relay.missed.inc_by(seq - first);
            }
            batch.add(&mut numbers.shelf, message.into(), "", (id, seq, missing));
        }
        self.put_batch(&mut numbers, batch, &unnumbered);
        drop(numbers);
        self.wake();
    }

    /// What was published of a channel so far was for nobody here; `seq` was its last number. The
    /// answer is `false` where it would be one channel too many.
    pub fn set_number(&self, channel: &Channel, seq: u64) -> bool {
        let mut numbers = self.numbers.lock();
        let Some(id) = numbers.set(channel, seq) else {
            return false;
        };
        self.put(&Item::Number(channel.clone(), id, seq));
        drop(numbers);
        self.wake();
        true
    }

    /// The number of the channel's last message; none where there was none here.
    pub fn number(&self, channel: &Channel) -> Option<u64> {
        self.numbers.lock().last(channel)
    }

    /// The numbers of all channels begin anew, within this epoch. Sessions end: what they have
    /// seen cannot be compared with what comes.
    pub fn begin_anew(&self, epoch: &str) {
        let mut numbers = self.numbers.lock();
        numbers.begin_anew();
        *self.epoch.lock() = epoch.into();
        self.order(|| LoopOrder::Renumbered);
    }

    /// Takes the relay's epoch, where nobody has seen a number yet.
    pub fn set_epoch(&self, epoch: &str) {
        *self.epoch.lock() = epoch.into();
    }

    /// What edge hosts are to know of a family.
    pub fn account(&self, family: &str) -> FamilyAccount {
        self.numbers.lock().account(family)
    }

    /// The patterns that sessions hold.
    pub async fn patterns(&self) -> Vec<Pattern> {
        let mut answers = Vec::new();
        self.order(|| {
            let (answer, patterns) = oneshot::channel();
            answers.push(patterns);
            LoopOrder::Patterns(answer)
        });
        let mut patterns = Vec::new();
        for held in answers {
            patterns.extend(held.await.unwrap_or_default());
        }
        patterns
    }

    /// Has sessions answered whose requests waited for the relay.
    pub fn answer(&self) {
        self.order(|| LoopOrder::Answer);
    }
}
