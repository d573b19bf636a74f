//! Components at work: the only place that names wasmtime.
//!
//! ```text
//! bytes ─► Inspected (all that they say by themselves) ─► Compiler (a child under limits)
//!   ─► Compiled (machine code, which can be kept) ─► Component (linked, described, its samples tried)
//!         └─► Instance (a store under limits) ─► publications ─► Descriptor::admit ─► frames
//! ```
//! What a component says of itself is checked once, when it is loaded; what it publishes is
//! checked every time. Which components there are, and who is live, is for the registry.

mod blocked;
mod budget;
mod clock;
mod compile;
mod compiler;
mod component;
mod descriptor;
mod engine;
mod fault;
mod guard;
mod guest_log;
mod health;
mod high_water;
mod inspect;
mod instance;
mod interface;
pub mod limits;
mod revision;
mod samples;
pub(crate) mod schema;
mod upstream_pattern;
mod whole_match;

use crate::metrics::TransformMetrics;

pub use self::blocked::Blocked;
pub use self::compile::{CompileError, Compiled, Fingerprint, compile_here};
pub use self::compiler::{Compiler, OUT_OF_MEMORY};
pub use self::component::Component;
#[cfg(test)]
pub(crate) use self::descriptor::tests::example as descriptor_example;
pub use self::descriptor::{Allowed, Descriptor, Parameter};
pub use self::engine::Engine;
pub use self::fault::{Fault, FaultKind};
pub use self::guard::{Admitted, Block};
pub(crate) use self::guest_log::printable;
pub use self::health::Health;
pub use self::high_water::{HighWater, Peaks};
pub use self::inspect::Inspected;
pub use self::instance::{Instance, Outcome};
pub use self::revision::RevisionId;
pub(crate) use self::revision::is_digest;
pub(crate) use self::schema::NOTES;
pub use self::schema::{ClosedSchema, Refusal};
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
    for reason in instance::REJECTION_REASONS {
        metrics.rejected(instance::reason_label(reason));
    }
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
