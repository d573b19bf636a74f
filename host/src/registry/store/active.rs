//! The active set on disk: which revision of each transform runs, and what ran before it.
//!
//! `active.previous.json` is the set before the last change. It is written first, from the
//! good one, so that at every point in time at least one of the two files is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::damaged::Damaged;
use super::sealed::{Unusable, seal, unseal};
use crate::files;
use crate::transform::RevisionId;

/// How many revisions are remembered that were active before.
const MAX_PAST: usize = 20;

/// By the transform's name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveSet {
    pub transforms: BTreeMap<String, Active>,
}

impl ActiveSet {
    /// What runs and what it can return to: these are never pruned.
    pub fn in_use(&self) -> BTreeSet<RevisionId> {
        let active = self.transforms.values();
        active
            .flat_map(|one| [Some(&one.revision), one.previous.as_ref()])
            .flatten()
            .cloned()
            .collect()
    }
}

/// One transform's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Active {
    pub revision: RevisionId,
    /// What a rollback returns to.
    pub previous: Option<RevisionId>,
    /// Those that were active before, newest first, each once. They may have been pruned.
    pub past: Vec<RevisionId>,
    /// Those that failed their probation, newest first: nothing returns to them by itself.
    #[serde(default)]
    pub failed: Vec<RevisionId>,
    pub paused: bool,
    /// Whether an operator applied it; otherwise it follows the configuration.
    pub applied: bool,
    /// Whether its probation is not over.
    pub probation: bool,
    pub since: Timestamp,
    pub by: String,
    pub lanes: usize,
}

impl Active {
    /// Notes that what runs has failed its probation.
    pub fn fail(&mut self) {
        let failed = self.revision.clone();
        self.failed.retain(|one| *one != failed);
        self.failed.insert(0, failed);
        self.failed.truncate(MAX_PAST);
    }

    /// The last one that was active before and did not fail.
    pub fn last_good(&self) -> Option<&RevisionId> {
        self.past.iter().find(|one| !self.failed.contains(one))
    }

    /// Makes `to` the active revision and the one that ran so far the previous one.
    pub fn turn_to(&mut self, to: RevisionId, by: &str, now: Timestamp) {
        if to == self.revision {
            return;
        }
        // Whoever asks for it again gives it another chance.
        self.failed.retain(|one| *one != to);
        let from = std::mem::replace(&mut self.revision, to);
        self.past
            .retain(|one| *one != from && *one != self.revision);
        self.past.insert(0, from.clone());
        self.past.truncate(MAX_PAST);
        self.previous = Some(from);
        self.since = now;
        by.clone_into(&mut self.by);
    }
}

#[derive(Debug)]
pub(super) struct ActiveFile {
    path: PathBuf,
    previous: PathBuf,
}

impl ActiveFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("active.json"),
            previous: folder.join("active.previous.json"),
        }
    }

    /// The set, and a sentence for each thing that was wrong with it.
    pub(super) fn load(&self, damaged: &Damaged) -> Result<(ActiveSet, Vec<String>), StoreError> {
        let mut said = Vec::new();
        if let Some((set, _)) = take_whole(&self.path, damaged, &mut said)? {
            return Ok((set, said));
        }
        let was_damaged = !said.is_empty();
        if let Some((set, bytes)) = take_whole(&self.previous, damaged, &mut said)? {
            if !was_damaged {
                said.push("active.json was not there".to_owned());
            }
            said.push("the active set before the last change is used".to_owned());
            files::replace(&self.path, &bytes).map_err(StoreError::io("write", &self.path))?;
            return Ok((set, said));
        }
        if !said.is_empty() {
            said.push(
                "there is no active set to go by; what the configuration names runs".to_owned(),
            );
        }
        Ok((ActiveSet::default(), said))
    }

    /// The set, or the one before it where that is not whole; changes nothing.
    pub(super) fn look(&self) -> Result<Option<ActiveSet>, StoreError> {
        let now = read_whole(&self.path)?;
        let whole = match now {
            Some(whole) => Some(whole),
            None => read_whole(&self.previous)?,
        };
        Ok(whole.map(|(set, _)| set))
    }

    pub(super) fn save(&self, set: &ActiveSet) -> Result<(), StoreError> {
        let write = |path: &Path, bytes: &[u8]| {
            files::replace(path, bytes).map_err(StoreError::io("write", path))
        };
        let bytes = seal(set).map_err(|error| {
            let failed = StoreError::io("write", &self.path);
            failed(error.into())
        })?;
        // A damaged one must not take the place of the good one before it.
        if let Some((_, current)) = read_whole(&self.path)? {
            write(&self.previous, &current)?;
        }
        write(&self.path, &bytes)
    }
}

/// The set and its bytes, where the file is there and whole.
fn read_whole(path: &Path) -> Result<Option<(ActiveSet, Vec<u8>)>, StoreError> {
    let bytes = files::read_if_there(path).map_err(StoreError::io("read", path))?;
    Ok(bytes.and_then(|bytes| Some((unseal(&bytes).ok()?, bytes))))
}

/// As `read_whole`, and moves a damaged file aside.
fn take_whole(
    path: &Path,
    damaged: &Damaged,
    said: &mut Vec<String>,
) -> Result<Option<(ActiveSet, Vec<u8>)>, StoreError> {
    let Some(bytes) = files::read_if_there(path).map_err(StoreError::io("read", path))? else {
        return Ok(None);
    };
    match unseal(&bytes) {
        Ok(set) => Ok(Some((set, bytes))),
        Err(Unusable::OtherVersion) => Err(StoreError::OtherVersion {
            path: path.to_owned(),
        }),
        Err(Unusable::Damaged) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            said.push(format!("{name} was damaged: {}", damaged.take(path)?));
            Ok(None)
        }
    }
}
