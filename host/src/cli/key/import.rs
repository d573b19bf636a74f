//! `tidegate key import`: the keys of a file, taken over into the Redis of a fleet. Their holders
//! notice nothing; a key that is there already is left as it is there, whatever the file says.

use std::collections::HashMap;
use std::io::Write;

use anyhow::bail;
use jiff::Timestamp;
use serde::Serialize;

use super::ImportKeysArgs;
use super::place::{parse, unreachable, write};
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
    /// Keys that stand there and say something else.
    differing: Vec<String>,
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
    if !imported.differing.is_empty() {
        faults.push(format!(
            "other keys stand there under the ids {}, and were left as they are: see `tidegate key list`",
            imported.differing.join(", ")
        ));
    }
    if !imported.name_in_use.is_empty() {
        faults.push(format!(
            "not taken over as their names are in use there: {}; end one of each two and import again",
            imported.name_in_use.join(", ")
        ));
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
    let live = there.values().filter(|record| record.in_force(now));
    let mut names: HashMap<String, String> = live
        .map(|record| (record.name.clone(), record.id.clone()))
        .collect();
    let mut imported = Imported::default();
    for record in records {
        match there.get(&record.id) {
            Some(known) if known == record => imported.present += 1,
            Some(_) => imported.differing.push(record.id.clone()),
            None if record.in_force(now) && names.contains_key(&record.name) => {
                imported.name_in_use.push(record.id.clone());
            }
            None => {
                take_over(keys, record, now).await?;
                imported.imported += 1;
                if record.in_force(now) {
                    names.insert(record.name.clone(), record.id.clone());
                }
            }
        }
    }
    Ok(imported)
}

async fn take_over(keys: &RedisKeys, record: &KeyRecord, now: Timestamp) -> anyhow::Result<()> {
    let named = keys.named(&record.name).await;
    let named = named.map_err(|why| unreachable(&why))?;
    // The name is that of the key in force, where there is one.
    let is_new = record.in_force(now) || named.is_none();
    let written = KeyWrite {
        id: &record.id,
        before: None,
        text: &serde_json::to_string(record)?,
        name: &record.name,
        named: [
            named.as_deref(),
            if is_new {
                Some(&record.id)
            } else {
                named.as_deref()
            },
        ],
    };
    write(keys, written).await
}
