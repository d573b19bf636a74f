//! What a host would take up from a state folder, for a check: it looks only. What is damaged is
//! said and left where it is, and a host that has the folder open is not disturbed.

use std::path::Path;

use super::StoreError;
use super::kept::KeptFile;
use super::records::Records;
use crate::revision::Revision;
use crate::wanted::desired::{Choice, Chooser};

/// A transform that somebody applied, with its revision and component, or why these cannot be
/// used.
#[derive(Debug)]
pub struct AppliedTransform {
    pub transform: String,
    pub choice: Choice,
    pub found: Result<(Revision, Vec<u8>), String>,
}

/// All transforms that somebody applied, by name; none where there is no such folder.
///
/// # Errors
/// The disk refuses.
pub fn applied(folder: &Path) -> Result<Vec<AppliedTransform>, StoreError> {
    let records = Records::at(folder);
    let Some(set) = KeptFile::look(folder)? else {
        return Ok(Vec::new());
    };
    let mut applied = Vec::new();
    for (transform, kept) in set.transforms {
        let choice = kept.intent.wanted().choice;
        if choice.chooser == Chooser::Configuration {
            continue;
        }
        let Some(revision) = &choice.revision else {
            continue;
        };
        applied.push(AppliedTransform {
            found: records.look(revision)?,
            transform,
            choice,
        });
    }
    Ok(applied)
}
