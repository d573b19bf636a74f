//! Tidegate: from a private event bus to public WebSockets, through sandboxed transforms.
//!
//! ```text
//!  Redis ─► upstream ─Event─► pipeline ─(transform, guard)─► Message ─► hub ─Frame with seq─► loops ─► socket
//!                                ▲                                                           ▲  │
//!                             rollout (what is wanted, what runs)                              │  └► session
//!                                                                                            └ requests ┘
//!  gate: asked once, at the door         admin: its own listener, from the side
//! ```
//! The modules, in the order that data flows; then what starts them; then the leaves, which
//! any of them may use.
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "what a test starts, the test awaits"
    )
)]

pub mod upstream;

pub mod pipeline;

pub mod transform;

pub mod hub;

pub mod fleet;
pub mod revision;
pub mod rollout;
pub mod state;
pub mod wanted;

pub mod session;

pub mod loops;

pub mod gate;
pub mod usage;

pub mod listener;

pub mod admin;
pub mod asyncapi;

pub mod settings;

pub mod host;

pub mod cli;

pub mod kit;

pub mod catalog;
mod causes;
pub mod certificates;
pub mod channel;
pub mod count;
pub mod credentials;
pub mod event;
mod files;
pub mod log;
pub mod metrics;
mod reload;
pub mod shutdown;
mod signals;
pub mod tasks;
