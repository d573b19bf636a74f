//! What operators are shown: the shapes that the admin API answers with and the commands read.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipeline::Counts;
use crate::revision::Revision;
use crate::revision::certificate::Certificate;
use crate::revision::change::Change;
use crate::revision::compare::report::Comparison;
use crate::state::audit::Entry;
use crate::transform::{Component, Peaks, RevisionId};

/// One transform of this host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TransformReport {
    pub name: String,
    pub state: TransformState,
    /// What runs.
    pub revision: Revision,
    /// What a rollback would go to, ready to run.
    pub previous: Option<RevisionId>,
    /// What was taken back, by hand or by Tidegate: it runs again only when it is named.
    #[serde(default)]
    pub withdrawn: Vec<RevisionId>,
    /// Grows with each decision about this transform.
    #[serde(default)]
    pub generation: u64,
    /// This host goes its own way until it is resumed, whatever the fleet wants.
    #[serde(default)]
    pub detached: bool,
    /// Why what is wanted does not run; none where it does.
    #[serde(default)]
    pub trouble: Option<String>,
    pub lanes: usize,
    /// Whether the settings of this host name it; otherwise it runs because it was applied.
    pub configured: bool,
    /// When, and by whom, this revision was made active.
    pub since: Timestamp,
    pub by: String,
    /// Since this revision became active in this process.
    pub figures: Figures,
    /// What it has used at most of what is limited, in the same time.
    pub high_water: HighWater,
    /// While it is on probation.
    pub probation: Option<ProbationReport>,
    /// The last time that Tidegate returned to an earlier revision by itself.
    pub returned: Option<Returned>,
    /// The shadow that runs beside it now.
    pub shadow: Option<String>,
    /// What a change has not come to yet, such as the disk, which is tried again; and why no change
    /// would come to it now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_yet: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransformState {
    Live,
    Paused,
    /// Put out for a while after faults in a row.
    Out,
    /// Nothing runs that may: what is wanted is not ready, or not known yet.
    Held,
}

/// The last of what was done, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Of this host, and of its fleet where it is of one: of that the last 1,000 lines are there.
    pub entries: Vec<HistoryEntry>,
    /// The hash of the last line of this host's own log. Whoever keeps it elsewhere can tell later
    /// whether the log still has that line and all before it; none where the log is empty.
    pub head: Option<String>,
    /// Why lines of other hosts are not among them; none where they are, and without a fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// One line of an audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The host that wrote it; none without a fleet.
    #[serde(default)]
    pub host: Option<String>,
    #[serde(flatten)]
    pub entry: Entry,
}

impl TransformState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Out => "out",
            Self::Held => "held",
        }
    }
}

/// The family of a transform, and how that is doing.
#[derive(Debug, Clone)]
pub struct FamilyState {
    pub family: String,
    pub transform: String,
    pub state: TransformState,
    /// Until it is tried again, where it is out.
    pub out_for: Option<Duration>,
    /// Why the upstream does not give something that the transform asks for; none where it does.
    pub denied: Option<String>,
    /// Why what is wanted does not run; none where it does.
    pub trouble: Option<String>,
}

/// What became of a revision's events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    pub events: u64,
    /// Refused by the component itself.
    pub rejected: u64,
    pub faults: u64,
    /// Events of which the guard stopped something.
    pub guard_blocks: u64,
    /// Mean time of a call of the component, in microseconds, without the guard.
    pub mean_micros: f64,
}

impl Figures {
    pub(super) fn of(counts: &Counts) -> Self {
        Self {
            events: counts.events,
            rejected: counts.rejected,
            faults: counts.faults,
            guard_blocks: counts.blocked,
            mean_micros: counts.mean_call.as_secs_f64() * 1e6,
        }
    }
}

/// What a revision has used at most of what is limited, its warm-up included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HighWater {
    /// Of one instance: `memory`.
    pub memory_bytes: Mark,
    /// Core instances of one instance, the same for all: `max-instances`.
    pub instances: Mark,
    /// Of one call, by the clock, which runs on while a busy machine lets it wait; `deadline`
    /// is time of the processor.
    pub call_micros: Mark,
    /// Of one event: `max-publications`.
    pub publications: Mark,
    /// Of all publications of one event: `max-output`.
    pub output_bytes: Mark,
}

impl HighWater {
    /// What was used at most, beside what may be.
    pub(super) fn of(peaks: &Peaks, component: &Component) -> Self {
        let limits = component.limits();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mark = |most, limit: usize| Mark {
            most,
            limit: limit as u64,
        };
        Self {
            memory_bytes: mark(peaks.memory, limits.memory),
            instances: mark(component.instances, limits.max_instances),
            call_micros: Mark {
                most: micros(peaks.call),
                limit: micros(limits.deadline),
            },
            publications: mark(peaks.publications, limits.max_publications),
            output_bytes: mark(peaks.output, limits.max_output),
        }
    }
}

/// How far something got, beside how far it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    pub most: u64,
    pub limit: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbationReport {
    /// Of its time. Past that it goes on while events are missing.
    pub ends_in_seconds: f64,
    /// How many more events have to come until something is shown by them.
    pub missing_events: u64,
    /// Events that failed so far and went out through the previous revision.
    pub failures: u64,
    /// Events on which the previous revision failed as well: they are not held against this one.
    pub common_failures: u64,
}

/// The evidence of an automatic return.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Returned {
    pub from: RevisionId,
    /// None where no good revision shows as little, and the transform was paused.
    pub to: Option<RevisionId>,
    pub at: Timestamp,
    pub reason: String,
    pub figures: Figures,
    /// The first faults and blocks, in words; nothing of any event.
    pub examples: Vec<String>,
}

/// A revision and its part.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RevisionReport {
    pub role: Role,
    pub revision: Revision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Active,
    Previous,
    /// Taken back: it runs again only when it is named.
    Withdrawn,
    /// On disk, and none of these.
    Kept,
}

/// The answer to a component that was sent to be checked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// What it would be.
    #[serde(flatten)]
    pub revision: Revision,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// What it wrote to its log while it was described, configured and tried with its samples:
    /// the first 20 lines, with their levels.
    pub log: Vec<String>,
}

/// What a component imports, and what it gets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// Such as `wasi:clocks/wall-clock@0.2.3`.
    pub name: String,
    /// In words, such as `nothing: no folder is open`.
    pub gets: String,
}

impl Import {
    /// Whether a language's tools brought it; the rest is the contract's.
    pub fn is_of_wasi(&self) -> bool {
        self.name.starts_with("wasi:")
    }
}

/// The answer to a component that was sent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pushed {
    pub revision: Revision,
    /// False where it was here already.
    pub new: bool,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
}

/// What would change if a revision were applied.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    pub id: String,
    pub transform: String,
    /// What runs now; none for a new transform.
    pub from: Option<RevisionId>,
    pub to: RevisionId,
    /// Beside what runs; and where clients may see another revision somewhere, what shows them more
    /// than that or breaks something for them, which says against which it is.
    pub changes: Vec<Change>,
    /// What applying it needs somebody to agree to.
    pub needs: Reasons,
    /// Both on the last events, where there were any.
    pub recent: Option<Comparison>,
    /// Why a probation would return from the revision, were all events like the last ones; none
    /// where it would not, or where there is none.
    pub probation_would_undo: Option<String>,
    /// Where Tidegate returns to by itself if it fails. None where no revision is known to be
    /// good that shows no more than this one: then nothing goes out until somebody decides, unless
    /// that was agreed to with `return_wider`.
    #[serde(default)]
    pub returns_to: Option<RevisionId>,
    /// What the fuzzer tried on the component in vain; none where nobody has shown that.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    pub at: Timestamp,
    pub by: String,
    /// Until when it can be applied, if nothing else changes meanwhile.
    pub expires: Timestamp,
}

/// Why somebody has to agree, in sentences by the consent that they need; none where they need
/// none. `rollout::consent` works them out and holds consents against them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reasons {
    /// What clients could see that they could not before, and what is read or let out that was
    /// not before: `allow_wider`.
    pub wider: Vec<String>,
    /// What clients rely on and is gone or has another form: `allow_breaking`.
    pub breaking: Vec<String>,
    /// The families of which nothing comes any more on the last events: `allow_silent`.
    pub silent: Vec<String>,
    /// Why it may fail, or be taken back in its probation: `allow_failing`.
    pub failing: Vec<String>,
}

/// What an apply or a rollback did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    pub transform: String,
    pub from: Option<RevisionId>,
    pub to: RevisionId,
    /// How long it is watched; none without probation.
    pub probation_seconds: Option<f64>,
    /// From the order to the last lane's switch, in microseconds; none where a fleet does it.
    pub switch_micros: Option<u64>,
    /// Whether the transform is paused: then no event goes through it until it is resumed.
    pub paused: bool,
    /// What the change has not come to yet, such as the disk. That is tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_yet: Vec<String>,
}

/// A candidate beside the active revision, on live events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ShadowReport {
    pub id: String,
    pub transform: String,
    pub active: RevisionId,
    pub candidate: RevisionId,
    pub state: ShadowState,
    /// How far it is, from 0 to 1: by events or by time, whichever is further.
    pub progress: f64,
    pub comparison: Comparison,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShadowState {
    Running,
    Done,
    /// Ended before its time, because it was asked to or because another revision was applied.
    Stopped,
}
