//! Where keys are kept: in a file, or in the Redis that hosts of a fleet have in common. What is
//! done to one is the same in both.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;

use crate::cli::block_on;
use crate::cli::credentials::{self as records, Revoked};
use crate::credentials::{Credential, is_id};
use crate::fleet::{KeyWrite, RedisKeys};
use crate::gate::keys::KeyRecord;
use crate::settings::{self, Flags};
use crate::upstream::redis::Server;

#[derive(Debug, clap::Args)]
pub(super) struct KeyPlaceArgs {
    /// The key file
    #[arg(
        long,
        env = "TIDEGATE_KEYS_FILE",
        value_name = "FILE",
        required_unless_present = "redis_url"
    )]
    keys_file: Option<PathBuf>,
    /// The Redis of hosts that have their keys there, in place of a file, and for `import` where
    /// they go; what belongs to it (TLS, a file with the password) is as for `serve`
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// As of `serve`: whom a rediss:// address is trusted by
    #[arg(long, value_name = "FILE", requires = "redis_url")]
    redis_ca_file: Option<String>,
    /// As of `serve`: which hosts' keys
    #[arg(long, value_name = "NAME", requires = "redis_url")]
    fleet_name: Option<String>,
}

/// A file, or a Redis.
#[derive(Debug)]
pub(super) enum KeyPlace {
    File(PathBuf),
    Redis(Box<RedisKeys>),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Redis(keys) => f.write_str(keys.place()),
        }
    }
}

impl KeyPlaceArgs {
    /// # Errors
    /// What is said of a Redis cannot be used.
    pub(super) fn place(self) -> anyhow::Result<KeyPlace> {
        if self.redis_url.is_none() {
            let file = self
                .keys_file
                .context("name the key file with --keys-file")?;
            return Ok(KeyPlace::File(file));
        }
        let settings = settings::load(Flags::of_redis(
            self.redis_url,
            self.redis_ca_file,
            self.fleet_name,
        ))?;
        let server = Server::new(&settings)?;
        Ok(KeyPlace::Redis(Box::new(RedisKeys::new(&settings, server))))
    }

    /// A file, and the Redis that its keys shall be in.
    ///
    /// # Errors
    /// One of them is not named, or what is said of the Redis cannot be used.
    pub(super) fn both(self) -> anyhow::Result<(PathBuf, Box<RedisKeys>)> {
        let file = self.keys_file.clone();
        let file = file.context("name the file that the keys are in with --keys-file")?;
        match self.place()? {
            KeyPlace::Redis(keys) => Ok((file, keys)),
            KeyPlace::File(_) => bail!("name the Redis that the keys shall be in with --redis-url"),
        }
    }
}

impl KeyPlace {
    /// # Errors
    /// The name is in use, or the record cannot be written.
    pub(super) fn add(&self, record: &KeyRecord, now: Timestamp) -> anyhow::Result<()> {
        match self {
            Self::File(path) => records::add(path, record, now),
            Self::Redis(keys) => block_on(add(keys, record, now)),
        }
    }

    /// # Errors
    /// There is no such key, or it cannot be written.
    pub(super) fn revoke(&self, which: &str, now: Timestamp) -> anyhow::Result<Revoked<KeyRecord>> {
        match self {
            Self::File(path) => records::revoke(path, which, now),
            Self::Redis(keys) => block_on(revoke(keys, which, now)),
        }
    }

    /// All of them, those that are not in force too.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn read(&self) -> anyhow::Result<Vec<KeyRecord>> {
        match self {
            Self::File(path) => records::read(path),
            Self::Redis(keys) => block_on(read(keys)),
        }
    }
}

pub(super) fn unreachable(why: &str) -> anyhow::Error {
    anyhow!(
        "the keys in Redis cannot be reached: {why}; look whether it answers there, and try again"
    )
}

/// A record as it stands in Redis, by an id that can be shown.
pub(super) fn parse(id: &str, text: &str) -> anyhow::Result<KeyRecord> {
    // serde's own words may quote what they found.
    serde_json::from_str(text).map_err(|_| {
        let shown = if is_id(id) { id } else { "of no allowed id" };
        anyhow!(
            "the record of key {shown} cannot be read; the log of a host says what is wrong with it"
        )
    })
}

/// The key in force of this name; `named` is the id that stands for the name.
///
/// # Errors
/// Redis does not answer, or the record cannot be read.
pub(super) async fn holder_of(
    keys: &RedisKeys,
    name: &str,
    named: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Option<KeyRecord>> {
    let Some(id) = named else {
        return Ok(None);
    };
    let text = keys.text(id).await.map_err(|why| unreachable(&why))?;
    let known = text.map(|text| parse(id, &text)).transpose()?;
    Ok(known.filter(|known| known.name == name && known.in_force(now)))
}

async fn add(keys: &RedisKeys, record: &KeyRecord, now: Timestamp) -> anyhow::Result<()> {
    let named = keys
        .named(&record.name)
        .await
        .map_err(|why| unreachable(&why))?;
    if let Some(old) = holder_of(keys, &record.name, named.as_deref(), now).await? {
        return Err(records::in_use(&old));
    }
    let written = KeyWrite {
        id: &record.id,
        before: None,
        text: &serde_json::to_string(record)?,
        name: &record.name,
        named: [named.as_deref(), Some(&record.id)],
    };
    write(keys, written).await
}

async fn revoke(
    keys: &RedisKeys,
    which: &str,
    now: Timestamp,
) -> anyhow::Result<Revoked<KeyRecord>> {
    let mut id = which.to_owned();
    let mut found = keys.text(&id).await.map_err(|why| unreachable(&why))?;
    if found.is_none()
        && let Some(named) = keys.named(which).await.map_err(|why| unreachable(&why))?
    {
        id = named;
        found = keys.text(&id).await.map_err(|why| unreachable(&why))?;
    }
    let Some(text) = found else {
        return Err(records::no_such::<KeyRecord>(which));
    };
    let mut record = parse(&id, &text)?;
    if let Some(time) = record.revoked {
        return Ok(Revoked::Already(record, time));
    }
    record.revoked = Some(records::to_the_second(now));
    let named = keys
        .named(&record.name)
        .await
        .map_err(|why| unreachable(&why))?;
    let written = KeyWrite {
        id: &id,
        before: Some(&text),
        text: &serde_json::to_string(&record)?,
        name: &record.name,
        named: [named.as_deref(); 2],
    };
    write(keys, written).await?;
    Ok(Revoked::Now(record))
}

pub(super) async fn write(keys: &RedisKeys, written: KeyWrite<'_>) -> anyhow::Result<()> {
    let is_written = keys.write(written).await.map_err(|why| {
        unreachable(&why)
            .context("whether it was written is not known; `tidegate key list` shows it")
    })?;
    if !is_written {
        bail!("somebody else has just changed that key, or one of its name; look and try again");
    }
    Ok(())
}

async fn read(keys: &RedisKeys) -> anyhow::Result<Vec<KeyRecord>> {
    let mut texts = Vec::new();
    let reading = keys.all(|some| texts.extend(some));
    reading.await.map_err(|why| unreachable(&why))?;
    let mut records = Vec::with_capacity(texts.len());
    for (id, text) in &texts {
        records.push(parse(id, text.as_deref().unwrap_or_default())?);
    }
    records.sort_by(|a: &KeyRecord, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    records.dedup_by(|a, b| a.id == b.id);
    Ok(records)
}
