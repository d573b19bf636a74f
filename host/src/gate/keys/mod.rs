//! API keys as their file has them: which there are, and what each may do. Reading, changing
//! and watching such a file is `credentials`'s; what a key's holder may do is enforced by the
//! rest of the gate.

mod form;
pub mod table;
pub mod unmatched;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::form::KeysFile;
pub(crate) use self::form::MAX_CONNECTIONS;
use crate::channel::Pattern;
pub use crate::credentials::digest;
use crate::credentials::{self, Credential};

/// What every key begins with, so that scanners for leaked secrets can find it.
pub const PREFIX: &str = "tdg_";

/// What happens when a key is shown that has all its sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AtLimit {
    /// The new one is refused
    #[default]
    Refuse,
    /// The new one gets in, and the oldest has to leave
    ReplaceOldest,
}

impl AtLimit {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// As the file and the command line write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::ReplaceOldest => "replace-oldest",
        }
    }
}

/// One key, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// For logs and for `key revoke`. It tells nothing about the key itself.
    #[serde(deserialize_with = "credentials::id")]
    pub id: String,
    /// Whose the key is; no two keys in force have the same name.
    #[serde(deserialize_with = "credentials::name")]
    pub name: String,
    /// Of the key's text.
    #[serde(
        serialize_with = "credentials::write_sha256",
        deserialize_with = "credentials::sha256"
    )]
    pub sha256: [u8; 32],
    /// Live sessions at a time.
    #[serde(deserialize_with = "form::max_connections")]
    pub max_connections: u32,
    /// What becomes of one more. Not written where it is the usual, so that a Tidegate that
    /// does not know this reads the file.
    #[serde(
        default,
        skip_serializing_if = "AtLimit::is_usual",
        deserialize_with = "form::at_limit"
    )]
    pub at_limit: AtLimit,
    /// What may be subscribed to; everything, if there is no list.
    #[serde(default, deserialize_with = "form::channels")]
    pub channels: Option<Vec<Pattern>>,
    #[serde(deserialize_with = "credentials::created")]
    pub created: Timestamp,
    /// From then on it is not in force.
    #[serde(default, deserialize_with = "form::expires")]
    pub expires: Option<Timestamp>,
    /// Since when it is not in force.
    #[serde(default, deserialize_with = "credentials::revoked")]
    pub revoked: Option<Timestamp>,
}

impl Credential for KeyRecord {
    const NOUN: &'static str = "key";
    const COMMAND: &'static str = "tidegate key";
    const FLAG: &'static str = "--keys-file";
    const SHAPE: &'static str = "{\"version\": 1, \"keys\": […]}, and each key an object of id, \
                                 name, sha256, max_connections, at_limit, channels, created, \
                                 expires and revoked";

    fn parse(json: &[u8]) -> serde_json::Result<Vec<Self>> {
        serde_json::from_slice::<KeysFile>(json).map(|form| form.keys)
    }

    fn form(records: &[Self]) -> impl Serialize {
        KeysFile::new(records)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self) -> &[u8; 32] {
        &self.sha256
    }

    fn revoked(&mut self) -> &mut Option<Timestamp> {
        &mut self.revoked
    }

    /// A revocation counts at once, whatever the clocks of the two machines say.
    fn in_force(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

#[cfg(test)]
impl KeyRecord {
    /// A record whose key, name and id are `text`, with nothing special.
    pub(crate) fn example(text: &str) -> Self {
        Self {
            id: text.to_owned(),
            name: text.to_owned(),
            sha256: digest(text),
            max_connections: 5,
            at_limit: AtLimit::default(),
            channels: None,
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            revoked: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_the_limit_is_written_only_where_it_is_unusual() {
        let written = |at_limit| {
            let key = KeyRecord {
                at_limit,
                ..KeyRecord::example("k")
            };
            serde_json::to_string(&KeyRecord::form(&[key])).unwrap()
        };
        let usual = written(AtLimit::Refuse);
        assert!(!usual.contains("at_limit"), "{usual}");
        let unusual = written(AtLimit::ReplaceOldest);
        assert!(
            unusual.contains("\"at_limit\":\"replace-oldest\""),
            "{unusual}"
        );
        for (text, at_limit) in [(usual, AtLimit::Refuse), (unusual, AtLimit::ReplaceOldest)] {
            let read = KeyRecord::parse(text.as_bytes()).unwrap();
            assert_eq!(read[0].at_limit, at_limit);
            assert_eq!(at_limit.is_usual(), !text.contains(at_limit.word()));
        }
        let wrong = written(AtLimit::ReplaceOldest).replace("replace-oldest", "replace");
        let error = KeyRecord::parse(wrong.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("`at_limit` must be"), "{error}");
    }

    #[test]
    fn a_key_is_in_force_until_it_expires_or_is_revoked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut key = KeyRecord::example("x");
        assert!(key.in_force(at(1 << 33)));
        key.expires = Some(at(100));
        assert!(key.in_force(at(99)));
        assert!(!key.in_force(at(100)));
        key.expires = None;
        key.revoked = Some(at(500));
        assert!(!key.in_force(at(100)));
    }
}
