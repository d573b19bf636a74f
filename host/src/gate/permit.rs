//! The right to be inside, from the door to the end of a session: a place that is given back by
//! itself, and the rights that its holder last looked at.

use std::sync::Arc;

use parking_lot::{MutexGuard, RwLock};

use super::places::{KeyPlaces, TakenPlace};
use super::subjects::Owner;
use super::{EntryRefusal, GateRefusal, Grant};
use crate::hub::SessionAddress;

/// Somebody's rights and places: of a key, or of one session that came with a signed token.
#[derive(Debug)]
pub(super) struct KeyHolder {
    pub(super) owner: Arc<Owner>,
    /// `None` while the key is not in force.
    pub(super) grant: RwLock<Option<Arc<Grant>>>,
}

/// A key or a token in force that was shown at the door, and has no place yet.
#[derive(Debug)]
pub struct Shown {
    pub(super) holder: Arc<KeyHolder>,
    pub(super) at_the_door: Arc<Grant>,
}

/// The right to be connected with a key. Gives its place back on drop, unless a newer
/// connection has it already.
#[derive(Debug)]
pub struct Permit {
    holder: Arc<KeyHolder>,
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

impl Shown {
    /// Takes a place of the key for the session of that address. Where the key says so, that is the
    /// place of its oldest session, which is lost to that one from here on; nobody else can get it
    /// in between. So this comes last, when nothing else can keep the newcomer out.
    ///
    /// In a fleet, this waits until it is known what other hosts have let in.
    ///
    /// # Errors
    /// The key has no place left, or too many wait.
    pub async fn enter(self, address: SessionAddress) -> Result<Permit, EntryRefusal> {
        let member = self.holder.owner.member.clone();
        match member {
            Some(member) => member.places.enter(member.owner, self, address).await,
            None => {
                let (limit, refusal) = (self.limit(), GateRefusal::ConnectionLimit);
                let (permit, _) = self.take(limit, address);
                permit.ok_or(EntryRefusal::Refused(refusal))
            }
        }
    }

    /// How many sessions there may be, on all hosts together.
    pub(super) fn limit(&self) -> u32 {
        self.at_the_door.max_connections
    }

    /// Takes one of `limit` places on this host. Gives by how many sessions there are more, too.
    pub(super) fn take(self, limit: u32, address: SessionAddress) -> (Option<Permit>, i64) {
        let at_limit = self.at_the_door.at_limit;
        let (place, change) = self.holder.places().take(limit, at_limit, address);
        (place.map(|place| self.permit(place)), change)
    }

    /// As `take`, where nobody may come in but in the place of another.
    pub(super) fn replace(self, address: SessionAddress) -> (Option<Permit>, i64) {
        let (limit, at_limit) = (self.limit(), self.at_the_door.at_limit);
        let (place, change) = self.holder.places().replace(limit, at_limit, address);
        (place.map(|place| self.permit(place)), change)
    }

    /// Takes a place that is counted already.
    pub(super) fn hold(self, address: SessionAddress) -> Permit {
        let place = self.holder.places().hold(address);
        self.permit(place)
    }

    fn permit(self, place: TakenPlace) -> Permit {
        Permit {
            holder: self.holder,
            place,
            grant: self.at_the_door,
        }
    }
}

impl KeyHolder {
    fn places(&self) -> MutexGuard<'_, KeyPlaces> {
        self.owner.places.lock()
    }
}

impl Permit {
    /// The rights that the permit gave when it was last looked at, at first those at the door.
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// Looks at what the permit is good for now.
    pub fn look(&mut self) -> PermitStatus {
        if self.holder.places().is_lost(&self.place) {
            return PermitStatus::Replaced;
        }
        match &*self.holder.grant.read() {
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
        self.holder.places().is_hurried(&self.place)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let is_free = self.holder.places().give_back(&self.place);
        if let Some(member) = self.holder.owner.member.as_ref().filter(|_| is_free) {
            member.places.note_left(member.owner);
        }
    }
}
