//! The file in which earlier versions kept which revision of each transform runs, read once, so
//! that an update changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::damaged::Damaged;
use super::kept::{FoundSet, KeptSet, KeptTransform};
use super::sealed::{UnsealError, unseal};
use crate::files;
use crate::transform::RevisionId;
use crate::wanted::desired::{Chooser, Decided, DecisionId, Desired, Stamp};
use crate::wanted::intent::{Intent, ProbationRecord};

#[derive(Debug)]
pub(super) struct Earlier {
    path: PathBuf,
    before: PathBuf,
}

#[derive(Debug, Deserialize)]
struct ActiveSet {
    transforms: BTreeMap<String, Active>,
}

#[derive(Debug, Deserialize)]
struct Active {
    revision: RevisionId,
    previous: Option<RevisionId>,
    past: Vec<RevisionId>,
    #[serde(default)]
    failed: Vec<RevisionId>,
    paused: bool,
    applied: bool,
    probation: bool,
    since: Timestamp,
    by: String,
    lanes: usize,
}

impl Earlier {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("active.json"),
            before: folder.join("active.previous.json"),
        }
    }

    /// What the file says; changes nothing.
    pub(super) fn look(&self) -> Result<Option<KeptSet>, StoreError> {
        let bytes = files::read_if_there(&self.path).map_err(StoreError::io("read", &self.path))?;
        let set = bytes.and_then(|bytes| unseal::<ActiveSet>(&bytes).ok());
        Ok(set.map(ActiveSet::kept))
    }

    /// Removes the file, which says nothing any more once there is something newer.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        for path in [&self.path, &self.before] {
            files::remove_if_there(path).map_err(StoreError::io("remove", path))?;
        }
        Ok(())
    }
}

/// Reads the file into `found`; false where there is none. The one before it is older, and not
/// used.
pub(super) fn load(
    earlier: &Earlier,
    damaged: &Damaged,
    found: &mut FoundSet,
) -> Result<bool, StoreError> {
    let path = &earlier.path;
    let Some(bytes) = files::read_if_there(path).map_err(StoreError::io("read", path))? else {
        return Ok(false);
    };
    match unseal::<ActiveSet>(&bytes) {
        Ok(set) => found.set = set.kept(),
        Err(UnsealError::OtherVersion) => {
            return Err(StoreError::OtherVersion { path: path.clone() });
        }
        Err(UnsealError::Damaged) => {
            let moved = damaged.take(path)?;
            found
                .damage
                .push(format!("active.json was damaged: {moved}"));
            found.lost = true;
        }
    }
    Ok(true)
}

impl ActiveSet {
    fn kept(self) -> KeptSet {
        let transforms = self.transforms.into_iter();
        KeptSet {
            transforms: transforms
                .map(|(name, active)| (name, active.kept()))
                .collect(),
        }
    }
}

impl Active {
    /// What failed was taken back; what ran before and did not fail is known, and returned to only
    /// by its name: it may have been left by a rollback.
    fn kept(self) -> KeptTransform {
        let first = Desired::configured(self.revision.clone(), self.since);
        let stamp = Stamp {
            id: self.digest(),
            by: self.by.clone(),
            at: self.since,
        };
        let mut desired = Desired {
            generation: first.generation + 1,
            ..first.clone()
        }
        .stamped(&stamp, &[&first]);
        if self.applied {
            desired.choice.chooser = Chooser::Operator;
            desired.choice.by.clone_from(&self.by);
        }
        desired.choice.probation = self.probation;
        let decided = |yes| Decided {
            yes,
            at: desired.generation,
            id: desired.id,
        };
        let earlier = self.past.into_iter().chain(self.previous);
        let mut withdrawn: BTreeMap<_, _> = earlier.map(|id| (id, decided(false))).collect();
        withdrawn.extend(self.failed.into_iter().map(|id| (id, decided(true))));
        withdrawn.remove(&self.revision);
        (desired.paused, desired.withdrawn) = (decided(self.paused), withdrawn);
        if self.probation {
            desired.proven.clear();
        }
        let choice = desired.choice.id;
        let mut intent = Intent::new(desired);
        intent.probation = self.probation.then_some(ProbationRecord {
            revision: self.revision,
            choice,
            starts: 0,
        });
        KeptTransform {
            intent,
            lanes: self.lanes,
        }
    }

    /// Names what it says as a decision: the same on each host that kept the same.
    fn digest(&self) -> DecisionId {
        let text = format!("{self:?}");
        let digest = Sha256::digest(text);
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        DecisionId::from_be_bytes(id).clamp(1, DecisionId::MAX - 1)
    }
}
