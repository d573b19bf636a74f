//! What a transform shall run and what it does run: decided by functions without I/O, for a
//! single host and for a fleet alike.
//!
//! ```text
//! request ─► desired (what is wanted, by generation) ─► intent (what this host goes by) ─► actions
//!                ▲                                          │
//!                └──────── verdicts of probations ◄─────────┘
//! ```
//! Whoever does what is decided here (loads, switches, saves, talks to Redis) stands around it.

pub mod canary;
mod choice;
pub mod desired;
mod faults;
pub mod first_look;
pub mod intent;
pub mod merge;
#[cfg(test)]
mod model;
pub mod reconcile;
pub mod request;
