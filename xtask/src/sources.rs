//! Which sources components were built from, as a digest beside them.
//!
//! The digest is over the contract, manifests and locks, and the code: a change to any of them
//! makes the components stale until they are built again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

const RECORD: &str = "SOURCES.sha256";

/// Everything that the components in `transforms/dist` are made from, as files and folders below
/// the root.
pub(crate) const OF_DIST: [&str; 14] = [
    "transforms/Cargo.lock",
    "transforms/Cargo.toml",
    "transforms/candle/Cargo.toml",
    "transforms/candle/src",
    "transforms/empty/Cargo.toml",
    "transforms/empty/src",
    "transforms/sdk/Cargo.toml",
    "transforms/sdk/derive/Cargo.toml",
    "transforms/sdk/derive/src",
    "transforms/sdk/src",
    "transforms/sdk/wit",
    "transforms/signal/Cargo.toml",
    "transforms/signal/src",
    "wit",
];

/// Writes the digest of these sources below `root` into `folder`.
pub(crate) fn record(root: &Path, sources: &[&str], folder: &Path) -> Result<()> {
    let path = folder.join(RECORD);
    fs::write(&path, format!("{}\n", digest(root, sources)?))
        .with_context(|| format!("could not write {}", path.display()))
}

/// Whether the components in `folder` come from other sources than these below `root`.
pub(crate) fn stale(root: &Path, sources: &[&str], folder: &Path) -> Result<bool> {
    let recorded = fs::read_to_string(folder.join(RECORD)).unwrap_or_default();
    Ok(recorded.trim() != digest(root, sources)?)
}

fn digest(root: &Path, sources: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for source in sources {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let content =
            fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy();
        // Lengths first, so that no two lists of files read the same.
        digest.update(format!("{name}\n{}\n", content.len()));
        digest.update(&content);
    }
    Ok(format!("{:x}", digest.finalize()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries =
        fs::read_dir(path).with_context(|| format!("could not list {}", path.display()))?;
    for entry in entries {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{GUESTS, dist};

    #[test]
    fn the_components_in_dist_come_from_the_sources_here() {
        assert!(
            !stale(&crate::root(), &OF_DIST, &dist()).unwrap(),
            "transforms/dist is stale: run `cargo xtask transforms` and commit what it writes"
        );
        for (_, file) in GUESTS {
            assert!(dist().join(file).is_file(), "{file}");
        }
    }

    #[test]
    fn any_change_to_a_source_makes_components_stale() {
        let copy = tempfile::tempdir().unwrap();
        let root = crate::root();
        let mut files = Vec::new();
        for source in OF_DIST {
            collect(&root.join(source), &mut files).unwrap();
        }
        for file in &files {
            let to = copy.path().join(file.strip_prefix(&root).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        assert!(
            stale(copy.path(), &OF_DIST, copy.path()).unwrap(),
            "nothing recorded"
        );
        record(copy.path(), &OF_DIST, copy.path()).unwrap();
        assert!(!stale(copy.path(), &OF_DIST, copy.path()).unwrap());

        let added = copy.path().join("transforms/candle/src/added.rs");
        fs::write(&added, "").unwrap();
        assert!(
            stale(copy.path(), &OF_DIST, copy.path()).unwrap(),
            "a file added"
        );
        fs::remove_file(&added).unwrap();
        assert!(!stale(copy.path(), &OF_DIST, copy.path()).unwrap());

        let changed = copy.path().join("wit/transform.wit");
        let text = fs::read_to_string(&changed).unwrap();
        fs::write(&changed, format!("{text}\n")).unwrap();
        assert!(
            stale(copy.path(), &OF_DIST, copy.path()).unwrap(),
            "a file changed"
        );
    }
}
