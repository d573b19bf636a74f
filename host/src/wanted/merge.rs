//! Two copies of what is wanted, brought together: what a host knows, and what its fleet's
//! Redis says. Redis may have gone back, may have been emptied, or may never have got what the
//! host knows; so may the host.

use super::desired::{Decided, Desired};
use super::faults::{PlantedFault, is_planted};

/// What a look at Redis means for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Both say the same.
    Same,
    /// This is what is wanted, as Redis has it.
    Follow(Desired),
    /// This is what is wanted, and Redis must hear of it.
    Offer(Desired),
}

/// Brings together what this host knows with what stands in Redis.
pub fn merge(known: &Desired, read: Option<&Desired>) -> Merged {
    let Some(read) = read else {
        return Merged::Offer(known.clone());
    };
    if known == read {
        Merged::Same
    } else if known.led_to(read) || is_planted(PlantedFault::LowerGenerationIsFollowed) {
        Merged::Follow(read.clone())
    } else if read.led_to(known) {
        // Redis has gone back, or never got it.
        Merged::Offer(known.clone())
    } else {
        Merged::Offer(both(known, read))
    }
}

/// What two copies say that were decided beside each other. What one of them decided knowing
/// what the other says holds; where neither knew, the choice is the later one by its generation,
/// or else the one that others follow already, and all else is the safer.
fn both(known: &Desired, read: &Desired) -> Desired {
    let generation = known.generation.max(read.generation) + 1;
    let of = |ours: Decided, theirs: Decided| {
        if known.knows(theirs.id) {
            ours
        } else if read.knows(ours.id) {
            theirs
        } else {
            Decided::unnamed(ours.yes || theirs.yes, generation)
        }
    };
    let is_later = !read.knows(known.choice.id) && known.choice.at > read.choice.at;
    let chooses = match known.knows(read.choice.id) || is_later {
        true => known,
        false => read,
    };
    let mut merged = Desired {
        generation,
        paused: of(known.paused, read.paused),
        ..chooses.clone()
    };
    if is_planted(PlantedFault::EmptiedRedisForgetsWithdrawn) {
        return merged;
    }
    for revision in known.withdrawn.keys().chain(read.withdrawn.keys()) {
        let decided = |desired: &Desired| {
            let decided = desired.withdrawn.get(revision);
            decided.copied().unwrap_or_default()
        };
        let decided = of(decided(known), decided(read));
        merged.withdrawn.insert(revision.clone(), decided);
    }
    merged.forget_oldest();
    merged.leave_withdrawn();
    merged
}
