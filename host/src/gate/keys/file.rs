//! Reading and replacing the key file on disk.
//!
//! A reader sees the old file or the new one, never a half: writers take turns by a lock on
//! a file beside it and rename a finished copy into place. What is inside is `form`'s.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::error::Category;

use super::form::{Form, Written};
use super::{KeyFileError, KeyRecord};

/// The largest file that is read: some 40,000 keys.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Reads all keys of a file, those that are no longer in force too.
pub fn read(path: &Path) -> Result<Vec<KeyRecord>, KeyFileError> {
    parse(path, &read_bytes(path)?)
}

/// The bytes of the file, if it is a file of a sane size.
pub(in crate::gate) fn read_bytes(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let failed = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    // Asked before it is opened, since opening a pipe waits for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(KeyFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

pub(in crate::gate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<KeyRecord>, KeyFileError> {
    serde_json::from_slice::<Form>(bytes)
        .map(|form| form.keys)
        .map_err(|error| KeyFileError::Form {
            path: path.to_owned(),
            line: error.line(),
            reason: reason(&error),
        })
}

/// What is wrong, without a word of what the file says.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    let ours = ["`", "missing field `", "duplicate field `"];
    match error.classify() {
        Category::Data if ours.iter().any(|start| text.starts_with(start)) => text.to_owned(),
        Category::Data => {
            "the file must be {\"version\": 1, \"keys\": […]}, and each key an object \
                           of id, name, sha256, max_connections, channels, created, expires and \
                           revoked, nothing else"
                .to_owned()
        }
        Category::Eof => "the JSON is cut off here".to_owned(),
        Category::Syntax | Category::Io => "this is not JSON".to_owned(),
    }
}

/// Changes the file as one step: reads it, or begins with no keys where there is none, and
/// writes what `change` leaves. An error of `change` leaves the file as it was.
pub fn update<T, E: From<KeyFileError>>(
    path: &Path,
    change: impl FnOnce(&mut Vec<KeyRecord>) -> Result<T, E>,
) -> Result<T, E> {
    let failed = |source| KeyFileError::Write {
        path: path.to_owned(),
        source,
    };
    // Through a link to the file itself, which a rename would otherwise replace.
    let target = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        other => other.map_err(failed)?,
    };
    let lock = lock_file(&target).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut keys = match read(&target) {
        Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Vec::new()
        }
        other => other?,
    };
    let answer = change(&mut keys)?;
    replace(&target, &keys).map_err(failed)?;
    Ok(answer)
}

/// The file beside it that writers lock. It stays: removing it would let two of them hold
/// "the" lock at once.
fn lock_file(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(PathBuf::from(name))
}

fn replace(path: &Path, keys: &[KeyRecord]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Made with mode 0600, which a new file keeps, and removed again unless it gets to its place.
    let mut copy = tempfile::Builder::new()
        .prefix(".keys-")
        .tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut copy, &Written::new(keys))?;
    copy.write_all(b"\n")?;
    if let Ok(old) = fs::metadata(path) {
        // Root may add a key for a host that runs as somebody else, who must still read it.
        std::os::unix::fs::fchown(copy.as_file(), Some(old.uid()), Some(old.gid()))?;
        copy.as_file().set_permissions(old.permissions())?;
    }
    copy.as_file().sync_all()?;
    copy.persist(path)?;
    File::open(folder)?.sync_all()
}
