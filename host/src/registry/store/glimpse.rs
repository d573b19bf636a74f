//! What a host would take up from a state folder, for a check: it looks only. What is damaged is
//! said and left where it is, and a host that has the folder open is not disturbed.

use std::path::Path;

use super::active::{Active, ActiveFile};
use super::records::Records;
use super::{Revision, StoreError};

/// A transform that an operator applied, with its revision and component, or why these cannot be
/// used.
#[derive(Debug)]
pub struct Applied {
    pub transform: String,
    pub active: Active,
    pub found: Result<(Revision, Vec<u8>), String>,
}

/// All of them, by name; none where there is no such folder.
///
/// # Errors
/// The disk refuses.
pub fn applied(folder: &Path) -> Result<Vec<Applied>, StoreError> {
    let records = Records::at(folder);
    let Some(set) = ActiveFile::new(folder).look()? else {
        return Ok(Vec::new());
    };
    let applied = set
        .transforms
        .into_iter()
        .filter(|(_, active)| active.applied);
    let found = applied.map(|(transform, active)| {
        let found = records.look(&active.revision)?;
        Ok(Applied {
            transform,
            active,
            found,
        })
    });
    found.collect()
}
