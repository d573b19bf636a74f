//! Files of what opens doors, API keys and admin tokens alike: JSON lists with a digest each.
//!
//! Only digests are stored, so reading a file gives nobody a secret. Reading is strict: a
//! file that is half understood would let in, or keep out, the wrong ones. What a holder may
//! do is the record's own type's, in `gate` and `admin`.

mod change;
mod field;
mod file;
mod watch;

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(crate) use self::field::{
    VERSION, created, field, id, is_id, is_name, list, name, revoked, sha256, time_or_null,
    version, write_sha256,
};
pub use self::file::{read, update};
pub use self::watch::{FileWatch, watch};

/// Random bytes of a secret: 160 bits, which are 32 characters of base32.
const SECRET_BYTES: usize = 20;

/// The record of one secret.
pub trait Credential: Clone + PartialEq + Send + 'static {
    /// What it is called; with "file" after it, its file.
    const NOUN: &'static str;
    /// The command that makes, lists and revokes it, and the flag that names the file.
    const COMMAND: &'static str;
    const FLAG: &'static str;
    /// What a file must be, in words.
    const SHAPE: &'static str;

    /// The records of a file.
    ///
    /// # Errors
    /// With a text that begins with a field in backquotes where it may be shown.
    fn parse(json: &[u8]) -> serde_json::Result<Vec<Self>>;
    /// The file of these records.
    fn form(records: &[Self]) -> impl Serialize;

    fn id(&self) -> &str;
    fn name(&self) -> &str;
    fn digest(&self) -> &[u8; 32];
    /// Since when it is not in force.
    fn revoked(&mut self) -> &mut Option<Timestamp>;
    fn in_force(&self, now: Timestamp) -> bool;
}

/// Why a file could not be used. Nothing of its contents is ever in here.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read the {noun} file {}: {cause}", .path.display())]
    Read {
        noun: &'static str,
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("the {noun} file {} has more than {} MiB", .path.display(), file::MAX_BYTES >> 20)]
    TooLarge { noun: &'static str, path: PathBuf },
    #[error("the {noun} file {}, line {line}: {reason}", .path.display())]
    Form {
        noun: &'static str,
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("cannot write the {noun} file {}: {cause}", .path.display())]
    Write {
        noun: &'static str,
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("cannot start the watch on the {noun} file: {cause}")]
    Watch {
        noun: &'static str,
        cause: std::io::Error,
    },
}

impl FileError {
    /// What to do about it.
    pub fn next<T: Credential>(&self) -> Option<String> {
        use std::io::ErrorKind::{NotFound, PermissionDenied, StorageFull};
        let next = match self {
            Self::Read { cause, .. } if cause.kind() == NotFound => format!(
                "make a first {} with `{} create`, or name another file with {}",
                T::NOUN,
                T::COMMAND,
                T::FLAG
            ),
            Self::Write { cause, .. } if cause.kind() == NotFound => format!(
                "make the file's folder first, or name another file with {}",
                T::FLAG
            ),
            Self::Read { cause, .. } | Self::Write { cause, .. } => match cause.kind() {
                PermissionDenied => "run this as the user who owns the file".to_owned(),
                StorageFull => "make room on its disk".to_owned(),
                _ => return None,
            },
            Self::Form { .. } => "mend that line, or bring back a copy of the file".to_owned(),
            Self::TooLarge { .. } | Self::Watch { .. } => return None,
        };
        Some(next)
    }

    /// With what to do about it.
    pub fn advised<T: Credential>(self) -> anyhow::Error {
        match self.next::<T>() {
            Some(next) => anyhow::anyhow!("{self}; {next}"),
            None => self.into(),
        }
    }
}

/// The text of a secret, which exists only where it is made and where it is used.
pub struct SecretText(String);

impl SecretText {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// The system has no random numbers to give, so there can be no secret.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(getrandom::Error);

/// A new secret, which begins with `prefix`, and its digest.
///
/// # Errors
/// When the system gives no random numbers.
pub fn generate(prefix: &str) -> Result<(SecretText, [u8; 32]), NoRandomness> {
    let text = format!("{prefix}{}", random_base32(SECRET_BYTES)?);
    let digest = digest(&text);
    Ok((SecretText(text), digest))
}

/// So many random bytes in lower-case base32.
pub(crate) fn random_base32(bytes: usize) -> Result<String, NoRandomness> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(NoRandomness)?;
    Ok(data_encoding::BASE32_NOPAD
        .encode(&random)
        .to_ascii_lowercase())
}

/// What a file keeps of a secret. A fast hash is right for 160 random bits.
pub fn digest(secret: &str) -> [u8; 32] {
    digest_of(secret.as_bytes())
}

/// The digest by which contents are told from others.
pub(crate) fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
