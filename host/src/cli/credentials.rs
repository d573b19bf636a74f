//! What `key` and `admin-token` have in common: a name that is free, the end of a record,
//! and advice about a file that cannot be used.

use std::io::Write;
use std::path::Path;

use anyhow::anyhow;
use comfy_table::Table;
use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::credentials::{self, Credential, FileError};

/// The file is read by people: nobody needs its nanoseconds.
pub(super) fn to_the_second(now: Timestamp) -> Timestamp {
    now.round(Unit::Second).unwrap_or(now)
}

/// Puts a new record into the file, unless its name is in use.
pub(super) fn add<T: Credential>(path: &Path, record: &T, now: Timestamp) -> anyhow::Result<()> {
    credentials::update(path, |records: &mut Vec<T>| {
        let live = |old: &&T| old.name() == record.name() && old.in_force(now);
        if let Some(old) = records.iter().find(live) {
            return Err(in_use(old));
        }
        records.push(record.clone());
        Ok(())
    })
    .map_err(advise::<T>)
}

/// The name of a new record is that of one in force.
pub(super) fn in_use<T: Credential>(old: &T) -> anyhow::Error {
    let (noun, id, command) = (T::NOUN, old.id(), T::COMMAND);
    anyhow!(
        "the name {:?} is in use by {noun} {id}; choose another, or end that one with `{command} revoke {id}`",
        old.name()
    )
}

pub(super) fn no_such<T: Credential>(which: &str) -> anyhow::Error {
    let (noun, command) = (T::NOUN, T::COMMAND);
    anyhow!("there is no {noun} {which:?}; `{command} list` shows those there are")
}

/// What became of a record that was to be ended.
pub(super) enum Revoked<T> {
    Now(T),
    Already(T, Timestamp),
}

/// Ends the record of that id, or else of that name.
pub(super) fn revoke<T: Credential>(
    path: &Path,
    which: &str,
    now: Timestamp,
) -> anyhow::Result<Revoked<T>> {
    // An update would take a missing file for an empty one and leave a lock beside it.
    read::<T>(path)?;
    credentials::update(path, |records: &mut Vec<T>| {
        let found = records
            .iter()
            .position(|record| record.id() == which)
            .or_else(|| {
                // The record in force, which is one at most, or else the latest of that name.
                let named = |record: &T| record.name() == which;
                let live = records
                    .iter()
                    .position(|record| named(record) && record.in_force(now));
                live.or_else(|| records.iter().rposition(named))
            });
        let Some(record) = found.map(|index| &mut records[index]) else {
            return Err(no_such::<T>(which));
        };
        Ok(match *record.revoked() {
            Some(time) => Revoked::Already(record.clone(), time),
            None => {
                *record.revoked() = Some(to_the_second(now));
                Revoked::Now(record.clone())
            }
        })
    })
    .map_err(advise::<T>)
}

/// All records of the file.
pub(super) fn read<T: Credential>(path: &Path) -> anyhow::Result<Vec<T>> {
    credentials::read(path).map_err(|error| advise::<T>(error.into()))
}

/// Writes a list as a table or, for programs, as JSON.
pub(super) fn tell(
    out: &mut impl Write,
    json: bool,
    table: &Table,
    rows: Vec<Value>,
) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{:#}", Value::Array(rows))?;
    } else {
        writeln!(out, "{table}")?;
    }
    Ok(out.flush()?)
}

/// Says what to do about a file that cannot be used.
pub(super) fn advise<T: Credential>(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<FileError>() {
        Ok(error) => error.advised::<T>(),
        Err(error) => error,
    }
}
