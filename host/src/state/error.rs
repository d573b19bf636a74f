//! Why the state folder did not do what was asked.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "another Tidegate uses the state folder {}; stop that one, or give this one a --state-dir \
         of its own", .folder.display()
    )]
    InUse { folder: PathBuf },
    #[error(
        "{} was written by another version of Tidegate, and this one does not understand it; \
         start that version, or give this one a --state-dir of its own", .path.display()
    )]
    OtherVersion { path: PathBuf },
    /// Its revisions are gone from the store with it.
    #[error("component {} was damaged on disk: {moved}; push it again", short(.digest))]
    Damaged { digest: String, moved: String },
    #[error("component {} is not kept here; push it again", short(.0))]
    NoSuchComponent(String),
    #[error("these bytes are not the component {} that the revision names", short(.0))]
    NotItsComponent(String),
    #[error("cannot {doing} {}: {cause}; {}", .path.display(), crate::files::advice(.cause))]
    Io {
        doing: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
}

impl StoreError {
    /// For `map_err`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io {
            doing,
            path: path.to_owned(),
            cause,
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        io::Error::other(error)
    }
}

/// As many digits as people are shown of a revision.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
