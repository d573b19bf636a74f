//! The kit: what the tests of Tidegate are written with.
//!
//! `Redis` and `Tidegate` are the real programs as children, `Client` is an API client, `Raw`
//! one with hand-made bytes, `Admin` an operator, `Proxy` stands between any two, `Fleet` is
//! three hosts, `Cluster` and `Sentinels` are many Redis servers, `Author` writes transforms beside none; `payloads` are internal events, `guest` builds components from text; `Feed`
//! and `Tape` publish what a `Follower`, a `Ledger` and a `Swarm` hold their messages against.
//! Nothing here knows Tidegate's code: only its command line, sockets and contract.

pub mod admin;
pub mod arrivals;
pub mod author;
pub mod binary;
pub mod checked;
pub mod client;
pub mod cluster;
pub mod compilers;
pub mod delivery;
pub mod demo;
pub mod dice;
pub mod dwarf;
pub mod examples;
pub mod feed;
pub mod fleet;
pub mod follow;
pub mod frames;
pub mod guest;
pub mod http;
pub mod issuer;
pub mod keys;
pub mod ledger;
pub mod metrics;
pub mod nodes;
pub mod payloads;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod quotes;
pub mod raw;
pub mod record;
pub mod redis;
pub mod relay;
pub mod resp;
pub mod rights;
pub mod roamer;
pub mod segment;
pub mod sentinels;
pub mod settings;
pub mod stage;
pub mod swarm;
pub mod tape;
pub mod terminator;
pub mod tide;
pub mod tidegate;
pub mod tls;
pub mod wait;
pub mod wall_clock;

pub use admin::{Admin, Answer};
pub use client::{Client, Connect, Door};
pub use cluster::Cluster;
pub use demo::Demo;
pub use feed::Feed;
pub use fleet::Fleet;
pub use follow::Follower;
pub use guest::Guest;
pub use ledger::Ledger;
pub use metrics::Metrics;
pub use payloads::Payload;
pub use proxy::Proxy;
pub use raw::Raw;
pub use record::Record;
pub use redis::Redis;
pub use relay::Relay;
pub use segment::Segment;
pub use sentinels::Sentinels;
pub use settings::{Setup, Transform};
pub use stage::Stage;
pub use swarm::Swarm;
pub use tape::Tape;
pub use tide::Tide;
pub use tidegate::Tidegate;
pub use wait::{eventually, millis, secs, until};
pub use wall_clock::WallClock;
