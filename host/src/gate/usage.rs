//! How many messages and bytes each key and subject was sent on which day, until it is written down.
//! Sessions bring what they were sent a few times a minute, so that sending itself stays cheap.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

use super::Grant;
use super::fleet_limits::OwnerName;
use crate::metrics::UsageMetrics;

/// What all those are counted as that are beyond the bound.
pub const OTHERS: &str = "*";

/// What somebody was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageCount {
    pub messages: u64,
    pub bytes: u64,
}

impl UsageCount {
    pub(crate) fn add(&mut self, more: Self) {
        self.messages = self.messages.saturating_add(more.messages);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// What one key or subject was sent on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEntry {
    pub day: Date,
    pub key: String,
    pub count: UsageCount,
}

/// What is counted and not written down yet.
#[derive(Debug)]
pub struct UsageBook {
    pending: Mutex<HashMap<(Date, String), UsageCount>>,
    max_keys: usize,
    metrics: UsageMetrics,
}

impl UsageBook {
    /// At most `max_keys` keys are told apart.
    pub fn new(max_keys: usize, metrics: UsageMetrics) -> Self {
        Self {
            pending: Mutex::default(),
            max_keys,
            metrics,
        }
    }

    /// Notes what was sent to sessions with these rights, for today.
    pub(crate) fn note(&self, sent: impl IntoIterator<Item = (Arc<Grant>, UsageCount)>) {
        self.note_on(today(), sent);
    }

    fn note_on(&self, day: Date, sent: impl IntoIterator<Item = (Arc<Grant>, UsageCount)>) {
        let mut pending = self.pending.lock();
        for (grant, count) in sent {
            let entry = (day, usage_name(&grant));
            let is_new = !pending.contains_key(&entry);
            let entry = if is_new && pending.len() >= self.max_keys {
                self.metrics.lumped.inc_by(count.messages);
                (day, OTHERS.to_owned())
            } else {
                entry
            };
            pending.entry(entry).or_default().add(count);
        }
        self.show(pending.len());
    }

    /// Takes at most so many entries, to be written down.
    pub fn take(&self, most: usize) -> Vec<UsageEntry> {
        let mut pending = self.pending.lock();
        let keys: Vec<_> = pending.keys().take(most).cloned().collect();
        let entries = keys.into_iter().filter_map(|(day, key)| {
            let entry = (day, key);
            let count = pending.remove(&entry)?;
            let (day, key) = entry;
            Some(UsageEntry { day, key, count })
        });
        let entries = entries.collect();
        self.show(pending.len());
        entries
    }

    fn show(&self, waiting: usize) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.metrics.waiting.set(waiting);
    }
}

/// The day by UTC.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// What a key's usage stands under: its id. Of a subject of signed tokens, a digest.
fn usage_name(grant: &Grant) -> String {
    if grant.is_signed {
        OwnerName::of_subject(&grant.key_id).to_string()
    } else {
        grant.key_id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::keys::KeyRecord;
    use crate::metrics::Metrics;

    fn sent(key: &str, messages: u64) -> (Arc<Grant>, UsageCount) {
        let grant = Grant::of(&KeyRecord::example(key));
        let bytes = 10 * messages;
        (Arc::new(grant), UsageCount { messages, bytes })
    }

    fn counts(mut entries: Vec<UsageEntry>) -> Vec<(String, String, u64, u64)> {
        entries.sort_by(|a, b| (a.day, &a.key).cmp(&(b.day, &b.key)));
        let count = |entry: UsageEntry| {
            let UsageCount { messages, bytes } = entry.count;
            (entry.day.to_string(), entry.key, messages, bytes)
        };
        entries.into_iter().map(count).collect()
    }

    #[test]
    fn what_was_sent_is_counted_by_key_and_day_and_beyond_the_bound_together() {
        let metrics = Metrics::new();
        let book = UsageBook::new(3, metrics.usage.clone());
        let days = ["2026-03-01", "2026-03-02"].map(|day| day.parse::<Date>().unwrap());
        book.note_on(days[0], [sent("a", 1), sent("b", 2), sent("a", 3)]);
        book.note_on(days[1], [sent("a", 5), sent("b", 7), sent("c", 8)]);
        let day = |day: &str, key: &str, messages| {
            (day.to_owned(), key.to_owned(), messages, 10 * messages)
        };
        assert_eq!(metrics.usage.waiting.get(), 4);
        assert_eq!(metrics.usage.lumped.get(), 15);
        assert_eq!(
            counts(book.take(10)),
            [
                day("2026-03-01", "a", 4),
                day("2026-03-01", "b", 2),
                day("2026-03-02", "*", 15),
                day("2026-03-02", "a", 5),
            ]
        );
        assert!(book.take(10).is_empty());
        book.note_on(days[0], [sent("a", 1), sent("b", 2)]);
        assert_eq!((book.take(1).len(), book.take(9).len()), (1, 1));
    }

    #[test]
    fn a_subject_of_signed_tokens_stands_under_a_digest() {
        let mut grant = Grant::of(&KeyRecord::example("ann"));
        assert_eq!(usage_name(&grant), "ann");
        grant.is_signed = true;
        let name = usage_name(&grant);
        assert!(name.len() == 32 && !name.contains("ann"), "{name}");
    }
}
