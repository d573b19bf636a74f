//! Tidegate: from a private event bus to public WebSockets, through sandboxed transforms.
//!
//! ```text
//!  Redis ─► upstream ─Event─► pipeline ─(transform, guard)─► Frame ─► hub ─► outbox ─► session ─► socket
//!                                ▲                                     ▲                 │
//!                             registry (which component is live)       └── subscribe ────┘
//!  gate: asked once, at the door         admin: its own listener, from the side
//! ```
//! The modules, in the order that data flows:

pub mod admin;
pub mod asyncapi;
pub mod cli;
pub mod gate;
pub mod host;
pub mod hub;
pub mod pipeline;
pub mod registry;
pub mod server;
pub mod session;
pub mod transform;
pub mod upstream;

// Leaves, which any of them may use.
pub mod channel;
pub mod event;
pub mod metrics;
pub mod settings;
pub mod shutdown;
