//! The door: who may come in, with which rights, and how many at a time.
//!
//! It is asked once for each connection. What it gives is a permit, which returns its place
//! when it is dropped, by whichever way a session ends. A change of the keys reaches live
//! sessions through the permit's grant.

pub mod keys;
pub mod origin;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use subtle::ConstantTimeEq;
use tokio::sync::watch as watched;

use self::keys::KeyRecord;
use crate::channel::Pattern;
use crate::credentials::Credential;

/// How often the clock is held against the keys' ends. Wall-clock time is what an end is
/// stated in, so a clock that is set is seen as soon.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why somebody is turned away, after the upgrade, so that browsers can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    KeyRequired,
    /// Also the end of a live session whose key was revoked or has expired.
    InvalidKey,
    ConnectionLimit,
}

impl Refusal {
    pub const fn label(self) -> &'static str {
        match self {
            Self::KeyRequired => "key_required",
            Self::InvalidKey => "invalid_key",
            Self::ConnectionLimit => "connection_limit",
        }
    }

    /// Close code and text, which clients of this protocol rely on.
    pub fn code(self) -> (u16, &'static str) {
        match self {
            Self::KeyRequired => (4001, "API key required"),
            Self::InvalidKey => (4001, "Invalid API key"),
            Self::ConnectionLimit => (4008, "Connection limit exceeded"),
        }
    }
}

/// What a key allows at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key's public identifier and name; not the key.
    pub key_id: String,
    pub key_name: String,
    /// `None` allows every channel.
    channels: Option<Vec<Pattern>>,
    max_connections: u32,
    expires: Option<Timestamp>,
}

impl Grant {
    /// Whether the key may subscribe to `pattern`, all of it.
    pub fn allows(&self, pattern: &Pattern) -> bool {
        self.channels
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|one| one.covers(pattern)))
    }
}

#[derive(Debug)]
struct Key {
    digest: [u8; 32],
    live: AtomicU32,
    /// `None` once the key is no longer in force.
    grant: watched::Sender<Option<Arc<Grant>>>,
}

/// The keys in force. Bounded by the size of the keys file.
#[derive(Debug, Default)]
pub struct Gate {
    /// By the first bytes of the digest, so that looking one up tells nothing by its timing;
    /// the whole digest is then compared in constant time.
    keys: RwLock<HashMap<[u8; 8], Arc<Key>>>,
}

/// The right to be connected with a key. Gives its place back on drop.
#[derive(Debug)]
pub struct Permit {
    key: Arc<Key>,
    at_the_door: Arc<Grant>,
    grant: watched::Receiver<Option<Arc<Grant>>>,
}

impl Gate {
    /// Puts `records` in force in place of whatever was: sessions of keys that are not among
    /// them any more, or have ended, find their grant gone.
    pub fn replace(&self, records: &[KeyRecord]) {
        let now = Timestamp::now();
        let mut keys = self.keys.write();
        let mut old = std::mem::take(&mut *keys);
        for record in records.iter().filter(|record| record.in_force(now)) {
            let grant = Arc::new(Grant {
                key_id: record.id.clone(),
                key_name: record.name.clone(),
                channels: record.channels.clone(),
                max_connections: record.max_connections,
                expires: record.expires,
            });
            let prefix = prefix(&record.sha256);
            let known = old
                .remove(&prefix)
                .filter(|key| key.digest == record.sha256);
            let key = known.unwrap_or_else(|| {
                Arc::new(Key {
                    digest: record.sha256,
                    live: AtomicU32::new(0),
                    grant: watched::Sender::new(None),
                })
            });
            key.grant.send_if_modified(|current| {
                let changed = current.as_ref() != Some(&grant);
                *current = Some(grant);
                changed
            });
            keys.insert(prefix, key);
        }
        for gone in old.into_values() {
            gone.grant.send_replace(None);
        }
    }

    /// Lets a connection in, or says why not. Every key that is not in force gets the same
    /// answer in the same time.
    pub fn admit(&self, presented: Option<&str>) -> Result<Permit, Refusal> {
        let presented = presented
            .filter(|key| !key.is_empty())
            .ok_or(Refusal::KeyRequired)?;
        let digest = keys::digest(presented);
        let found = self.keys.read().get(&prefix(&digest)).cloned();
        let expected = found.as_ref().map_or([0; 32], |key| key.digest);
        let same = bool::from(expected.ct_eq(&digest));
        let key = found.filter(|_| same).ok_or(Refusal::InvalidKey)?;
        let grant = key.grant.subscribe();
        let at_the_door = grant.borrow().clone().ok_or(Refusal::InvalidKey)?;
        let limit = at_the_door.max_connections;
        let take = |live: u32| (live < limit).then_some(live + 1);
        key.live
            .try_update(Ordering::AcqRel, Ordering::Acquire, take)
            .map_err(|_| Refusal::ConnectionLimit)?;
        Ok(Permit {
            key,
            at_the_door,
            grant,
        })
    }

    /// Ends keys when their time comes. Runs for as long as the host does.
    pub async fn expire(&self) {
        let mut tick = tokio::time::interval(EXPIRY_INTERVAL);
        loop {
            tick.tick().await;
            self.end_expired(Timestamp::now());
        }
    }

    fn end_expired(&self, now: Timestamp) {
        let ended = |key: &Key| {
            key.grant
                .borrow()
                .as_ref()
                .is_some_and(|grant| grant.expires.is_some_and(|end| end <= now))
        };
        if self.keys.read().values().any(|key| ended(key)) {
            self.keys.write().retain(|_, key| {
                let end = ended(key);
                if end {
                    key.grant.send_replace(None);
                }
                !end
            });
        }
    }
}

impl Permit {
    /// The key's rights when it was shown.
    pub fn at_the_door(&self) -> &Grant {
        &self.at_the_door
    }

    /// What the key allows now; `None` when it is no longer in force.
    pub fn grant(&mut self) -> Option<Arc<Grant>> {
        self.grant.borrow_and_update().clone()
    }

    /// Waits until the key's rights change. Cancel-safe.
    pub async fn changed(&mut self) {
        // The sender lives in the key, which this permit holds.
        let _ = self.grant.changed().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.key.live.fetch_sub(1, Ordering::AcqRel);
    }
}

fn prefix(digest: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> KeyRecord {
        KeyRecord {
            id: format!("id-{text}"),
            name: text.into(),
            sha256: keys::digest(text),
            max_connections: 2,
            channels: None,
            created: Timestamp::now(),
            expires: None,
            revoked: None,
        }
    }

    #[test]
    fn exactly_the_limit_is_let_in_and_places_come_back() {
        let gate = Gate::default();
        gate.replace(&[record("a"), record("b")]);
        let first = gate.admit(Some("a")).unwrap();
        let _second = gate.admit(Some("a")).unwrap();
        assert_eq!(gate.admit(Some("a")).unwrap_err(), Refusal::ConnectionLimit);
        assert!(gate.admit(Some("b")).is_ok());
        drop(first);
        assert!(gate.admit(Some("a")).is_ok());
    }

    #[test]
    fn whatever_is_not_a_key_in_force_is_refused_alike() {
        let gate = Gate::default();
        let now = Timestamp::now();
        let expired = KeyRecord {
            expires: Some(now),
            ..record("expired")
        };
        let revoked = KeyRecord {
            revoked: Some(now),
            ..record("revoked")
        };
        gate.replace(&[record("right"), expired, revoked]);
        for key in ["wrong", "righ", "rightt", "expired", "revoked", " right"] {
            assert_eq!(
                gate.admit(Some(key)).unwrap_err(),
                Refusal::InvalidKey,
                "{key}"
            );
        }
        assert_eq!(gate.admit(Some("")).unwrap_err(), Refusal::KeyRequired);
        assert_eq!(gate.admit(None).unwrap_err(), Refusal::KeyRequired);
    }

    #[test]
    fn a_key_that_is_renamed_keeps_its_sessions_and_can_be_revoked() {
        let gate = Gate::default();
        gate.replace(&[record("a")]);
        let mut permit = gate.admit(Some("a")).unwrap();
        let renamed = KeyRecord {
            id: "other".into(),
            name: "other".into(),
            max_connections: 1,
            ..record("a")
        };
        gate.replace(&[renamed]);
        assert_eq!(permit.grant().unwrap().key_id, "other");
        assert_eq!(gate.admit(Some("a")).unwrap_err(), Refusal::ConnectionLimit);
        gate.replace(&[]);
        assert_eq!(permit.grant(), None);
    }

    #[test]
    fn a_changed_file_reaches_the_live_and_keeps_their_count() {
        let gate = Gate::default();
        gate.replace(&[record("a")]);
        let mut permit = gate.admit(Some("a")).unwrap();
        assert!(permit.grant().unwrap().allows(&"x:y".parse().unwrap()));
        let narrowed = KeyRecord {
            channels: Some(vec!["x:z".parse().unwrap()]),
            max_connections: 1,
            ..record("a")
        };
        gate.replace(&[narrowed]);
        assert!(!permit.grant().unwrap().allows(&"x:y".parse().unwrap()));
        assert_eq!(gate.admit(Some("a")).unwrap_err(), Refusal::ConnectionLimit);
        gate.replace(&[]);
        assert_eq!(permit.grant(), None);
    }

    #[test]
    fn a_key_ends_when_its_time_comes() {
        let gate = Gate::default();
        let end = Timestamp::now() + jiff::SignedDuration::from_secs(60);
        gate.replace(&[KeyRecord {
            expires: Some(end),
            ..record("a")
        }]);
        let mut permit = gate.admit(Some("a")).unwrap();
        gate.end_expired(end - jiff::SignedDuration::from_secs(1));
        assert!(permit.grant().is_some());
        gate.end_expired(end);
        assert_eq!(permit.grant(), None);
        assert_eq!(gate.admit(Some("a")).unwrap_err(), Refusal::InvalidKey);
    }
}
