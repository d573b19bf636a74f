//! Messages that wait at an edge host until what is to be told before them is known: whatever an ingest
//! host says of itself, such as that events were lost, is written before it sends what came after.

use std::collections::HashMap;

use super::record::IngestRecord;
use crate::hub::RelayedMessage;

/// Bytes of messages that wait; over it they are dropped, and their numbers tell of them.
const MAX_HELD: usize = 16 << 20;

/// Messages before which something may have to be told, and all that came after them.
#[derive(Debug, Default)]
pub(super) struct HeldMessages {
    /// How often what each ingest host says has changed, as far as that is known.
    known: HashMap<String, u64>,
    /// Whose record is awaited, and of which count.
    awaited: Option<(String, u64)>,
    /// It was looked for already.
    looked: bool,
    messages: Vec<RelayedMessage>,
    bytes: usize,
}

/// What is to be done with messages that waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Release<M> {
    Deliver(Vec<M>),
    /// The record was not seen yet: records are to be read once more.
    LookAgain,
}

impl HeldMessages {
    /// A message has come that this ingest host sent when its record had changed so often.
    pub(super) fn note_sender(&mut self, instance: &str, changes: u64) {
        if self.known(instance) >= changes {
            return;
        }
        // Its next record is looked for anew; of two hosts each of which has none, neither is.
        self.looked &= match &self.awaited {
            Some((awaited, before)) => awaited != instance || *before >= changes,
            None => false,
        };
        self.awaited = Some((instance.to_owned(), changes));
    }

    fn known(&self, instance: &str) -> u64 {
        self.known.get(instance).copied().unwrap_or_default()
    }

    /// Has a message wait if a record is awaited, and gives it back if none is.
    pub(super) fn hold(&mut self, message: RelayedMessage) -> Option<RelayedMessage> {
        if self.awaited.is_none() {
            return Some(message);
        }
        if self.bytes + message.text.len() <= MAX_HELD {
            self.bytes += message.text.len();
            self.messages.push(message);
        }
        None
    }

    /// These records were read.
    pub(super) fn follow(&mut self, records: &[IngestRecord]) {
        let records = records.iter();
        let known = records.map(|record| (record.instance.clone(), record.changes));
        self.known = known.collect();
    }

    /// What the records say was told. Who waits for one that was not there waits for the next look,
    /// and no longer.
    pub(super) fn release(&mut self) -> Release<RelayedMessage> {
        if let Some((instance, changes)) = &self.awaited
            && self.known(instance) < *changes
            && !self.looked
        {
            self.looked = true;
            return Release::LookAgain;
        }
        (self.awaited, self.looked, self.bytes) = (None, false, 0);
        Release::Deliver(std::mem::take(&mut self.messages))
    }

    /// Nothing waits any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::metrics::Metrics;

    fn message(seq: u64, size: usize) -> RelayedMessage {
        RelayedMessage {
            channel: "ticks:A:bid".parse().unwrap(),
            seq,
            text: "x".repeat(size),
            received: Instant::now(),
            family: Metrics::new().family("ticks"),
            standing: None,
        }
    }

    fn record(instance: &str, changes: u64) -> IngestRecord {
        IngestRecord {
            host: "h".into(),
            instance: instance.into(),
            at: 0,
            changes,
            catalog: String::new(),
            catalog_since: 0,
            families: [].into(),
        }
    }

    fn numbers(release: Release<RelayedMessage>) -> Option<Vec<u64>> {
        match release {
            Release::Deliver(messages) => Some(messages.iter().map(|m| m.seq).collect()),
            Release::LookAgain => None,
        }
    }

    #[test]
    fn a_message_waits_for_the_record_that_was_written_before_it_and_others_behind_it() {
        let mut held = HeldMessages::default();
        held.follow(&[record("a", 3)]);
        held.note_sender("a", 3);
        assert!(held.hold(message(1, 1)).is_some(), "what it says is known");
        held.note_sender("a", 4);
        assert!(held.hold(message(2, 1)).is_none());
        held.note_sender("a", 3);
        assert!(held.hold(message(3, 1)).is_none(), "no message overtakes");
        held.follow(&[record("a", 4)]);
        assert_eq!(numbers(held.release()), Some(vec![2, 3]));
        assert!(held.hold(message(4, 1)).is_some());
    }

    #[test]
    fn a_record_that_never_comes_is_looked_for_twice_and_then_not_waited_for() {
        let mut held = HeldMessages::default();
        held.note_sender("gone", 1);
        assert!(held.hold(message(1, 1)).is_none());
        // A look that had begun before the message came.
        assert_eq!(numbers(held.release()), None);
        held.follow(&[record("a", 9)]);
        assert_eq!(numbers(held.release()), Some(vec![1]));
        assert_eq!(numbers(held.release()), Some(Vec::new()));
    }

    #[test]
    fn the_next_record_of_a_host_is_looked_for_anew_and_two_of_which_none_is_there_end_the_wait() {
        let mut held = HeldMessages::default();
        held.note_sender("a", 1);
        assert!(held.hold(message(1, 1)).is_none());
        assert_eq!(numbers(held.release()), None);
        held.note_sender("a", 2);
        held.follow(&[record("a", 1)]);
        assert_eq!(
            numbers(held.release()),
            None,
            "a look that had begun before"
        );
        held.follow(&[record("a", 2)]);
        assert_eq!(numbers(held.release()), Some(vec![1]));
        held.note_sender("b", 1);
        assert_eq!(numbers(held.release()), None);
        for _ in 0..2 {
            held.note_sender("c", 1);
            held.note_sender("b", 1);
        }
        assert_eq!(numbers(held.release()), Some(Vec::new()));
    }

    #[test]
    fn no_more_waits_than_the_bound() {
        let mut held = HeldMessages::default();
        held.note_sender("a", 1);
        for seq in 0..20 {
            assert!(held.hold(message(seq, MAX_HELD / 16)).is_none());
        }
        held.follow(&[record("a", 1)]);
        assert_eq!(numbers(held.release()).unwrap().len(), 16);
    }
}
