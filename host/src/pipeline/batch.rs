//! What a lane has made and not handed over yet.
//!
//! Receivers cost the hub less when messages come together. So a lane keeps them while more
//! events wait, and hands them over when there are enough, or have been for long enough, or as
//! soon as nothing more waits: one event alone is never held back.

use std::time::Duration;

use crate::hub::Message;

/// So much is kept at most: messages, their bytes, and the time of the calls since the first.
const MAX_MESSAGES: usize = 64;
const MAX_BYTES: usize = 64 << 10;
const MAX_TIME: Duration = Duration::from_millis(1);

/// Messages in the order of their events.
#[derive(Debug, Default)]
pub(super) struct Batch {
    messages: Vec<Message>,
    bytes: usize,
    time: Duration,
}

impl Batch {
    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.text.len();
        self.messages.push(message);
    }

    /// Notes that an event took so long. Whether what is here must go now.
    pub(super) fn is_full_after(&mut self, took: Duration) -> bool {
        if self.messages.is_empty() {
            return false;
        }
        self.time += took;
        self.messages.len() >= MAX_MESSAGES || self.bytes >= MAX_BYTES || self.time >= MAX_TIME
    }

    pub(super) fn take(&mut self) -> Vec<Message> {
        std::mem::take(self).messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many events that each make one message a batch is full.
    fn full_after(bytes: usize, took: Duration) -> usize {
        let mut batch = Batch::default();
        let full = (1..).find(|_| {
            batch.push(Message::example(bytes));
            batch.is_full_after(took)
        });
        let full = full.unwrap();
        assert_eq!(batch.take().len(), full);
        assert!(!batch.is_full_after(MAX_TIME), "it is empty now");
        full
    }

    #[test]
    fn each_bound_ends_a_batch() {
        let quick = Duration::from_micros(5);
        assert_eq!(full_after(100, quick), MAX_MESSAGES);
        assert_eq!(full_after(16 << 10, quick), 4);
        assert_eq!(full_after(100, MAX_TIME / 2), 2);
        assert_eq!(full_after(100, MAX_TIME), 1);
    }

    #[test]
    fn the_time_before_the_first_message_is_nobodys_wait() {
        let mut batch = Batch::default();
        assert!(!batch.is_full_after(MAX_TIME));
        batch.push(Message::example(1));
        assert!(!batch.is_full_after(Duration::from_micros(5)));
    }
}
