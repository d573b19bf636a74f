//! The host's own check and guard, at the place where its files expect each other. The host
//! itself, with its sandbox, is not built.
#![allow(dead_code, reason = "the host uses more of them than is tried here")]

#[path = "../host/src/transform/schema/mod.rs"]
pub(crate) mod schema;
#[path = "../host/src/transform/whole_match/mod.rs"]
pub(crate) mod whole_match;
