//! The key file: which API keys there are, and what each may do.
//!
//! Only digests are stored, so reading the file gives nobody a key. Reading is strict: a
//! file that is half understood would let in, or keep out, the wrong ones. `watch` notices
//! changes; what a key's holder may do is enforced by the rest of the gate.

mod file;
mod form;

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::channel::Pattern;

pub(super) use file::{parse, read_bytes};
pub use file::{read, update};
pub(crate) use form::{MAX_CONNECTIONS, is_name};

/// What every key begins with, so that scanners for leaked secrets can find it.
pub const PREFIX: &str = "tdg_";

/// Random bytes of a key: 160 bits, which are 32 characters of base32.
const KEY_BYTES: usize = 20;

/// One key, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// For logs and for `key revoke`. It tells nothing about the key itself.
    pub id: String,
    /// Whose it is. Among keys in force, one each.
    pub name: String,
    /// Of the key's text. A fast hash is right for 160 random bits.
    pub sha256: [u8; 32],
    /// Live sessions at a time.
    pub max_connections: u32,
    /// What may be subscribed to; everything, if there is no list.
    pub channels: Option<Vec<Pattern>>,
    pub created: Timestamp,
    /// From then on it is not in force.
    pub expires: Option<Timestamp>,
    /// Since when it is not in force.
    pub revoked: Option<Timestamp>,
}

impl KeyRecord {
    /// Whether the key opens the door at that time. A revocation counts at once, whatever
    /// the clocks of the two machines say.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

/// Why the key file could not be used. Nothing of its contents is ever in here.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot read the key file {}: {source}", .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the key file {} has more than {} MiB", .path.display(), file::MAX_BYTES >> 20)]
    TooLarge { path: PathBuf },
    #[error("the key file {}, line {line}: {reason}", .path.display())]
    Form {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("cannot write the key file {}: {source}", .path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot start the watch on the key file: {source}")]
    Watch { source: std::io::Error },
}

/// The text of a key, which exists only where it is made and where it is used.
pub struct KeyText(String);

impl KeyText {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// The system has no random numbers to give, so there can be no key.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(getrandom::Error);

/// A new key and its digest.
pub fn generate() -> Result<(KeyText, [u8; 32]), NoRandomness> {
    let text = format!("{PREFIX}{}", random_base32(KEY_BYTES)?);
    let digest = digest(&text);
    Ok((KeyText(text), digest))
}

/// So many random bytes in lower-case base32.
pub(crate) fn random_base32(bytes: usize) -> Result<String, NoRandomness> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(NoRandomness)?;
    Ok(data_encoding::BASE32_NOPAD
        .encode(&random)
        .to_ascii_lowercase())
}

/// What the file keeps of a key.
pub fn digest(key: &str) -> [u8; 32] {
    digest_of(key.as_bytes())
}

pub(super) fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
