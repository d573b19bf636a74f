//! The components that the binary carries: whatever stood in `transforms/dist` when it was
//! built. The host knows them by the names of their files and in no other way.

use crate::settings::{ComponentSource, TransformSettings};
use crate::transform::limits::Limits;

/// Name and bytes, by name. Written by the build script.
const BUILTIN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

pub(super) fn find(name: &str) -> Option<&'static [u8]> {
    BUILTIN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, bytes)| *bytes)
}

pub(super) fn names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

/// Each of them once, with its own defaults.
pub(super) fn all_by_default() -> Vec<TransformSettings> {
    names()
        .into_iter()
        .map(|name| TransformSettings {
            component: ComponentSource::Builtin(name.into()),
            settings: serde_json::json!({}),
            lanes: 1,
            limits: Limits::default(),
        })
        .collect()
}
