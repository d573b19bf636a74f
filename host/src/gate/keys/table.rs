//! Keys that come one by one from where many hosts read them: which are known, and what a change
//! means for the gate. Each is read as strictly as one of a file; one that cannot be read changes
//! nothing of the key that it is of.

use std::collections::{BTreeSet, HashMap};

use super::KeyRecord;
use crate::credentials::is_id;

/// The most keys that are followed.
pub const MAX_KEYS: usize = 1_000_000;

/// The known keys, those that are not in force included.
#[derive(Debug, Default)]
pub struct KeyTable {
    digests: HashMap<String, [u8; 32]>,
    /// By the first bytes of the digest.
    ids: HashMap<[u8; 32], String>,
    /// Those whose record cannot be used.
    unusable: BTreeSet<String>,
}

/// What is to become of keys.
#[derive(Debug, Default)]
pub struct KeyChange {
    /// Digests that no key has any more.
    pub gone: Vec<[u8; 32]>,
    pub records: Vec<KeyRecord>,
    /// What cannot be used, in words that show nothing of it.
    pub faults: Vec<String>,
}

impl KeyTable {
    /// How many there are.
    pub fn known(&self) -> usize {
        self.digests.len()
    }

    /// How many records cannot be used.
    pub fn unusable(&self) -> usize {
        self.unusable.len()
    }

    /// Takes in records as they stand now, each beside the id that it stands under; none where it
    /// is gone.
    pub fn take(&mut self, texts: Vec<(String, Option<String>)>) -> KeyChange {
        let mut change = KeyChange::default();
        for (id, text) in texts {
            self.unusable.remove(&id);
            let Some(text) = text else {
                if let Some(digest) = self.digests.remove(&id) {
                    self.ids.remove(&digest);
                    change.gone.push(digest);
                }
                continue;
            };
            match self.read(&id, &text) {
                Ok(record) => {
                    let before = self.digests.insert(id.clone(), record.sha256);
                    if let Some(before) = before.filter(|before| *before != record.sha256) {
                        self.ids.remove(&before);
                        change.gone.push(before);
                    }
                    self.ids.insert(record.sha256, id);
                    change.records.push(record);
                }
                Err(why) => {
                    let shown = if is_id(&id) { &id } else { "of no allowed id" };
                    change.faults.push(format!("key {shown}: {why}"));
                    if self.unusable.len() < MAX_KEYS {
                        self.unusable.insert(id);
                    }
                }
            }
        }
        change
    }

    fn read(&self, id: &str, text: &str) -> Result<KeyRecord, String> {
        let record: KeyRecord = serde_json::from_str(text).map_err(|error| {
            // What serde says by itself quotes what it found.
            let text = error.to_string();
            let text = text
                .rsplit_once(" at line ")
                .map_or(&*text, |(text, _)| text);
            let ours = ["`", "missing field `", "duplicate field `"];
            match ours.iter().any(|start| text.starts_with(start)) {
                true => text.to_owned(),
                false => "it is no record of a key".to_owned(),
            }
        })?;
        if record.id != id {
            return Err("its record is that of another id".to_owned());
        }
        if self
            .ids
            .get(&record.sha256)
            .is_some_and(|known| known != id)
        {
            return Err("`sha256` must not be that of another key".to_owned());
        }
        if self.digests.len() >= MAX_KEYS && !self.digests.contains_key(id) {
            return Err(format!("there are more than {MAX_KEYS}"));
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, key: &str) -> (String, Option<String>) {
        let record = KeyRecord {
            id: id.to_owned(),
            ..KeyRecord::example(key)
        };
        let text = serde_json::to_string(&record).unwrap();
        (id.to_owned(), Some(text))
    }

    fn ids(change: &KeyChange) -> Vec<&str> {
        change.records.iter().map(|record| &*record.id).collect()
    }

    #[test]
    fn what_is_new_changed_or_gone_is_told_to_the_gate() {
        let mut table = KeyTable::default();
        let change = table.take(vec![text("a", "x"), text("b", "y")]);
        assert_eq!((ids(&change), change.gone.len()), (vec!["a", "b"], 0));
        let change = table.take(vec![text("a", "z"), ("b".to_owned(), None)]);
        assert_eq!(ids(&change), ["a"]);
        assert_eq!(
            change.gone,
            [super::super::digest("x"), super::super::digest("y")]
        );
        assert_eq!(table.known(), 1);
        let change = table.take(vec![text("c", "x")]);
        assert!(change.faults.is_empty(), "that digest is free again");
    }

    #[test]
    fn a_record_that_cannot_be_used_changes_nothing_and_shows_nothing() {
        let mut table = KeyTable::default();
        table.take(vec![text("a", "x")]);
        let broken = |text: &str| ("a".to_owned(), Some(text.to_owned()));
        let (_, good) = text("a", "x");
        let good = good.unwrap();
        for (record, words) in [
            (broken("tdg_secret"), "no record"),
            (broken("{}"), "missing field `id`"),
            (
                broken(&good.replace("\"max_connections\":5", "\"max_connections\":0")),
                "`max_connections` must",
            ),
            (
                broken(&good.replace("\"id\":\"a\"", "\"id\":\"b\"")),
                "another id",
            ),
            (
                broken(&good.replace("{", "{\"tdg_secret\":1,")),
                "no record",
            ),
            (
                (
                    "b".to_owned(),
                    Some(good.replace("\"id\":\"a\"", "\"id\":\"b\"")),
                ),
                "another key",
            ),
            (
                ("tdg secret".to_owned(), Some("{}".to_owned())),
                "of no allowed id",
            ),
        ] {
            let change = table.take(vec![record]);
            assert!(change.records.is_empty() && change.gone.is_empty());
            assert!(change.faults[0].contains(words), "{:?}", change.faults);
            assert!(!change.faults[0].contains("secret"), "{:?}", change.faults);
        }
        assert_eq!(table.unusable(), 3);
        let change = table.take(vec![text("a", "x")]);
        assert_eq!((ids(&change), table.unusable()), (vec!["a"], 2));
    }
}
