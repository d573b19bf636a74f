//! The door: who may come in, with which rights, and how many at a time.
//!
//! It is asked once for each connection. What it gives is a permit, which returns its place
//! when it is dropped, by whichever way a session ends. After a change of the keys the loops
//! are told, and each session looks at what its permit is good for.

pub mod fleet_limits;
mod grant;
pub mod jwt;
pub mod keys;
pub mod origin;
mod permit;
mod places;
mod subjects;
pub mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use subtle::ConstantTimeEq;

use self::fleet_limits::{FleetPlaces, OwnerName};
pub use self::grant::Grant;
use self::jwt::{KeysAway, SignedGrant, SignedTokens, SigningKey};
use self::keys::KeyRecord;
use self::permit::KeyHolder;
pub use self::permit::{Permit, PermitStatus, Shown};
use self::subjects::{FleetMember, Owner, Subjects};
use crate::hub::{Hub, LoopOrder};

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
    /// The host is at its share of the limit, as it cannot learn what others have let in.
    ConnectionShare,
}

/// Why nobody was let in who had shown a good key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRefusal {
    Refused(GateRefusal),
    /// Too many wait for what other hosts have let in. It passes.
    Busy,
}

impl GateRefusal {
    pub const fn label(self) -> &'static str {
        match self {
            Self::KeyRequired => "key_required",
            Self::InvalidKey => "invalid_key",
            Self::ConnectionLimit => "connection_limit",
            Self::ConnectionShare => "connection_share",
        }
    }

    /// Close code and text, which clients of this protocol rely on.
    pub fn code(self) -> (u16, &'static str) {
        match self {
            Self::KeyRequired => (4001, "API key required"),
            Self::InvalidKey => (4001, "Invalid API key"),
            Self::ConnectionLimit => (4008, "Connection limit exceeded"),
            Self::ConnectionShare => (
                4008,
                "Connection limit of this host exceeded while it cannot ask the others; try again later",
            ),
        }
    }
}

/// A key of the file, in force or expired.
#[derive(Debug)]
struct KnownKey {
    digest: [u8; 32],
    /// What it allows whenever it is in force.
    rights: Arc<Grant>,
    holder: Arc<KeyHolder>,
}

/// A session that came with a signed token, by which key that was signed.
#[derive(Debug)]
struct SignedSession {
    signed_by: SigningKey,
    holder: Weak<KeyHolder>,
}

/// The keys of the file that are not revoked, and who came with a signed token. Bounded by the size
/// of the file, and by the sessions that there may be.
#[derive(Debug)]
pub struct Gate {
    /// By the first bytes of the digest, so that looking one up tells nothing by its timing;
    /// the whole digest is then compared in constant time.
    keys: RwLock<HashMap<[u8; 8], KnownKey>>,
    tokens: Option<Arc<SignedTokens>>,
    subjects: Arc<Subjects>,
    signed: Mutex<Vec<SignedSession>>,
    hub: Arc<Hub>,
    fleet: Option<Arc<FleetPlaces>>,
    key_state: Mutex<KeyState>,
}

/// How it stands with keys that come from elsewhere than a file.
#[derive(Debug, Default)]
struct KeyState {
    /// They were never read yet.
    are_awaited: bool,
    trouble: Option<String>,
}

impl Gate {
    /// A gate without keys. `tokens` judges the signed ones, where such may come; in a `fleet`,
    /// limits are those of all its hosts.
    pub fn new(
        hub: Arc<Hub>,
        tokens: Option<Arc<SignedTokens>>,
        fleet: Option<Arc<FleetPlaces>>,
    ) -> Self {
        Self {
            keys: RwLock::default(),
            tokens,
            subjects: Subjects::new(fleet.clone()),
            signed: Mutex::default(),
            hub,
            fleet,
            key_state: Mutex::default(),
        }
    }

    /// Keys will come that nobody has read yet: until then, whoever shows one is to come again.
    pub fn await_keys(&self) {
        self.key_state.lock().are_awaited = true;
    }

    /// Keys were read, or why they could not be.
    pub fn note_keys(&self, trouble: Option<String>) {
        let mut state = self.key_state.lock();
        state.are_awaited &= trouble.is_some();
        state.trouble = trouble;
    }

    /// Why keys cannot be read, and whether that keeps everybody out; none where they can.
    pub fn key_trouble(&self) -> Option<(String, bool)> {
        let state = self.key_state.lock();
        let known = state.trouble.clone();
        let trouble = known.or_else(|| state.are_awaited.then(|| "not read yet".to_owned()))?;
        Some((trouble, state.are_awaited))
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
            let known = self.known(record, old.remove(&prefix), now);
            keys.insert(prefix, known);
        }
        for gone in old.into_values() {
            gone.end();
        }
        drop(keys);
        self.hub.order(|| LoopOrder::Rights);
    }

    /// Puts `records` in force beside all others; the keys of the digests that are `gone` end.
    pub fn change(&self, gone: &[[u8; 32]], records: &[KeyRecord]) {
        let (mut keys, now) = (self.keys.write(), Timestamp::now());
        let ended = records.iter().filter(|record| record.revoked.is_some());
        let ended = ended.map(|record| &record.sha256);
        for digest in gone.iter().chain(ended) {
            let known = keys.remove(&prefix(digest));
            known.iter().for_each(KnownKey::end);
        }
        for record in records.iter().filter(|record| record.revoked.is_none()) {
            let prefix = prefix(&record.sha256);
            let before = keys.remove(&prefix);
            keys.insert(prefix, self.known(record, before, now));
        }
        drop(keys);
        self.hub.order(|| LoopOrder::Rights);
    }

    /// A key that is not revoked; whoever came with it `before` holds it still.
    fn known(&self, record: &KeyRecord, before: Option<KnownKey>, now: Timestamp) -> KnownKey {
        let before = before.filter(|known| known.digest == record.sha256);
        let known = KnownKey {
            digest: record.sha256,
            rights: Arc::new(Grant::of(record)),
            holder: before.map_or_else(|| self.holder_of(record), |known| known.holder),
        };
        known.judge(now);
        known
    }

    /// Who holds a key that was not in force before.
    fn holder_of(&self, record: &KeyRecord) -> Arc<KeyHolder> {
        let fleet = self.fleet.as_ref();
        let member = fleet.map(|fleet| FleetMember::new(fleet, OwnerName::of_key(&record.sha256)));
        Arc::new(KeyHolder {
            owner: Arc::new(Owner::of_key(member)),
            grant: RwLock::default(),
        })
    }

    /// Has at hand what a key or a signed token is judged by, as far as that can be.
    ///
    /// # Errors
    /// It is a signed token, and no key that those are signed by has been had yet, or another key,
    /// and none was ever read.
    pub async fn prepare(&self, presented: Option<&str>) -> Result<(), KeysAway> {
        match (&self.tokens, presented) {
            (Some(tokens), Some(presented)) if jwt::is_signed(presented) => {
                tokens.prepare(presented).await
            }
            (_, Some(_)) if self.key_state.lock().are_awaited => Err(KeysAway),
            _ => Ok(()),
        }
    }

    /// Whose key or token that is. Everything that is not in force gets the same answer, a key in
    /// the same time.
    ///
    /// # Errors
    /// There is no key, or it is none that is in force.
    pub fn recognise(&self, presented: Option<&str>) -> Result<Shown, GateRefusal> {
        let presented = presented
            .filter(|key| !key.is_empty())
            .ok_or(GateRefusal::KeyRequired)?;
        if let Some(tokens) = &self.tokens
            && jwt::is_signed(presented)
        {
            let granted = tokens.verify(presented);
            return Ok(self.signed(granted.ok_or(GateRefusal::InvalidKey)?));
        }
        let digest = keys::digest(presented);
        let known = |known: &KnownKey| (known.digest, known.holder.clone());
        let found = self.keys.read().get(&prefix(&digest)).map(known);
        let expected = found.as_ref().map_or([0; 32], |(digest, _)| *digest);
        let same = bool::from(expected.ct_eq(&digest));
        let (_, holder) = found.filter(|_| same).ok_or(GateRefusal::InvalidKey)?;
        let at_the_door = holder.grant.read().clone();
        Ok(Shown {
            at_the_door: at_the_door.ok_or(GateRefusal::InvalidKey)?,
            holder,
        })
    }

    /// The holder of a token counts with all others of the same subject.
    fn signed(&self, granted: SignedGrant) -> Shown {
        let SignedGrant { grant, signed_by } = granted;
        let at_the_door = Arc::new(grant);
        let holder = Arc::new(KeyHolder {
            owner: self.subjects.owner(&at_the_door.key_id),
            grant: RwLock::new(Some(at_the_door.clone())),
        });
        self.signed.lock().push(SignedSession {
            signed_by,
            holder: Arc::downgrade(&holder),
        });
        Shown {
            holder,
            at_the_door,
        }
    }

    /// Takes both steps at the door: recognises the key, and enters.
    #[cfg(test)]
    pub(crate) fn admit(&self, presented: Option<&str>) -> Result<Permit, GateRefusal> {
        self.admit_at(presented, self.hub.address())
    }

    /// The same for a session that has its address already.
    #[cfg(test)]
    pub(crate) fn admit_at(
        &self,
        presented: Option<&str>,
        address: crate::hub::SessionAddress,
    ) -> Result<Permit, GateRefusal> {
        let entering = self.recognise(presented)?.enter(address);
        let entered = futures_util::FutureExt::now_or_never(entering);
        match entered.expect("a host on its own waits for nobody") {
            Ok(permit) => Ok(permit),
            Err(EntryRefusal::Refused(refusal)) => Err(refusal),
            Err(EntryRefusal::Busy) => unreachable!("nobody waits"),
        }
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
    /// only forward. A session whose token has ended is over.
    fn judge(&self, now: Timestamp) {
        let mut changed = false;
        for known in self.keys.read().values() {
            if known.rights.expires.is_some() && known.judge(now) {
                let (key, in_force) = (&known.rights.key_id, known.rights.in_force(now));
                tracing::info!(key, in_force, "the end of a key was held against the clock");
                changed = true;
            }
        }
        changed |= self.end_signed(|_, grant| !grant.in_force(now));
        if changed {
            self.hub.order(|| LoopOrder::Rights);
        }
    }

    /// Ends the sessions whose token was signed by a key that `signs` does not know any more.
    pub fn withdraw(&self, signs: impl Fn(&SigningKey) -> bool) {
        if self.end_signed(|signed_by, _| !signs(signed_by)) {
            self.hub.order(|| LoopOrder::Rights);
        }
    }

    /// Takes the rights of those sessions; `true` if there was one. Sessions that are gone are let
    /// go of.
    fn end_signed(&self, ends: impl Fn(&SigningKey, &Grant) -> bool) -> bool {
        let mut ended = false;
        self.signed.lock().retain(|session| {
            let Some(holder) = session.holder.upgrade() else {
                return false;
            };
            let mut grant = holder.grant.write();
            let over = grant
                .as_ref()
                .is_none_or(|grant| ends(&session.signed_by, grant));
            ended |= over && grant.take().is_some();
            !over
        });
        ended
    }
}

impl KnownKey {
    fn end(&self) {
        *self.holder.grant.write() = None;
    }

    /// Gives or takes the rights, as the time is; `true` if that is a change.
    fn judge(&self, now: Timestamp) -> bool {
        let rights = self.rights.in_force(now).then(|| self.rights.clone());
        let mut grant = self.holder.grant.write();
        let changed = *grant != rights;
        if changed {
            *grant = rights;
        }
        changed
    }
}

fn prefix(digest: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests;
