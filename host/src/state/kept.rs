//! What is wanted of each transform, on disk: in two files that say the same, so that one that
//! is damaged costs nothing. Never is an older state taken for the present one: what was taken
//! back since would be back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::damaged::Damaged;
use super::earlier::{self, Earlier};
use super::sealed::{UnsealError, seal, unseal};
use crate::files;
use crate::transform::RevisionId;
use crate::wanted::intent::Intent;

/// By the transform's name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptSet {
    pub transforms: BTreeMap<String, KeptTransform>,
}

/// One transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptTransform {
    pub intent: Intent,
    pub lanes: usize,
}

/// A set as it stands in a file: of two, the one with the higher number is the later.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberedSet<S> {
    number: u64,
    set: S,
}

/// No host writes so often.
const MAX_NUMBER: u64 = 1 << 60;

/// The longest name of a transform, in bytes, and the most lanes of one: more than any can have.
const MAX_NAME: usize = 256;
const MAX_LANES: usize = 64;

impl NumberedSet<KeptSet> {
    /// Whether a host could have written it: nothing in it is believed for being whole.
    fn check(&self) -> Result<(), String> {
        if self.number >= MAX_NUMBER {
            return Err("its number is beyond its bound".to_owned());
        }
        for (name, kept) in &self.set.transforms {
            if name.len() > MAX_NAME {
                return Err("the name of a transform in it is beyond its bound".to_owned());
            }
            if !(1..=MAX_LANES).contains(&kept.lanes) {
                return Err(format!("{name} has {} lanes in it", kept.lanes));
            }
            let checked = kept.intent.check();
            checked.map_err(|what| format!("of {name}, {what}"))?;
        }
        Ok(())
    }
}

/// What was found in a state folder.
#[derive(Debug, Default)]
pub struct FoundSet {
    pub set: KeptSet,
    /// There was a set, and it cannot be read any more: nobody knows what was taken back.
    pub lost: bool,
    /// A sentence for each thing that was wrong.
    pub damage: Vec<String>,
}

impl KeptSet {
    /// What is wanted and what a rollback would go to: these are never pruned.
    pub fn in_use(&self) -> BTreeSet<RevisionId> {
        let mut in_use = BTreeSet::new();
        for kept in self.transforms.values() {
            in_use.extend(kept.intent.wanted().in_use().into_iter().cloned());
        }
        in_use
    }
}

#[derive(Debug)]
pub(super) struct KeptFile {
    paths: [PathBuf; 2],
    earlier: Earlier,
    /// The number of the set that was last read or written.
    number: u64,
}

impl KeptFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            paths: ["deployments.json", "deployments.copy.json"].map(|name| folder.join(name)),
            earlier: Earlier::new(folder),
            number: 0,
        }
    }

    /// The later of the two files that is whole. One that is not is moved aside.
    /// `is_used` says whether somebody has changed something in the folder: then there must be one.
    pub(super) fn load(
        &mut self,
        damaged: &Damaged,
        is_used: bool,
    ) -> Result<FoundSet, StoreError> {
        let mut found = FoundSet::default();
        let mut sets = Vec::new();
        for path in &self.paths {
            match read::<KeptSet>(path)? {
                Ok(Some(numbered)) => match numbered.check() {
                    Ok(()) => sets.push(numbered),
                    Err(what) => {
                        let name = path.file_name().unwrap_or_default().to_string_lossy();
                        let moved = damaged.take(path)?;
                        let damage = format!("{name} is what no host wrote ({what}): {moved}");
                        found.damage.push(damage);
                    }
                },
                Ok(None) => {}
                Err(UnsealError::OtherVersion) => {
                    return Err(StoreError::OtherVersion { path: path.clone() });
                }
                Err(UnsealError::Damaged) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let moved = damaged.take(path)?;
                    found.damage.push(format!("{name} was damaged: {moved}"));
                }
            }
        }
        if let Some(latest) = sets.into_iter().max_by_key(|numbered| numbered.number) {
            self.number = latest.number;
            found.set = latest.set;
        } else if found.damage.is_empty() {
            let was_there = earlier::load(&self.earlier, damaged, &mut found)?;
            found.lost |= is_used && !was_there;
        } else {
            found.lost = true;
        }
        if found.lost {
            found.damage.push(
                "what was applied and what was taken back is not known any more: what the \
                 settings name is paused; look at it, then `tidegate transform resume NAME`"
                    .to_owned(),
            );
        }
        Ok(found)
    }

    /// What a host would take up; changes nothing.
    pub(super) fn look(folder: &Path) -> Result<Option<KeptSet>, StoreError> {
        let file = Self::new(folder);
        let mut sets = Vec::new();
        for path in &file.paths {
            let set = read::<KeptSet>(path)?.ok().flatten();
            sets.extend(set.filter(|numbered| numbered.check().is_ok()));
        }
        let latest = sets.into_iter().max_by_key(|numbered| numbered.number);
        match latest {
            Some(latest) => Ok(Some(latest.set)),
            None => file.earlier.look(),
        }
    }

    /// Writes the set to the one file and then to the other.
    pub(super) fn save(&mut self, set: &KeptSet) -> Result<(), StoreError> {
        self.number += 1;
        let numbered = NumberedSet {
            number: self.number,
            set,
        };
        for path in &self.paths {
            seal(&numbered)
                .map_err(Into::into)
                .and_then(|bytes| files::replace(path, &bytes))
                .map_err(StoreError::io("write", path))?;
        }
        self.earlier.remove()
    }
}

/// The content, where the file is there.
fn read<S: for<'de> Deserialize<'de>>(
    path: &Path,
) -> Result<Result<Option<NumberedSet<S>>, UnsealError>, StoreError> {
    let bytes = files::read_if_there(path).map_err(StoreError::io("read", path))?;
    Ok(bytes.map(|bytes| unseal(&bytes)).transpose())
}
