//! Why something that an operator asked for was not done: a closed list, each with a stable
//! code and words that say what to do next.

use crate::transform::RevisionId;

/// As much of a name that was asked for as an answer repeats: all of any that exists.
pub(super) fn shown(asked: &str) -> String {
    asked.chars().take(64).collect()
}

/// What to say of a revision that a probation would return from.
fn way_to_stay(faults: &[String]) -> &'static str {
    let undone = faults
        .iter()
        .any(|fault| fault.contains("probation would undo"));
    if undone {
        ", and --no-probation too if it shall stay whatever it does"
    } else {
        ""
    }
}

/// A refusal. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no transform \"{0}\"; `tidegate transform list` shows those there are")]
    NoSuchTransform(String),
    #[error(
        "there is no revision \"{0}\"; `tidegate transform show NAME` lists those that are kept, and at least 6 digits of one are needed"
    )]
    NoSuchRevision(String),
    #[error("\"{0}\" is the beginning of several revisions; give more digits")]
    AmbiguousRevision(String),
    #[error("there is no plan \"{0}\" (the newest {kept} are kept); plan again", kept = super::MAX_PLANS)]
    NoSuchPlan(String),
    #[error(
        "the plan \"{plan}\" was good until {at}; plan {revision} again and look at what changes now"
    )]
    ExpiredPlan {
        plan: String,
        revision: RevisionId,
        at: jiff::Timestamp,
    },
    #[error("there is no shadow \"{0}\" any more; start it again")]
    NoSuchShadow(String),
    #[error("there is no session \"{0}\"; `tidegate sessions` shows who is connected")]
    NoSuchSession(String),
    #[error("this host has no folder to keep revisions in; start it with --state-dir")]
    NoStateDir,
    #[error("the component was refused")]
    Check {
        /// Whose it is, where it said so before it was refused.
        transform: Option<String>,
        faults: Vec<String>,
    },
    #[error("the settings are not usable: {0}")]
    Settings(String),
    #[error("{0} is what runs already")]
    AlreadyActive(RevisionId),
    #[error("the plan was made for another state: {0}; plan again and look at what changes now")]
    StalePlan(String),
    #[error("clients would see more than now, or it reads or lets out more: {}; say --allow-wider if that is meant", .0.join("; "))]
    NeedsAllowWider(Vec<String>),
    #[error("clients would break: {}; say --allow-breaking if that is meant", .0.join("; "))]
    NeedsAllowBreaking(Vec<String>),
    #[error("clients would get nothing where they get something now: {}; mend it, or say --allow-silent if that is meant", .0.join("; "))]
    NeedsAllowSilent(Vec<String>),
    #[error(
        "the revision may fail: {}; mend it, or say --allow-failing if it shall be tried all the same{}",
        .0.join("; "), way_to_stay(.0)
    )]
    NeedsAllowFailing(Vec<String>),
    #[error("{0} has no previous revision; pause it, or apply another")]
    NoPrevious(String),
    #[error(
        "the settings name {0}, so it would be back at the next start: take its [[transform]] out \
         of the settings (where they name none, the built-in ones run) and start this host anew, \
         then remove it; `tidegate transform pause {0}` stops it now"
    )]
    NamedBySettings(String),
    #[error("this is what {0} is at already")]
    AlreadyChosen(String),
    #[error(
        "this revision of {0} was taken back; it runs again only when somebody names it: \
         `tidegate transform plan` and apply, or rollback --to"
    )]
    Withdrawn(String),
    #[error(
        "somebody chose what {0} runs, and a file that was there before does not override that; \
         `tidegate transform show {0}` says who"
    )]
    Standing(String),
    #[error(
        "hosts can go first only where a probation shows how they do; leave out --canary or \
         --no-probation, and see that probation-time is not 0"
    )]
    CanaryWithoutProbation,
    #[error(
        "what {0} runs has not stood its probation, so the other hosts have nothing good to go on \
         with; wait until it has, roll back first, or leave out --canary"
    )]
    CanaryOverProbation(String),
    #[error("the settings of this host do not name {0}, so there is nothing of theirs to follow")]
    NotInSettings(String),
    #[error("{revision} never was good or withdrawn for {transform} here; plan and apply it")]
    NeverActive {
        transform: String,
        revision: RevisionId,
    },
    #[error("{0}; try again when it is done")]
    Busy(String),
    #[error("another operator was faster: {0}; look at what runs now before you try again")]
    Conflict(String),
    #[error(
        "the fleet's Redis cannot be asked now ({0}); nothing was changed, hosts keep what they have"
    )]
    FleetUnreachable(String),
    #[error(
        "the fleet's Redis was asked to take it and has not answered ({0}): it may take it all the \
         same; see `tidegate transform list --fleet` before you try again"
    )]
    FleetUncertain(String),
    #[error("this host is not part of a fleet; start it with --fleet redis")]
    NoFleet,
    #[error(
        "the audit log cannot be written ({0}), and nothing is started that would not be in it: make \
         room on the disk of the state folder, or let this host write there, and try again; pause, \
         rollback and remove work meanwhile"
    )]
    AuditUnwritable(String),
    #[error("the state folder failed: {0}; what ran runs on")]
    State(std::io::Error),
    #[error("it could not be made ready: {0}; what ran before runs on")]
    NotReady(String),
}

impl Refused {
    /// What is wrong with a component that is to be this transform's.
    pub(super) fn check(transform: &str, faults: Vec<String>) -> Self {
        Self::Check {
            transform: Some(transform.to_owned()),
            faults,
        }
    }

    /// `id` is what was asked for.
    pub fn no_such_session(id: &str) -> Self {
        Self::NoSuchSession(shown(id))
    }

    /// Part of the admin API's contract.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchTransform(_) => "no-such-transform",
            Self::NoSuchRevision(_) => "no-such-revision",
            Self::AmbiguousRevision(_) => "ambiguous-revision",
            Self::NoSuchPlan(_) => "no-such-plan",
            Self::ExpiredPlan { .. } => "expired-plan",
            Self::NoSuchShadow(_) => "no-such-shadow",
            Self::NoSuchSession(_) => "no-such-session",
            Self::NoStateDir => "no-state-dir",
            Self::Check { .. } => "check-failed",
            Self::Settings(_) => "bad-settings",
            Self::AlreadyActive(_) => "already-active",
            Self::StalePlan(_) => "stale-plan",
            Self::NeedsAllowWider(_) => "needs-allow-wider",
            Self::NeedsAllowBreaking(_) => "needs-allow-breaking",
            Self::NeedsAllowSilent(_) => "needs-allow-silent",
            Self::NeedsAllowFailing(_) => "needs-allow-failing",
            Self::NoPrevious(_) => "no-previous",
            Self::NamedBySettings(_) => "named-by-settings",
            Self::AlreadyChosen(_) => "already-active",
            Self::NotInSettings(_) => "not-in-settings",
            Self::Withdrawn(_) => "withdrawn",
            Self::Standing(_) => "standing",
            Self::CanaryWithoutProbation => "canary-without-probation",
            Self::CanaryOverProbation(_) => "canary-over-probation",
            Self::NeverActive { .. } => "never-active",
            Self::Busy(_) => "busy",
            Self::Conflict(_) => "conflict",
            Self::FleetUnreachable(_) => "fleet-unreachable",
            Self::FleetUncertain(_) => "fleet-uncertain",
            Self::NoFleet => "no-fleet",
            Self::AuditUnwritable(_) => "audit-unwritable",
            Self::State(_) => "state-unwritable",
            Self::NotReady(_) => "not-ready",
        }
    }

    /// Whether the same may be done a little later, with nothing changed by anybody.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Busy(_)
                | Self::NotReady(_)
                | Self::StalePlan(_)
                | Self::Conflict(_)
                | Self::FleetUnreachable(_)
                | Self::FleetUncertain(_)
                | Self::AuditUnwritable(_)
                | Self::State(_)
        )
    }

    /// All that is wrong, where it is more than one thing.
    pub fn faults(&self) -> &[String] {
        match self {
            Self::Check { faults, .. }
            | Self::NeedsAllowWider(faults)
            | Self::NeedsAllowBreaking(faults)
            | Self::NeedsAllowSilent(faults)
            | Self::NeedsAllowFailing(faults) => faults,
            _ => &[],
        }
    }
}
