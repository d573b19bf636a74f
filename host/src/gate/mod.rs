//! The door: who may come in, with which rights, and how many at a time.
//!
//! It is asked once for each connection. What it gives is a permit, which returns its place
//! when it is dropped, by whichever way a session ends. After a change of the keys the loops
//! are told, and each session looks at what its permit is good for.

pub mod keys;
pub mod origin;
mod places;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use subtle::ConstantTimeEq;

use self::keys::{AtLimit, KeyRecord};
use self::places::{KeyPlaces, TakenPlace};
use crate::channel::Pattern;
use crate::hub::{Hub, LoopOrder, SessionAddress};

/// How often the keys' ends are held against the clock. Wall-clock time is what an end is
/// stated in, so a clock that is set is seen as soon, whichever way it went.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why somebody is turned away, after the upgrade, so that browsers can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateRefusal {
    KeyRequired,
    /// The key is not in force; also the end of a live session whose key was revoked or has
    /// expired.
    InvalidKey,
    ConnectionLimit,
}

impl GateRefusal {
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
    at_limit: AtLimit,
    expires: Option<Timestamp>,
}

impl Grant {
    fn of(record: &KeyRecord) -> Self {
        Self {
            key_id: record.id.clone(),
            key_name: record.name.clone(),
            channels: record.channels.clone(),
            max_connections: record.max_connections,
            at_limit: record.at_limit,
            expires: record.expires,
        }
    }

    fn in_force(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    /// Whether the key may subscribe to `pattern`, all of it.
    pub fn allows(&self, pattern: &Pattern) -> bool {
        self.channels.as_ref().is_none_or(|allowed| {
            allowed
                .iter()
                .any(|pattern_allowed| pattern_allowed.covers(pattern))
        })
    }
}

#[derive(Debug)]
struct ApiKey {
    digest: [u8; 32],
    places: Mutex<KeyPlaces>,
    /// `None` while the key is not in force.
    grant: RwLock<Option<Arc<Grant>>>,
}

/// A key of the file, in force or expired.
#[derive(Debug)]
struct KnownKey {
    /// What it allows whenever it is in force.
    rights: Arc<Grant>,
    key: Arc<ApiKey>,
}

/// The keys of the file that are not revoked. Bounded by the size of the file.
#[derive(Debug)]
pub struct Gate {
    /// By the first bytes of the digest, so that looking one up tells nothing by its timing;
    /// the whole digest is then compared in constant time.
    keys: RwLock<HashMap<[u8; 8], KnownKey>>,
    hub: Arc<Hub>,
}

/// A key in force that was shown at the door, and has no place yet.
#[derive(Debug)]
pub struct Shown {
    key: Arc<ApiKey>,
    at_the_door: Arc<Grant>,
}

/// The right to be connected with a key. Gives its place back on drop, unless a newer
/// connection has it already.
#[derive(Debug)]
pub struct Permit {
    key: Arc<ApiKey>,
    place: TakenPlace,
    /// The rights that its holder last looked at.
    grant: Arc<Grant>,
}

/// What a permit is good for, to somebody who looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitStatus {
    /// The same as before.
    Unchanged,
    /// Other rights than before.
    Changed,
    /// The key is not in force any more.
    Ended,
    /// A newer connection of the same key has the place.
    Replaced,
}

impl Gate {
    /// A gate without keys.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self {
            keys: RwLock::default(),
            hub,
        }
    }

    /// Puts `records` in force in place of whatever was: sessions of keys that are not among
    /// them any more, or have ended, find their grant gone.
    pub fn replace(&self, records: &[KeyRecord]) {
        self.replace_at(records, Timestamp::now());
    }

    fn replace_at(&self, records: &[KeyRecord], now: Timestamp) {
        let mut keys = self.keys.write();
        let mut old = std::mem::take(&mut *keys);
        for record in records.iter().filter(|record| record.revoked.is_none()) {
            let prefix = prefix(&record.sha256);
            let before = old
                .remove(&prefix)
                .filter(|known| known.key.digest == record.sha256);
            let key =
                before.map_or_else(|| Arc::new(ApiKey::new(record.sha256)), |known| known.key);
            let rights = Arc::new(Grant::of(record));
            let known = KnownKey { rights, key };
            known.judge(now);
            keys.insert(prefix, known);
        }
        for gone in old.into_values() {
            *gone.key.grant.write() = None;
        }
        drop(keys);
        self.hub.order(|| LoopOrder::Rights);
    }

    /// Whose key that is. Every key that is not in force gets the same answer in the same time.
    ///
    /// # Errors
    /// There is no key, or it is none that is in force.
    pub fn recognise(&self, presented: Option<&str>) -> Result<Shown, GateRefusal> {
        let presented = presented
            .filter(|key| !key.is_empty())
            .ok_or(GateRefusal::KeyRequired)?;
        let digest = keys::digest(presented);
        let known = |known: &KnownKey| known.key.clone();
        let found = self.keys.read().get(&prefix(&digest)).map(known);
        let expected = found.as_ref().map_or([0; 32], |key| key.digest);
        let same = bool::from(expected.ct_eq(&digest));
        let key = found.filter(|_| same).ok_or(GateRefusal::InvalidKey)?;
        let at_the_door = key.grant.read().clone().ok_or(GateRefusal::InvalidKey)?;
        Ok(Shown { key, at_the_door })
    }

    /// Takes both steps at the door: recognises the key, and enters.
    #[cfg(test)]
    pub(crate) fn admit(&self, presented: Option<&str>) -> Result<Permit, GateRefusal> {
        self.recognise(presented)?.enter(self.hub.address())
    }

    /// Holds the keys' ends against the clock. Runs for as long as the host does.
    pub async fn expire(&self) {
        let mut tick = tokio::time::interval(EXPIRY_INTERVAL);
        loop {
            tick.tick().await;
            self.judge(Timestamp::now());
        }
    }

    /// A key whose end has come is kept, and judged anew each time: clocks are set, and not
    /// only forward.
    fn judge(&self, now: Timestamp) {
        let mut changed = false;
        for known in self.keys.read().values() {
            if known.rights.expires.is_some() && known.judge(now) {
                let (key, in_force) = (&known.rights.key_id, known.rights.in_force(now));
                tracing::info!(key, in_force, "the end of a key was held against the clock");
                changed = true;
            }
        }
        if changed {
            self.hub.order(|| LoopOrder::Rights);
        }
    }
}

impl Shown {
    /// Takes a place of the key for the session of that address. Where the key says so, that is the place of its oldest
    /// session, which is lost to that one from here on; nobody else can get it in between. So
    /// this comes last, when nothing else can keep the newcomer out.
    ///
    /// # Errors
    /// The key has no place left.
    pub fn enter(self, address: SessionAddress) -> Result<Permit, GateRefusal> {
        let Self { key, at_the_door } = self;
        let (limit, at_limit) = (at_the_door.max_connections, at_the_door.at_limit);
        let place = key.places.lock().take(limit, at_limit, address);
        Ok(Permit {
            place: place.ok_or(GateRefusal::ConnectionLimit)?,
            key,
            grant: at_the_door,
        })
    }
}

impl ApiKey {
    fn new(digest: [u8; 32]) -> Self {
        Self {
            digest,
            places: Mutex::default(),
            grant: RwLock::default(),
        }
    }
}

impl KnownKey {
    /// Gives or takes the rights, as the time is; `true` if that is a change.
    fn judge(&self, now: Timestamp) -> bool {
        let rights = self.rights.in_force(now).then(|| self.rights.clone());
        let mut grant = self.key.grant.write();
        let changed = *grant != rights;
        if changed {
            *grant = rights;
        }
        changed
    }
}

impl Permit {
    /// The rights that the permit gave when it was last looked at, at first those at the door.
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// Looks at what the permit is good for now.
    pub fn look(&mut self) -> PermitStatus {
        if self.key.places.lock().is_lost(&self.place) {
            return PermitStatus::Replaced;
        }
        match &*self.key.grant.read() {
            None => PermitStatus::Ended,
            Some(grant) if Arc::ptr_eq(grant, &self.grant) => PermitStatus::Unchanged,
            Some(grant) => {
                self.grant = grant.clone();
                PermitStatus::Changed
            }
        }
    }

    /// Whether the session was replaced and there is no time left for its goodbye.
    pub fn is_hurried(&self) -> bool {
        self.key.places.lock().is_hurried(&self.place)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.key.places.lock().give_back(&self.place);
    }
}

fn prefix(digest: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests;
