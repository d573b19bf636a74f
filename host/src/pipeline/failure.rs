//! What counts as a failure of a revision, and when the revision before did no better: one rule
//! for the lanes, for plans and for shadows.

use crate::transform::{Fault, Outcome};

/// How a revision failed on an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Fault,
    /// The guard stopped something.
    Blocked,
}

impl Failure {
    /// None where the revision published or rejected the event.
    pub fn of(answer: &Result<Outcome, Fault>) -> Option<Self> {
        match answer {
            Err(_) => Some(Self::Fault),
            Ok(outcome) => outcome.blocks().next().map(|_| Self::Blocked),
        }
    }

    /// Whether the revision before gave this answer to the same event and did no better: it
    /// faulted, or the guard stopped it too, and no more came out of it than of a fault.
    pub fn is_common_with(self, before: &Result<Outcome, Fault>) -> bool {
        match (Self::of(before), before) {
            (None, _) => false,
            (Some(Self::Blocked), Ok(Outcome::Published(publications))) => {
                let out = publications.iter().flatten().next().is_some();
                self == Self::Blocked || !out
            }
            (Some(_), _) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use crate::transform::{Admitted, Block, FaultKind, Rejection};

    fn published(admitted: usize, blocked: usize) -> Result<Outcome, Fault> {
        let out = || Admitted {
            channel: "ticks:A".parse::<Channel>().unwrap(),
            text: String::new(),
            head: 0,
            family: 0,
        };
        let out = (0..admitted).map(|_| Ok(out()));
        let stopped = (0..blocked).map(|_| Err(Block::Schema.into()));
        Ok(Outcome::Published(out.chain(stopped).collect()))
    }

    #[test]
    fn what_the_revision_before_fails_at_as_well_is_common() {
        let fault = || {
            Err(Fault {
                kind: FaultKind::Trap,
                detail: String::new(),
            })
        };
        let rejected = Ok(Outcome::Rejected(Rejection {
            reason: "missing",
            field: None,
        }));
        let cases = [
            (fault(), true, true),
            (published(0, 1), true, true),
            // A fault would take from clients what came out before.
            (published(1, 1), false, true),
            (published(1, 0), false, false),
            (published(0, 0), false, false),
            (rejected, false, false),
        ];
        for (before, fault, blocked) in cases {
            let common = |failure: Failure| failure.is_common_with(&before);
            assert_eq!(common(Failure::Fault), fault, "{before:?}");
            assert_eq!(common(Failure::Blocked), blocked, "{before:?}");
        }
    }
}
