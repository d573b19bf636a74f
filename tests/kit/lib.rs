//! The kit: what the tests of Tidegate are written with.
//!
//! `Redis` and `Tidegate` are the real programs as children, `Client` is an API client,
//! `Raw` one with hand-made bytes, `Proxy` stands between any two, `payloads` are internal
//! events, `guest` builds components from text, `wait` waits for conditions. Nothing here
//! knows Tidegate's code: only its command line, its sockets and its contract.

pub mod binary;
pub mod client;
pub mod demo;
pub mod guest;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod payloads;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod record;
pub mod redis;
pub mod resp;
pub mod settings;
pub mod tidegate;
pub mod tls;
pub mod wait;

pub use client::{Client, Connect, Door};
pub use demo::Demo;
pub use guest::Guest;
pub use metrics::Metrics;
pub use payloads::Payload;
pub use proxy::Proxy;
pub use raw::Raw;
pub use record::Record;
pub use redis::Redis;
pub use settings::{Setup, Transform};
pub use tidegate::Tidegate;
pub use wait::{eventually, millis, secs, until};
