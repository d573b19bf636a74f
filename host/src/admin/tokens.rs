//! Admin tokens: who may use the admin API, by which name, and for what. The file of them is
//! one of `credentials`; whether a request needs a role is the routes'.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use jiff::Timestamp;
use parking_lot::RwLock;
use prometheus::IntGauge;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::credentials::{self, Credential, FileError, FileWatch, VERSION, field};
use crate::rollout::Caller;
use crate::settings::Secret;
use crate::tasks::Tasks;

/// What every admin token begins with, so that scanners for leaked secrets can find it, and
/// people tell it from an API key.
pub const PREFIX: &str = "tda_";

/// What the token of the setting `admin-token` is called.
pub const SINGLE: &str = "admin";

/// Names that the audit log needs for others than the tokens of a file.
const RESERVED: [&str; 5] = [SINGLE, "configuration", "fleet", "tidegate", "watch"];

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// Look at everything, payloads excepted
    View,
    /// Change what runs, too
    Operate,
}

impl TokenRole {
    /// Whether a holder of this role may do what needs the role `needed`.
    pub fn allows(self, needed: Self) -> bool {
        self == Self::Operate || needed == Self::View
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One token, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// For `admin-token revoke`. It tells nothing about the token itself.
    #[serde(deserialize_with = "credentials::id")]
    pub id: String,
    /// Who acts, in the audit log and the log; no two tokens in force have the same name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    #[serde(deserialize_with = "role")]
    pub role: TokenRole,
    /// Of the token's text.
    #[serde(
        serialize_with = "credentials::write_sha256",
        deserialize_with = "credentials::sha256"
    )]
    pub sha256: [u8; 32],
    #[serde(deserialize_with = "credentials::created")]
    pub created: Timestamp,
    /// Since when it is not in force.
    #[serde(default, deserialize_with = "credentials::revoked")]
    pub revoked: Option<Timestamp>,
}

impl Credential for TokenRecord {
    const NOUN: &'static str = "admin token";
    const COMMAND: &'static str = "tidegate admin-token";
    const FLAG: &'static str = "--admin-tokens-file";
    const SHAPE: &'static str = "{\"version\": 1, \"tokens\": […]}, and each token an object of \
                                 id, name, role, sha256, created and revoked";

    fn parse(json: &[u8]) -> serde_json::Result<Vec<Self>> {
        serde_json::from_slice::<TokensFile>(json).map(|form| form.tokens)
    }

    fn form(tokens: &[Self]) -> impl Serialize {
        TokensFile {
            version: VERSION,
            tokens: tokens.to_vec(),
        }
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

    fn in_force(&self, _: Timestamp) -> bool {
        self.revoked.is_none()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(deserialize_with = "credentials::version")]
    version: u64,
    #[serde(deserialize_with = "credentials::list")]
    tokens: Vec<TokenRecord>,
}

/// Whether a token of a file may be called so.
pub(crate) fn is_name(text: &str) -> bool {
    credentials::is_name(text) && !RESERVED.contains(&text)
}

/// The rule of `is_name`, in words.
pub(crate) const NAME_RULE: &str = "`name` must be a text of 1 to 64 characters without control \
     characters, and none of admin, configuration, fleet, tidegate and watch";

fn name<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    field(input, NAME_RULE, |value| {
        let text = value.as_str().filter(|text| is_name(text))?;
        Some(text.to_owned())
    })
}

fn role<'de, D: Deserializer<'de>>(input: D) -> Result<TokenRole, D::Error> {
    field(input, "`role` must be view or operate", |value| {
        TokenRole::deserialize(value).ok()
    })
}

/// Whose token a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub name: String,
    pub role: TokenRole,
}

impl Holder {
    /// The caller that this token makes of a request from `address`.
    pub(super) fn at(&self, address: Option<IpAddr>) -> Caller<'_> {
        Caller {
            name: &self.name,
            address,
        }
    }
}

/// All tokens that open the admin API now. Clones share one list, which follows the file
/// within a second.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The digest of the setting `admin-token`.
    single: Option<[u8; 32]>,
    listed: Arc<RwLock<Vec<TokenRecord>>>,
    watch: Option<Arc<FileWatch>>,
}

impl Tokens {
    /// Reads the file and follows it as long as a clone lives. None if the settings name
    /// neither a token nor a file of them: then there is no admin API.
    ///
    /// # Errors
    /// When the file cannot be used. From then on `ok` is 0 while it cannot.
    pub fn start(
        single: Option<&Secret>,
        file: Option<PathBuf>,
        tasks: &Tasks,
        ok: IntGauge,
    ) -> Result<Option<Self>, FileError> {
        ok.set(1);
        if single.is_none() && file.is_none() {
            return Ok(None);
        }
        let listed = Arc::new(RwLock::new(Vec::new()));
        let follow = |file| {
            let listed = listed.clone();
            let replace = move |mut records: Vec<TokenRecord>| {
                records.retain(|token| token.revoked.is_none());
                *listed.write() = records;
            };
            credentials::watch(file, tasks, ok, replace).map(Arc::new)
        };
        Ok(Some(Self {
            single: single.map(|token| credentials::digest(token.expose())),
            watch: file.map(follow).transpose()?,
            listed,
        }))
    }

    /// Has the file read now, where there is one, and says how many tokens it has.
    pub fn look(&self) -> Option<Result<usize, String>> {
        self.watch.as_ref().map(|watch| watch.look())
    }

    /// Whose token that is. Digests are compared, each with all of them, so that the time it
    /// takes tells nothing about any token.
    pub fn find(&self, given: &str) -> Option<Holder> {
        let digest = credentials::digest(given);
        let same = |known: &[u8; 32]| bool::from(known.ct_eq(&digest));
        let single = self.single.as_ref().is_some_and(same);
        let mut holder = single.then(|| Holder {
            name: SINGLE.to_owned(),
            role: TokenRole::Operate,
        });
        for token in self.listed.read().iter() {
            if same(&token.sha256) {
                holder.get_or_insert_with(|| Holder {
                    name: token.name.clone(),
                    role: token.role,
                });
            }
        }
        holder
    }
}

#[cfg(test)]
mod tests;
