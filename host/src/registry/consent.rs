//! What a plan asks of whoever applies it, worked out in one place: for the host, which refuses
//! without it, and for the commands, which say it beforehand or ask.

use super::report::{Level, Plan};
use super::{Consent, Refused};
use crate::count::count;
use crate::transform::printable;

/// The longest name of a kind of failure, in characters.
const MAX_KIND: usize = 64;

/// The first consent that a plan needs and this is not, if any.
pub fn missing(plan: &Plan, given: &Consent) -> Option<Refused> {
    let breaking = plan.of_level(Level::Breaking);
    if !breaking.is_empty() && !given.allow_breaking {
        return Some(Refused::NeedsAllowBreaking(breaking));
    }
    let wider = plan.of_level(Level::Wider);
    if !wider.is_empty() && !given.allow_wider {
        return Some(Refused::NeedsAllowWider(wider));
    }
    let failing = failing(plan, given.probation);
    (!failing.is_empty() && !given.allow_failing).then_some(Refused::NeedsAllowFailing(failing))
}

/// What speaks for it that the revision fails, in words; `watched` is whether it would be on
/// probation.
pub fn failing(plan: &Plan, watched: bool) -> Vec<String> {
    let recent = plan.recent.as_ref().filter(|recent| recent.failed > 0);
    let failed = recent.map(|recent| {
        let kinds = recent.failures.keys();
        let kinds: Vec<_> = kinds.map(|kind| printable(kind, MAX_KIND)).collect();
        let (failed, events) = (recent.failed, recent.events);
        format!(
            "it failed on {failed} of the last {} ({})",
            count(events, "event"),
            kinds.join(", ")
        )
    });
    let undone = plan.probation_would_undo.as_ref().filter(|_| watched);
    let undone = undone.map(|reason| format!("probation would undo this: {reason}"));
    failed.into_iter().chain(undone).collect()
}

/// All that the plan needs, as flags of `apply`.
pub fn flags(plan: &Plan) -> Vec<&'static str> {
    let mut given = Consent::default();
    let mut flags = Vec::new();
    while let Some(refused) = missing(plan, &given) {
        let (flag, consent) = match refused {
            Refused::NeedsAllowBreaking(_) => ("--allow-breaking", &mut given.allow_breaking),
            Refused::NeedsAllowWider(_) => ("--allow-wider", &mut given.allow_wider),
            _ => ("--allow-failing", &mut given.allow_failing),
        };
        *consent = true;
        flags.push(flag);
    }
    flags
}
