//! `tidegate key import`: the keys of a file, taken over into the Redis of a fleet. Their holders
//! notice nothing; a key that is there already is left as it is there, whatever the file says.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Serialize;

use super::ImportKeysArgs;
use super::place::{holder_of, parse, unreachable, write};
use crate::cli::block_on;
use crate::cli::credentials as records;
use crate::cli::progress::shown;
use crate::cli::words::count;
use crate::credentials::Credential;
use crate::fleet::{KeyWrite, RedisKeys};
use crate::gate::keys::KeyRecord;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Imported {
    /// Keys that were taken over.
    imported: usize,
    /// Keys that stand there as in the file.
    present: usize,
    /// Keys that stand there already and say something else, such as one that was revoked since.
    differing: Vec<String>,
    /// Keys that stand there under other ids.
    same_key: Vec<String>,
    /// Keys in force whose name a key in force has there.
    name_in_use: Vec<String>,
}

/// Takes them over, and tells how many.
pub(super) fn run(
    args: ImportKeysArgs,
    now: Timestamp,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (file, keys) = args.place.both()?;
    let records: Vec<KeyRecord> = records::read(&file)?;
    let work = import(&keys, &records, now);
    let imported = block_on(shown("taking over the keys", work))?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&imported)?)?;
    } else {
        writeln!(
            out,
            "took over {} into {}; {} there already",
            count(imported.imported as u64, "key"),
            keys.place(),
            imported.present
        )?;
    }
    out.flush()?;
    complain(&imported)
}

/// # Errors
/// There are keys that could not be taken over.
fn complain(imported: &Imported) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (ids, what) in [
        (
            &imported.differing,
            "these keys stand there already and say something else, and were left as they are, in force or not: see \
             `tidegate key list`, and end there what shall not be in force",
        ),
        (
            &imported.same_key,
            "these were not taken over, as the same keys stand there under other ids",
        ),
        (
            &imported.name_in_use,
            "these were not taken over, as keys in force have their names there: end one of each two, and import again",
        ),
    ] {
        if !ids.is_empty() {
            faults.push(format!("{what}: {}", ids.join(", ")));
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => bail!(faults.join("\n")),
    }
}

async fn import(
    keys: &RedisKeys,
    records: &[KeyRecord],
    now: Timestamp,
) -> anyhow::Result<Imported> {
    let mut there: HashMap<String, KeyRecord> = HashMap::new();
    let mut texts = Vec::new();
    let reading = keys.all(|some| texts.extend(some));
    reading.await.map_err(|why| unreachable(&why))?;
    for (id, text) in texts {
        let record = parse(&id, text.as_deref().unwrap_or_default())?;
        there.insert(id, record);
    }
    let digests: HashSet<[u8; 32]> = there.values().map(|known| known.sha256).collect();
    let live = there.values().filter(|known| known.in_force(now));
    let mut names: HashSet<String> = live.map(|known| known.name.clone()).collect();
    let mut imported = Imported::default();
    for record in records {
        let in_force = record.in_force(now);
        match there.get(&record.id) {
            Some(known) if known == record => imported.present += 1,
            Some(_) => imported.differing.push(record.id.clone()),
            None if digests.contains(&record.sha256) => imported.same_key.push(record.id.clone()),
            None if in_force && names.contains(&record.name) => {
                imported.name_in_use.push(record.id.clone());
            }
            None => {
                let taken = take_over(keys, record, now).await.with_context(|| {
                    let before = count(imported.imported as u64, "key");
                    format!(
                        "stopped at key {} after taking over {before}; import again to go on",
                        record.id
                    )
                });
                if !taken? {
                    imported.name_in_use.push(record.id.clone());
                    continue;
                }
                imported.imported += 1;
                if in_force {
                    names.insert(record.name.clone());
                }
            }
        }
    }
    Ok(imported)
}

/// False where a key in force has its name by now.
async fn take_over(keys: &RedisKeys, record: &KeyRecord, now: Timestamp) -> anyhow::Result<bool> {
    let named = keys.named(&record.name).await;
    let named = named.map_err(|why| unreachable(&why))?;
    let in_force = record.in_force(now);
    let holder = holder_of(keys, &record.name, named.as_deref(), now).await?;
    if in_force && holder.is_some() {
        return Ok(false);
    }
    // A key that is not in force takes the name from nobody.
    let names = match in_force {
        true => Some(&*record.id),
        false => named.as_deref().or(Some(&record.id)),
    };
    let written = KeyWrite {
        id: &record.id,
        before: None,
        text: &serde_json::to_string(record)?,
        name: &record.name,
        named: [named.as_deref(), names],
    };
    write(keys, written).await?;
    Ok(true)
}
