//! The public channels that exist, as the loaded descriptors have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::channel::Pattern;
use crate::transform::Descriptor;

/// Families by name.
#[derive(Debug, Default)]
pub struct Catalog {
    families: BTreeMap<String, Arc<Descriptor>>,
}

impl Catalog {
    pub(super) fn new(descriptors: impl IntoIterator<Item = Arc<Descriptor>>) -> Self {
        Self {
            families: descriptors
                .into_iter()
                .map(|one| (one.family.clone(), one))
                .collect(),
        }
    }

    /// Whether a client may ask for `pattern`.
    ///
    /// # Errors
    /// What is allowed, in words for the client.
    pub fn check(&self, pattern: &Pattern) -> Result<(), String> {
        match self.families.get(pattern.family()) {
            Some(descriptor) => descriptor.check_channel(pattern),
            None => {
                let families: Vec<&str> = self.families.keys().map(String::as_str).collect();
                Err(format!(
                    "there is no such family; there are {}",
                    families.join(", ")
                ))
            }
        }
    }

    /// All families, by name.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.families.values().map(AsRef::as_ref)
    }
}
