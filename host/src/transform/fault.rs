//! What can go wrong inside a guest, as a closed list.

use wasmtime::Trap;

use super::budget::OverLimit;
use super::limits::Limits;
use super::line_table::LineTable;
use super::place;
use super::secrets::Secrets;
use super::wasi::{MAX_HANDLES, WasiDenial};

/// The longest explanation, in characters: parts of it may be the guest's own words.
const MAX_DETAIL: usize = 500;

/// The most of the guest's last words of a call that go before it, in characters.
const MAX_SAID: usize = 500;

/// One call that did not end as the contract says.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    pub kind: FaultKind,
    /// For a person: what the guest said last that was wrong, as its log has it, and what the engine
    /// or the host found. The host puts nothing of the event into it, and no secret is left in it.
    pub detail: String,
}

/// The kinds of fault; also the label of their counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The call used more time than its deadline allows.
    Deadline,
    /// A memory or table wanted to grow past its limit, and the guest gave up.
    Memory,
    Stack,
    /// More bytes crossed from guest to host than allowed.
    Boundary,
    /// Too many publications for one event, or too many bytes of them.
    Output,
    /// `configure` refused the settings, or described something else than before.
    Configure,
    /// Any other trap, and values that break the canonical ABI.
    Trap,
}

impl FaultKind {
    pub(super) const ALL: [Self; 7] = [
        Self::Deadline,
        Self::Memory,
        Self::Stack,
        Self::Boundary,
        Self::Output,
        Self::Configure,
        Self::Trap,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Boundary => "boundary",
            Self::Output => "output",
            Self::Configure => "configure",
            Self::Trap => "trap",
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

impl Fault {
    /// `detail` may have words of a guest in it, which knows these `secrets`.
    pub(super) fn new(kind: FaultKind, detail: &str, secrets: &Secrets) -> Self {
        Self {
            kind,
            detail: secrets.shown(detail, MAX_DETAIL),
        }
    }

    /// Names what the engine reports, where in the guest that was, and before it the guest's own
    /// last words of the call, as its log has them. `refused` is what the guest was denied before,
    /// if it was: most guests answer that with a trap of their own.
    pub(super) fn of(
        error: &wasmtime::Error,
        refused: Option<OverLimit>,
        complaints: Option<String>,
        lines: &LineTable,
        secrets: &Secrets,
    ) -> Self {
        let (kind, detail) = found(error, refused);
        let place = place::of(error, lines);
        let found = [Some(detail), place].into_iter().flatten();
        let found = secrets.shown(&found.collect::<Vec<_>>().join(", "), MAX_DETAIL);
        let detail = match complaints {
            Some(said) => format!("{} ({found})", secrets.shown(&said, MAX_SAID)),
            None => found,
        };
        Self { kind, detail }
    }
}

/// What the engine or the host found.
fn found(error: &wasmtime::Error, refused: Option<OverLimit>) -> (FaultKind, String) {
    if let Some(denied) = error.downcast_ref::<WasiDenial>() {
        return (denied.kind, denied.detail.clone());
    }
    let detail = error.root_cause().to_string();
    let kind = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => FaultKind::Deadline,
        Some(Trap::StackOverflow) => FaultKind::Stack,
        _ if refused.is_some() => FaultKind::Memory,
        Some(_) => FaultKind::Trap,
        // The engine has no type for these.
        None if detail.contains("fuel allocated for hostcalls") => FaultKind::Boundary,
        None if detail.contains("store handle limit exceeded") => {
            let most = format!(
                "it wanted more than {MAX_HANDLES} handles of resources (streams, pollables, its \
                 own) at a time, which is the most that there may be"
            );
            return (FaultKind::Memory, most);
        }
        None => FaultKind::Trap,
    };
    match refused {
        Some(refused) if kind == FaultKind::Memory => (kind, format!("{refused} ({detail})")),
        _ => (kind, detail),
    }
}

/// Whether the kernel would not seal the memory that instances begin with, because it was using
/// its pages at that moment. It has waited some 150 milliseconds by itself before it says so.
pub(super) fn is_busy(error: &wasmtime::Error) -> bool {
    let causes = error.chain();
    let mut causes = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| cause.kind() == std::io::ErrorKind::ResourceBusy)
}

/// Names the setting that bounds what the engine counts: it does not know its name.
pub(super) fn not_instantiated(mut fault: Fault, limits: &Limits) -> Fault {
    if fault.detail.starts_with("resource limit exceeded") {
        let most = limits.max_instances;
        fault.detail = format!(
            "{}, and `max-instances` is {most}: raise `max-instances` for this transform",
            fault.detail
        );
    }
    fault
}
