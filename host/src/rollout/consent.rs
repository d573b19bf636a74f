//! What a plan asks of whoever applies it: worked out once, where the plan is made, and held
//! against a consent in one place, for the host, which refuses without it, and for the commands,
//! which say it beforehand or ask.

use super::report::Reasons;
use super::{Consent, Refused};
use crate::count::count;
use crate::revision::change::{Change, Level};
use crate::revision::compare::report::Comparison;
use crate::transform::printable;

/// The longest name of a kind of failure, in characters.
const MAX_KIND: usize = 64;

/// All that a plan needs: of what changes, of what came of the last events, and of what a
/// probation would say of them.
pub(super) fn needs(
    changes: &[Change],
    recent: Option<&Comparison>,
    undone: Option<&str>,
) -> Reasons {
    let of_level = |level| {
        let changes = changes.iter().filter(|change| change.level == level);
        changes.map(ToString::to_string).collect()
    };
    let mut needs = recent.map(of_events).unwrap_or_default();
    let undone = undone.map(|reason| format!("probation would undo this: {reason}"));
    needs.failing.extend(undone);
    Reasons {
        wider: of_level(Level::Wider),
        breaking: of_level(Level::Breaking),
        ..needs
    }
}

/// What a comparison alone asks for, in a plan or in a shadow.
pub fn of_events(compared: &Comparison) -> Reasons {
    let events = count(compared.events, "event");
    let silent = compared.published.iter();
    let silent = silent.filter(|family| family.candidate == 0 && family.active > 0);
    let silent = silent.map(|family| {
        format!(
            "nothing of family {} on the last {events}, of which {} now",
            family.family,
            match family.active {
                1 => "1 publication comes".to_owned(),
                more => format!("{more} publications come"),
            }
        )
    });
    let failed = (compared.failed > 0).then(|| {
        let kinds = compared.failures.keys();
        let kinds: Vec<_> = kinds.map(|kind| printable(kind, MAX_KIND)).collect();
        format!(
            "it failed on {} of the last {events} ({})",
            compared.failed,
            kinds.join(", ")
        )
    });
    Reasons {
        silent: silent.collect(),
        failing: failed.into_iter().collect(),
        ..Reasons::default()
    }
}

/// The first consent that is needed and not given, if any.
pub fn missing(needs: &Reasons, given: &Consent) -> Option<Refused> {
    let lacking = |reasons: &[String], given: bool| !reasons.is_empty() && !given;
    let Reasons {
        wider,
        breaking,
        silent,
        failing,
    } = needs;
    if lacking(breaking, given.allow_breaking) {
        Some(Refused::NeedsAllowBreaking(breaking.clone()))
    } else if lacking(wider, given.allow_wider) {
        Some(Refused::NeedsAllowWider(wider.clone()))
    } else if lacking(silent, given.allow_silent) {
        Some(Refused::NeedsAllowSilent(silent.clone()))
    } else if lacking(failing, given.allow_failing) {
        Some(Refused::NeedsAllowFailing(failing.clone()))
    } else {
        None
    }
}

/// All that is needed, as flags of `apply`.
pub fn flags(needs: &Reasons) -> Vec<&'static str> {
    let mut given = Consent::default();
    let mut flags = Vec::new();
    while let Some(refused) = missing(needs, &given) {
        let (flag, consent) = match refused {
            Refused::NeedsAllowBreaking(_) => ("--allow-breaking", &mut given.allow_breaking),
            Refused::NeedsAllowWider(_) => ("--allow-wider", &mut given.allow_wider),
            Refused::NeedsAllowSilent(_) => ("--allow-silent", &mut given.allow_silent),
            _ => ("--allow-failing", &mut given.allow_failing),
        };
        *consent = true;
        flags.push(flag);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::change::Area;
    use crate::revision::compare::report::PublishedCounts;

    fn change(level: Level) -> Change {
        Change {
            area: Area::Field,
            subject: "open".into(),
            what: "added".into(),
            level,
        }
    }

    fn compared(active: u64, candidate: u64, failed: u64) -> Comparison {
        Comparison {
            events: 9,
            failed,
            failures: [("trap".to_owned(), failed)].into(),
            published: vec![PublishedCounts {
                family: "ticks".into(),
                active,
                candidate,
            }],
            ..Comparison::default()
        }
    }

    #[test]
    fn each_need_has_its_sentences_and_its_flag() {
        let changes = [Level::Note, Level::Wider, Level::Breaking].map(change);
        let recent = compared(5, 0, 2);
        let needs = needs(&changes, Some(&recent), Some("it is slow"));
        assert_eq!(needs.wider, ["field open: added"]);
        assert_eq!(needs.breaking, ["field open: added"]);
        assert_eq!(
            needs.silent,
            ["nothing of family ticks on the last 9 events, of which 5 publications come now"]
        );
        assert_eq!(
            needs.failing,
            [
                "it failed on 2 of the last 9 events (trap)",
                "probation would undo this: it is slow"
            ]
        );
        assert_eq!(
            flags(&needs),
            [
                "--allow-breaking",
                "--allow-wider",
                "--allow-silent",
                "--allow-failing"
            ]
        );
    }

    #[test]
    fn what_nobody_has_to_agree_to_needs_no_flag() {
        let quiet = [compared(5, 5, 0), compared(5, 1, 0), compared(0, 0, 0)];
        for recent in quiet {
            let needs = needs(&[change(Level::Note)], Some(&recent), None);
            assert_eq!(needs, Reasons::default());
            assert!(missing(&needs, &Consent::default()).is_none());
        }
        assert_eq!(needs(&[], None, None), Reasons::default());
    }

    #[test]
    fn one_consent_does_not_stand_for_another() {
        let needs = needs(&[change(Level::Wider)], Some(&compared(5, 0, 0)), None);
        let all_but_silent = Consent {
            allow_wider: true,
            allow_breaking: true,
            allow_failing: true,
            probation: false,
            ..Consent::default()
        };
        let code = |given: &Consent| missing(&needs, given).map(|refused| refused.code());
        assert_eq!(code(&Consent::default()), Some("needs-allow-wider"));
        assert_eq!(code(&all_but_silent), Some("needs-allow-silent"));
        let silent = Consent {
            allow_silent: true,
            ..all_but_silent
        };
        assert_eq!(code(&silent), None);
    }
}
