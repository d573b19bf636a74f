//! Components at work: the only place that names wasmtime.
//!
//! ```text
//! bytes ─► Component (compiled, linked, described, its samples tried)
//!             └─► Instance (a store under limits) ─► publications ─► Descriptor::admit ─► frames
//! ```
//! What a component says of itself is checked once, when it is loaded; what it publishes is
//! checked every time. Which components there are, and who is live, is for the registry.

mod budget;
mod component;
mod descriptor;
mod engine;
mod fault;
mod guard;
mod guest_log;
mod health;
mod instance;
pub mod limits;
mod schema;
mod upstream_pattern;

use crate::metrics::TransformMetrics;

pub use self::component::{Component, LoadError};
pub use self::descriptor::{Allowed, Descriptor, Parameter};
pub use self::engine::Engine;
pub use self::fault::{Fault, FaultKind};
pub use self::guard::{Admitted, Block};
pub use self::health::Health;
pub use self::instance::{Instance, Outcome};
pub use self::upstream_pattern::UpstreamPattern;

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
