//! Plans on disk, a sealed file each, so that they outlive a restart. What stands in them is for
//! the rollout to say; one that cannot be read is removed, as it can be made again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::sealed::{seal, unseal};
use crate::files;

/// The folder of the plans. It blocks while it works.
#[derive(Debug)]
pub struct PlanFiles(PathBuf);

impl PlanFiles {
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        let folder = folder.join("plans");
        files::make_folder(&folder)?;
        files::remove_unfinished(&folder)?;
        Ok(Self(folder))
    }

    /// All that are whole, in no order, and nothing of the others.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let read = || -> std::io::Result<Vec<T>> {
            let mut plans = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                let path = entry?.path();
                match unseal(&fs::read(&path)?) {
                    Ok(plan) => plans.push(plan),
                    Err(_) => fs::remove_file(&path)?,
                }
            }
            Ok(plans)
        };
        read().map_err(StoreError::io("read", &self.0))
    }

    /// Keeps a plan by its id, which is letters and digits.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep<T: Serialize>(&self, id: &str, plan: &T) -> Result<(), StoreError> {
        let path = self.path(id);
        let bytes = seal(plan).map_err(Into::into);
        let written = bytes.and_then(|bytes| files::replace(&path, &bytes));
        written.map_err(StoreError::io("write", &path))
    }

    /// # Errors
    /// What the disk says.
    pub fn remove(&self, id: &str) -> Result<(), StoreError> {
        let path = self.path(id);
        files::remove_if_there(&path).map_err(StoreError::io("remove", &path))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }
}
