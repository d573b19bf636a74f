//! In which order revisions were last used, so that those go first that nobody has used for
//! longest, whatever the clock says of them.
//!
//! An order that is lost costs that revisions go by their age for a while, and no more.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::StoreError;
use super::sealed::{seal, unseal};
use crate::files;
use crate::transform::RevisionId;

/// More than there are revisions; those that are gone are let go with the oldest.
const MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Uses {
    path: PathBuf,
    /// Each revision once, in the order of their last use.
    order: Mutex<Vec<RevisionId>>,
}

impl Uses {
    pub(super) fn open(folder: &Path) -> Self {
        let path = folder.join("used.json");
        let read = files::read_if_there(&path).ok().flatten();
        let order = read.and_then(|bytes| unseal(&bytes).ok());
        Self {
            path,
            order: Mutex::new(order.unwrap_or_default()),
        }
    }

    /// Notes that these are used now.
    ///
    /// # Errors
    /// It is not on the disk; it counts until a restart all the same.
    pub(super) fn note(&self, ids: &[RevisionId]) -> Result<(), StoreError> {
        let mut order = self.order.lock();
        let before = order.clone();
        order.retain(|id| !ids.contains(id));
        order.extend_from_slice(ids);
        let beyond = order.len().saturating_sub(MAX);
        order.drain(..beyond);
        if *order == before {
            return Ok(());
        }
        let bytes = seal(&*order).map_err(Into::into);
        let written = bytes.and_then(|bytes| files::replace(&self.path, &bytes));
        written.map_err(StoreError::io("write", &self.path))
    }

    /// Lets go of those that are not kept any more.
    pub(super) fn forget(&self, ids: &[RevisionId]) {
        self.order.lock().retain(|id| !ids.contains(id));
    }

    /// Sorts revisions, the last used first. Those of which no use is known keep their order,
    /// behind all others.
    pub(super) fn sort(&self, revisions: &mut [RevisionId]) {
        let order = self.order.lock();
        let place = |id: &RevisionId| order.iter().position(|known| known == id);
        revisions.sort_by_cached_key(|id| std::cmp::Reverse(place(id)));
    }
}
