//! API keys as their file has them: which there are, and what each may do. Reading, changing
//! and watching such a file is `credentials`'s; what a key's holder may do is enforced by the
//! rest of the gate.

mod form;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::form::Form;
pub(crate) use self::form::MAX_CONNECTIONS;
use crate::channel::Pattern;
pub use crate::credentials::digest;
use crate::credentials::{self, Credential};

/// What every key begins with, so that scanners for leaked secrets can find it.
pub const PREFIX: &str = "tdg_";

/// One key, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// For logs and for `key revoke`. It tells nothing about the key itself.
    #[serde(deserialize_with = "credentials::id")]
    pub id: String,
    /// Whose it is. Among keys in force, one each.
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
                                 name, sha256, max_connections, channels, created, expires and \
                                 revoked";

    fn parse(json: &[u8]) -> serde_json::Result<Vec<Self>> {
        serde_json::from_slice::<Form>(json).map(|form| form.keys)
    }

    fn form(all: &[Self]) -> impl Serialize {
        Form::new(all)
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
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_force_until_it_expires_or_is_revoked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut key = KeyRecord {
            id: "k".into(),
            name: "n".into(),
            sha256: digest("x"),
            max_connections: 1,
            channels: None,
            created: at(0),
            expires: None,
            revoked: None,
        };
        assert!(key.in_force(at(1 << 33)));
        key.expires = Some(at(100));
        assert!(key.in_force(at(99)));
        assert!(!key.in_force(at(100)));
        key.expires = None;
        key.revoked = Some(at(500));
        assert!(!key.in_force(at(100)));
    }
}
