//! Components at work: the only place that names wasmtime.
//!
//! ```text
//! bytes ─► Inspected (all that they say by themselves) ─► Compiler (a child under limits)
//!   ─► Compiled (machine code, which can be kept) ─► Component (linked, described, its samples tried)
//!         └─► Instance (a store under limits) ─► publications ─► Descriptor::admit ─► frames
//! ```
//! What a component says of itself is checked once, when it is loaded; what it publishes is
//! checked every time. Which components there are, and who is live, is for the rollout.

mod blocked;
mod budget;
mod clock;
mod compile;
mod compiler;
mod component;
mod configuration;
mod described;
mod descriptor;
mod difference;
mod engine;
mod event_pattern;
mod family;
mod fault;
mod guard;
mod guest_log;
mod health;
mod high_water;
mod host_state;
mod inspect;
mod instance;
mod interface;
pub mod limits;
mod line_table;
mod outcome;
mod place;
mod rejection;
mod reuse;
mod revision;
mod samples;
pub(crate) mod schema;
mod second_try;
mod secrets;
mod settings_schema;
mod stated;
mod tryout;
mod upstream_pattern;
mod wasi;
mod whole_match;

use crate::metrics::{OTHER_FIELD, TransformMetrics};

pub use self::blocked::Blocked;
pub use self::compile::{CompileError, CompiledCode, Fingerprint, compile_here};
pub use self::compiler::{COULD_NOT_WORK, Compiler, OUT_OF_MEMORY, Uncompiled};
pub use self::component::Component;
pub use self::contract::{Publication, Sample};
pub use self::described::Described;
pub use self::descriptor::Descriptor;
pub(crate) use self::descriptor::is_transform_name;
#[cfg(test)]
pub(crate) use self::descriptor::tests::example as descriptor_example;
pub use self::difference::{FieldMismatch, between};
pub use self::engine::Engine;
pub use self::event_pattern::{Captures, EventPattern};
pub use self::family::{AllowedValues, Delivery, Family, FamilyParameter, MessageType};
pub use self::fault::{Fault, FaultKind};
pub use self::guard::{Admitted, Block};
pub(crate) use self::guest_log::printable;
pub use self::health::Health;
pub use self::high_water::{Peaks, RevisionPeaks};
pub use self::inspect::{Constants, Inspected, must_be_component};
pub use self::instance::Instance;
pub(crate) use self::interface::gets;
pub use self::line_table::{LineTable, line_table_here};
pub use self::outcome::Outcome;
pub use self::rejection::Rejection;
pub(crate) use self::rejection::{REJECTION_REASONS, reason_label};
pub use self::reuse::{MAX_PIECES, Piece, Reuse, compile_here_reusing, hand_back, take_over};
pub use self::revision::RevisionId;
pub(crate) use self::revision::is_digest;
pub(crate) use self::schema::NOTES;
pub use self::schema::{BlockReason, ClosedSchema, Width};
pub use self::secrets::Secrets;
pub use self::settings_schema::SettingsSchema;
pub(crate) use self::settings_schema::{secrets_of, shown as shown_settings};
pub use self::stated::StatedFamily;
pub use self::tryout::{Answered, ComponentAnswer, Tryout};
pub use self::upstream_pattern::UpstreamPattern;
pub use self::whole_match::WholeMatch;

/// Lets everything that is counted of a transform start at zero.
pub fn declare(metrics: &TransformMetrics) {
    for kind in FaultKind::ALL {
        metrics.fault(kind.label());
    }
    for block in Block::ALL {
        metrics.guard_block(block.label());
    }
    for reason in rejection::REJECTION_REASONS {
        metrics.rejected(rejection::reason_label(reason));
    }
    metrics.rejected_field(OTHER_FIELD);
    for outcome in ["written", "dropped"] {
        metrics.log_line(outcome);
    }
}

/// The contract, as Rust.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "generated from the contract"
)]
mod contract {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "transform",
        additional_derives: [PartialEq],
    });

    pub use self::tidegate::transform::log;
    pub use self::tidegate::transform::types::*;
}
