//! The public channels that exist now, as the descriptors of what runs have it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::channel::Pattern;
use crate::transform::{Delivery, Descriptor, Family, FamilyParameter};

/// Families by name. They change when a revision takes over.
#[derive(Debug, Default)]
pub struct Catalog {
    families: RwLock<Families>,
    /// How often it was replaced.
    version: AtomicU64,
    /// Tells its receivers when there are other channels than before.
    channels: watch::Sender<()>,
}

type Families = BTreeMap<String, Arc<Family>>;

impl Catalog {
    pub fn of(descriptors: impl IntoIterator<Item = Arc<Descriptor>>) -> Self {
        let catalog = Self::default();
        catalog.replace(descriptors);
        catalog
    }

    /// Puts the families of what runs from now on in place of those before.
    pub fn replace(&self, descriptors: impl IntoIterator<Item = Arc<Descriptor>>) {
        let families = descriptors.into_iter();
        self.replace_families(families.flat_map(|descriptor| descriptor.families.clone()));
    }

    /// The same, of families by themselves.
    pub fn replace_families(&self, families: impl IntoIterator<Item = Arc<Family>>) {
        let families = families.into_iter();
        let families = families.map(|family| (family.name.clone(), family));
        let families = families.collect();
        let before = std::mem::replace(&mut *self.families.write(), families);
        self.version.fetch_add(1, Ordering::Relaxed);
        if rules(&before) != rules(&self.families.read()) {
            self.channels.send_replace(());
        }
    }

    /// A number that changes with each change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Changes when there are other channels than before.
    pub fn channels(&self) -> watch::Receiver<()> {
        self.channels.subscribe()
    }

    /// Whether a client may ask for `pattern`.
    ///
    /// # Errors
    /// What is allowed, in words for the client.
    pub fn check(&self, pattern: &Pattern) -> Result<(), String> {
        let families = self.families.read();
        match families.get(pattern.family()) {
            Some(family) => family.check_channel(pattern),
            None => {
                let names: Vec<&str> = families.keys().map(String::as_str).collect();
                Err(format!(
                    "there is no such family; there are {}",
                    names.join(", ")
                ))
            }
        }
    }

    /// How the family of `pattern` is delivered; as `every` where there is none.
    pub fn delivery(&self, pattern: &Pattern) -> Delivery {
        let families = self.families.read();
        let family = families.get(pattern.family());
        family.map(|family| family.delivery).unwrap_or_default()
    }

    /// Why no channel that there is now matches `pattern`, in words for operators; `None` if
    /// one does.
    pub fn unmatched(&self, pattern: &Pattern) -> Option<String> {
        let rule = self.check(pattern).err()?;
        let families = self.families.read();
        let whole = families.get(pattern.family()).map(|family| {
            let stars = ":*".repeat(family.parameters.len());
            format!("; all of them are {}{stars}", family.name)
        });
        Some(format!(
            "{pattern} matches no channel: {rule}{}",
            whole.unwrap_or_default()
        ))
    }

    /// All families, by name.
    pub fn families(&self) -> Vec<Arc<Family>> {
        self.families.read().values().cloned().collect()
    }
}

/// What decides which channels there are.
fn rules(families: &Families) -> Vec<(String, Vec<String>)> {
    families
        .values()
        .map(|family| {
            let rules = family
                .parameters
                .iter()
                .map(FamilyParameter::rule)
                .collect();
            (family.channel_form(), rules)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_no_channel_is_told_with_the_form_that_would() {
        let catalog = Catalog::of([Arc::new(crate::transform::descriptor_example())]);
        let why = |pattern: &str| catalog.unmatched(&pattern.parse().unwrap());
        for good in ["ticks:*:*", "ticks:AB:*", "ticks:*:bid"] {
            assert_eq!(why(good), None, "{good}");
        }
        assert_eq!(
            why("ticks:*").unwrap(),
            "ticks:* matches no channel: a channel of this family is ticks:{symbol}:{side}, where \
             `*` stands for any part; all of them are ticks:*:*"
        );
        assert_eq!(
            why("ticks:*:mid").unwrap(),
            "ticks:*:mid matches no channel: side is one of bid, ask; all of them are ticks:*:*"
        );
        assert_eq!(
            why("tick:*:*").unwrap(),
            "tick:*:* matches no channel: there is no such family; there are ticks"
        );
    }
}
