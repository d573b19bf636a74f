//! API keys in the Redis that hosts of a fleet have in common.

pub use super::fleet::{KeyChanges, KeyText, KeyWrite, RedisKeys};
