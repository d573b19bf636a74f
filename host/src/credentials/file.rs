//! Reading and changing a file of credentials on disk. Writers take turns by a lock on a
//! file beside it. How the bytes get there is `files`'s, what is inside is the record's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::error::Category;

use super::{Credential, FileError};
use crate::files;

/// The largest file that is read: some 40,000 records.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Reads all records of a file, those that are no longer in force too.
///
/// # Errors
/// When it cannot be read, or is not wholly understood.
pub fn read<T: Credential>(path: &Path) -> Result<Vec<T>, FileError> {
    parse(path, &read_bytes::<T>(path)?)
}

/// The bytes of the file, if it is a file of a sane size.
pub(super) fn read_bytes<T: Credential>(path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |cause| FileError::Read {
        noun: T::NOUN,
        path: path.to_owned(),
        cause,
    };
    let bytes = files::read_regular_within(path, MAX_BYTES).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge {
            noun: T::NOUN,
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

pub(super) fn parse<T: Credential>(path: &Path, bytes: &[u8]) -> Result<Vec<T>, FileError> {
    T::parse(bytes).map_err(|error| FileError::Form {
        noun: T::NOUN,
        path: path.to_owned(),
        line: error.line(),
        reason: reason(&error, T::SHAPE),
    })
}

/// What is wrong, without a word of what the file says.
fn reason(error: &serde_json::Error, shape: &str) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    let ours = ["`", "missing field `", "duplicate field `"];
    match error.classify() {
        Category::Data if ours.iter().any(|start| text.starts_with(start)) => text.to_owned(),
        Category::Data => format!("the file must be {shape}, nothing else"),
        Category::Eof => "the JSON is cut off here".to_owned(),
        Category::Syntax | Category::Io => "this is not JSON".to_owned(),
    }
}

/// Changes the file as one step: reads it, or begins with no records where there is none,
/// and writes what `change` leaves.
///
/// # Errors
/// When the file cannot be read or written. That, and an error of `change`, leaves it as it was.
pub fn update<T: Credential, A, E: From<FileError>>(
    path: &Path,
    change: impl FnOnce(&mut Vec<T>) -> Result<A, E>,
) -> Result<A, E> {
    let failed = |cause| FileError::Write {
        noun: T::NOUN,
        path: path.to_owned(),
        cause,
    };
    // Through a link to the file itself, which a rename would otherwise replace.
    let target = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        found => found.map_err(failed)?,
    };
    let lock = lock_file(&target).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut records = match read(&target) {
        Err(FileError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
        records => records?,
    };
    let answer = change(&mut records)?;
    let written = serde_json::to_vec_pretty(&T::form(&records));
    let mut bytes = written.map_err(io::Error::from).map_err(failed)?;
    bytes.push(b'\n');
    files::replace(&target, &bytes).map_err(failed)?;
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
