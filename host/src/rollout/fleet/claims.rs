//! What transforms claim for themselves in a fleet: each family, and each type of message, is one
//! transform's. Who chooses a revision is told by Redis whose they are; where two came to claim
//! the same all the same, every host finds the same one of them to leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Registry;
use super::super::decide::decide_stop;
use super::super::prepare::ITSELF;
use super::envelope::SharedDesired;
use super::look::Read;
use crate::revision::Revision;
use crate::revision::claims::Claims;
use crate::transform::RevisionId;
use crate::wanted::desired::{Desired, Failed};
use crate::wanted::request::Request;

/// A transform that claims what is another's.
#[derive(Debug, PartialEq, Eq)]
struct Loser {
    name: String,
    revision: RevisionId,
    why: String,
}

/// What a revision claims, as `share`'s script writes it as well.
pub(super) fn claims(of: &Revision) -> Vec<String> {
    let claims = Claims::from(&of.surface);
    claims.iter().map(ToString::to_string).collect()
}

/// The record of what is chosen; none where that was taken back and claims nothing.
pub(super) fn claimant<'a>(desired: &Desired, records: &'a [Revision]) -> Option<&'a Revision> {
    let chosen = desired.choice.revision.as_ref()?;
    let mut records = records.iter();
    let record = records.find(|record| record.id == *chosen);
    record.filter(|_| !desired.is_withdrawn(chosen))
}

/// What a transform wants of its fleet.
#[derive(Debug)]
struct Claimant {
    /// It has not stood a probation yet.
    is_new: bool,
    name: String,
    revision: RevisionId,
    claims: Vec<String>,
}

impl Claimant {
    fn of(name: &str, shared: &SharedDesired) -> Option<Self> {
        let record = claimant(&shared.desired, &shared.records)?;
        Some(Self {
            is_new: !shared.desired.proven.contains(&record.id),
            name: name.to_owned(),
            revision: record.id.clone(),
            claims: claims(record),
        })
    }
}

/// Those that are to be left: of two that claim the same, what is proven stays, or else the first
/// by name.
fn losers(mut claimants: Vec<Claimant>) -> Vec<Loser> {
    claimants.sort_by(|a, b| (a.is_new, &a.name).cmp(&(b.is_new, &b.name)));
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut losers = Vec::new();
    for claimant in claimants {
        let taken = claimant.claims.iter().find_map(|claim| {
            let owner = owners.get(claim)?;
            Some(format!("its {claim} belongs to the transform {owner}"))
        });
        let Claimant {
            name,
            revision,
            claims,
            ..
        } = claimant;
        match taken {
            Some(why) => losers.push(Loser {
                name,
                revision,
                why,
            }),
            None => owners.extend(claims.into_iter().map(|claim| (claim, name.clone()))),
        }
    }
    losers
}

/// Leaves what claims the same as another transform of the fleet, on this host at once.
pub(super) async fn leave_conflicts(registry: &Arc<Registry>, read: &Read) {
    let claimants = read
        .iter()
        .filter_map(|(name, read)| Claimant::of(name, read.as_ref().ok()?));
    for Loser {
        name,
        revision,
        why,
    } in losers(claimants.collect())
    {
        let fail = Request::Fail(Failed::new(&revision, &why));
        // It may have been left already, and the fleet not know it yet.
        if decide_stop(registry, &name, fail, ITSELF).is_ok() {
            tracing::error!(transform = name, %revision, why, "two transforms of the fleet claim the same");
            registry
                .trail
                .write_own("return", &name, Some(revision), &why)
                .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(name: &str, is_new: bool, claims: &[&str]) -> Claimant {
        Claimant {
            is_new,
            name: name.to_owned(),
            revision: "a".repeat(64).parse().expect("64 digits are an id"),
            claims: claims.iter().map(|claim| (*claim).to_owned()).collect(),
        }
    }

    fn names(claimants: Vec<Claimant>) -> Vec<String> {
        let losers = losers(claimants).into_iter();
        losers.map(|loser| loser.name).collect()
    }

    #[test]
    fn of_two_that_claim_the_same_what_is_proven_stays_or_the_first_by_name() {
        let (ticks, tick) = ("family ticks", "message-type tick");
        let claimants = |new: [bool; 3]| {
            vec![
                claimant("c", new[2], &["family bars"]),
                claimant("b", new[1], &[ticks, tick]),
                claimant("a", new[0], &["family trades", tick]),
            ]
        };
        assert_eq!(names(claimants([true, true, true])), ["b"]);
        assert_eq!(names(claimants([false, false, false])), ["b"]);
        assert_eq!(names(claimants([true, false, true])), ["a"]);
        assert_eq!(names(claimants([false, true, true])), ["b"]);
        let why = &losers(claimants([true; 3]))[0].why;
        assert_eq!(why, "its message-type tick belongs to the transform a");
    }

    #[test]
    fn what_is_left_keeps_nothing_from_others() {
        let claimants = vec![
            claimant("a", false, &["family ticks"]),
            claimant("b", true, &["family ticks", "family bars"]),
            claimant("c", true, &["family bars"]),
        ];
        assert_eq!(names(claimants), ["b"]);
    }
}
