//! The key by which a state folder knows the machine code that it made itself: it is bound to the
//! place where it was made, so that in a folder that was copied or restored it opens nothing.
//!
//! It keeps out code that came with a copy, a backup or an archive, and files that somebody put
//! there who cannot read the folder. Whoever can read the key as this host's user can do more than
//! that already.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use ring::hmac;
use subtle::ConstantTimeEq;

use super::compiled::belongs_to_us;
use crate::files;

/// Bytes of a tag.
pub(super) const TAG: usize = 32;

/// Bytes of the key.
const KEY: usize = 32;

const NAME: &str = "compiled.key";

/// Random bytes that never leave the folder.
pub(super) struct CodeKey([u8; KEY]);

impl std::fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeKey")
    }
}

impl CodeKey {
    /// The folder's key; a new one, and true, where there is none that was made here.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, bool)> {
        match Self::read(&folder.join(NAME)) {
            Ok(Some(key)) => Ok((key, false)),
            Ok(None) => Self::make(folder).map(|key| (key, true)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::make(folder).map(|key| (key, true))
            }
            Err(error) => Err(error),
        }
    }

    /// The key, if it is at the place where it was made.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let is_ours = belongs_to_us(&metadata) && metadata.permissions().mode() & 0o077 == 0;
        if !is_ours {
            return Ok(None);
        }
        let place = place_of(&file)?;
        let mut bytes = Vec::new();
        let most = (KEY + TAG) as u64 + 1;
        file.take(most).read_to_end(&mut bytes)?;
        let Some((key, tag)) = bytes.split_first_chunk::<KEY>() else {
            return Ok(None);
        };
        let key = Self(*key);
        Ok(key.is_tag(&[&place], tag).then_some(key))
    }

    /// It is written to the side first: the place of a file is its own from the beginning, and
    /// stays so when it is renamed.
    fn make(folder: &Path) -> io::Result<Self> {
        let mut key = [0; KEY];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        let key = Self(key);
        let aside = folder.join(".tmp-compiled.key");
        files::remove_if_there(&aside)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        let tag = key.tag(&[&place_of(&file)?]);
        file.write_all(&[key.0, tag].concat())?;
        file.sync_all()?;
        fs::rename(&aside, folder.join(NAME))?;
        files::sync_folder(folder)?;
        Ok(key)
    }

    pub(super) fn tag(&self, parts: &[&[u8]]) -> [u8; TAG] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let tag = tag.as_ref().try_into();
        tag.expect("HMAC with SHA-256 has 32 bytes")
    }

    /// Whether it is the tag of these parts. How long that takes tells nothing of it.
    pub(super) fn is_tag(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.tag(parts).ct_eq(tag).into()
    }
}

/// What a copy of the file does not have: its inode and the time that it was made, which no
/// program can set, or where the file system does not know that, its device; and the machine.
fn place_of(file: &File) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    let created = metadata.created().ok();
    let created = created.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let created = created.map_or_else(
        || format!("device {}", metadata.dev()),
        |since| format!("made {}", since.as_nanos()),
    );
    let machine = fs::read("/etc/machine-id").unwrap_or_default();
    let mut place = format!("inode {} {created} ", metadata.ino()).into_bytes();
    place.extend(machine);
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_where_it_was_made_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let (key, new) = CodeKey::open(folder.path()).unwrap();
        assert!(new);
        let (again, new) = CodeKey::open(folder.path()).unwrap();
        assert!(!new && again.0 == key.0);
        // A renamed folder is the same folder.
        let beside = tempfile::tempdir().unwrap();
        let moved = beside.path().join("moved");
        fs::rename(folder.path(), &moved).unwrap();
        let (again, new) = CodeKey::open(&moved).unwrap();
        assert!(!new && again.0 == key.0);
        let copy = tempfile::tempdir().unwrap();
        fs::copy(moved.join(NAME), copy.path().join(NAME)).unwrap();
        let (copied, new) = CodeKey::open(copy.path()).unwrap();
        assert!(new && copied.0 != key.0);
    }

    #[test]
    fn a_key_that_was_cut_or_changed_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        for spoil in [
            |bytes: &mut Vec<u8>| bytes.truncate(40),
            |bytes: &mut Vec<u8>| bytes[3] ^= 1,
            |bytes: &mut Vec<u8>| bytes[KEY + 3] ^= 1,
            |bytes: &mut Vec<u8>| bytes.push(0),
            |bytes: &mut Vec<u8>| bytes.clear(),
        ] {
            CodeKey::open(folder.path()).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            spoil(&mut bytes);
            // Written in place: it is the same file.
            fs::write(&path, bytes).unwrap();
            assert!(CodeKey::open(folder.path()).unwrap().1);
        }
    }

    #[test]
    fn a_tag_is_of_its_parts_and_of_their_borders() {
        let key = CodeKey([7; KEY]);
        let tag = key.tag(&[b"ab", b"c"]);
        assert!(key.is_tag(&[b"ab", b"c"], &tag));
        assert!(!key.is_tag(&[b"a", b"bc"], &tag));
        assert!(!CodeKey([8; KEY]).is_tag(&[b"ab", b"c"], &tag));
        assert!(!key.is_tag(&[b"ab", b"c"], &tag[..31]));
    }
}
