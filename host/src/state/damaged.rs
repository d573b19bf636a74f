//! Where damaged files go, so that somebody can look at them and nobody runs them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::StoreError;
use crate::files;

/// How many are kept; the oldest goes first.
const KEPT: usize = 20;

#[derive(Debug)]
pub(super) struct Damaged {
    folder: PathBuf,
}

impl Damaged {
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        files::make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Moves a file here and says where it is now.
    pub(super) fn take(&self, path: &Path) -> Result<String, StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The time leads, so that the order of names is the order of time.
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%6f");
        let name = format!("{time}-{name}");
        let moved = || -> io::Result<()> {
            fs::rename(path, self.folder.join(&name))?;
            self.forget_oldest()?;
            files::sync_folder(&self.folder)
        };
        moved().map_err(StoreError::io("move aside the damaged file", path))?;
        Ok(format!("it was moved to damaged/{name}"))
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.push(entry?.file_name());
        }
        names.sort();
        let too_many = names.len().saturating_sub(KEPT);
        for name in &names[..too_many] {
            files::remove_if_there(&self.folder.join(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_twenty_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let damaged = Damaged::open(folder.path().join("damaged")).unwrap();
        for number in 0..25 {
            let path = folder.path().join(format!("file-{number:02}"));
            fs::write(&path, "broken").unwrap();
            let said = damaged.take(&path).unwrap();
            assert!(said.ends_with(&format!("-file-{number:02}")), "{said}");
            assert!(!path.exists());
        }
        let mut left: Vec<_> = fs::read_dir(folder.path().join("damaged"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.len(), KEPT);
        assert!(left[0].ends_with("-file-05") && left[19].ends_with("-file-24"));
    }
}
