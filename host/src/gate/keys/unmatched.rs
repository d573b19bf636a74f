//! Keys that allow channels which no transform has: what is said about them, and how often.

use std::collections::BTreeSet;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::KeyRecord;
use crate::credentials::Credential;

/// How many keys are told of by name after a change; the rest by their number.
const MAX_TOLD: usize = 10;

/// A key in force with the patterns of it that match nothing, each with its reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Dead {
    pub key_id: String,
    pub key_name: String,
    pub reasons: Vec<String>,
}

/// The keys of `records` with patterns for which `why` has a reason.
pub fn unmatched(
    records: &[KeyRecord],
    now: Timestamp,
    why: impl Fn(&crate::channel::Pattern) -> Option<String>,
) -> Vec<Dead> {
    let in_force = records.iter().filter(|key| key.in_force(now));
    let dead = in_force.map(|key| Dead {
        key_id: key.id.clone(),
        key_name: key.name.clone(),
        reasons: key.channels.iter().flatten().filter_map(&why).collect(),
    });
    dead.filter(|key| !key.reasons.is_empty()).collect()
}

/// Which keys the log has warned of, so that it warns of each once for as long as nothing changes.
#[derive(Debug, Default)]
pub struct WarnedKeys(Mutex<BTreeSet<String>>);

impl WarnedKeys {
    /// Warns of the keys that are new among the `dead`.
    pub fn warn(&self, dead: &[Dead]) {
        let news = self.news(dead);
        for key in news.iter().take(MAX_TOLD) {
            let reasons = key.reasons.join("; ");
            tracing::warn!(
                key = key.key_id,
                reasons,
                "a key allows channels that no transform has"
            );
        }
        if let Some(more @ 1..) = news.len().checked_sub(MAX_TOLD) {
            tracing::warn!(
                more,
                "so do further keys; `tidegate serve --check` names them all"
            );
        }
    }

    fn news<'a>(&self, dead: &'a [Dead]) -> Vec<&'a Dead> {
        let now = dead.iter().map(|key| key.key_id.clone()).collect();
        let before = std::mem::replace(&mut *self.0.lock(), now);
        dead.iter()
            .filter(|key| !before.contains(&key.key_id))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, channels: &[&str]) -> KeyRecord {
        let channels = channels.iter().map(|text| text.parse().unwrap());
        KeyRecord {
            channels: Some(channels.collect()),
            ..KeyRecord::example(text)
        }
    }

    fn no_ticks(pattern: &crate::channel::Pattern) -> Option<String> {
        (pattern.family() == "ticks").then(|| format!("no {pattern}"))
    }

    #[test]
    fn only_keys_in_force_and_only_their_dead_patterns_are_named() {
        let now = Timestamp::now();
        let revoked = KeyRecord {
            revoked: Some(now),
            ..key("revoked", &["ticks:*"])
        };
        let expired = KeyRecord {
            expires: Some(now),
            ..key("expired", &["ticks:*"])
        };
        let records = [
            key("half", &["ticks:*", "trades:*"]),
            key("good", &["trades:*"]),
            KeyRecord::example("all"),
            revoked,
            expired,
        ];
        let dead = unmatched(&records, now, no_ticks);
        assert_eq!(
            dead,
            [Dead {
                key_id: "half".into(),
                key_name: "half".into(),
                reasons: vec!["no ticks:*".into()],
            }]
        );
    }

    #[test]
    fn a_key_is_told_of_once_until_it_was_mended() {
        let dead = |ids: &[&str]| {
            let records: Vec<_> = ids.iter().map(|id| key(id, &["ticks:*"])).collect();
            unmatched(&records, Timestamp::now(), no_ticks)
        };
        let warned = WarnedKeys::default();
        let news = |ids: &[&str]| {
            let dead = dead(ids);
            let news = warned.news(&dead);
            news.iter()
                .map(|key| key.key_id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(news(&["a"]), ["a"]);
        assert_eq!(news(&["a", "b"]), ["b"]);
        assert!(news(&["b"]).is_empty());
        assert_eq!(news(&["a", "b"]), ["a"]);
    }
}
