//! What is wanted of one transform, as it stands in Redis: an envelope that every version can
//! read, and in it what this version writes. What is in it was not written by this process, so
//! it passes the checks that what an operator types passes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Unreachable;
use crate::revision::Revision;
use crate::transform::RevisionId;
use crate::wanted::desired::{Desired, Generation};

/// Of the body's form.
const VERSION: u32 = 1;

/// Of an envelope that says no more than that what is wanted stands under another name. To a host
/// that reads the old name only, it is of a newer version: the host goes on as it is, obeys the
/// pause in it, and decides nothing.
const MOVED: u32 = 2;

/// The most bytes of an envelope that is read.
const MAX_SIZE: usize = 4 << 20;

/// The most records in it: what is chosen, what other hosts run meanwhile, and the ways back by
/// hand and by Tidegate itself.
const MAX_RECORDS: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    v: u32,
    generation: Generation,
    paused: bool,
    body: Value,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    desired: Desired,
    records: Vec<Revision>,
}

/// What was read.
#[derive(Debug)]
pub(super) struct SharedDesired {
    /// By the letter, for compare-and-set.
    pub(super) text: String,
    pub(super) desired: Desired,
    /// Of the revisions that hosts may have to fetch.
    pub(super) records: Vec<Revision>,
}

/// Why what stands in Redis cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Also then it is obeyed that the transform is paused.
    pub(super) paused: bool,
    pub(super) why: String,
}

impl SharedDesired {
    /// # Errors
    /// Another version wrote it, or somebody who is no Tidegate.
    pub(super) fn read(name: &str, text: String) -> Result<Self, Unreadable> {
        let unreadable = |paused, why: String| Unreadable { paused, why };
        if text.len() > MAX_SIZE {
            return Err(unreadable(
                true,
                format!("it has more than {MAX_SIZE} bytes"),
            ));
        }
        let envelope: Envelope =
            serde_json::from_str(&text).map_err(|error| unreadable(true, error.to_string()))?;
        let paused = envelope.paused;
        if envelope.v != VERSION {
            let why = format!(
                "it is of version {}, and this host reads {VERSION}",
                envelope.v
            );
            return Err(unreadable(paused, why));
        }
        let body: Body = serde_json::from_value(envelope.body)
            .map_err(|error| unreadable(paused, error.to_string()))?;
        check(name, &body).map_err(|why| unreadable(paused, why))?;
        Ok(Self {
            text,
            desired: body.desired,
            records: body.records,
        })
    }

    /// # Errors
    /// It is too big.
    pub(super) fn of(desired: Desired, records: Vec<Revision>) -> Result<Self, Unreachable> {
        let body = Body { desired, records };
        let wrong = |error: serde_json::Error| Unreachable(error.to_string());
        let envelope = Envelope {
            v: VERSION,
            generation: body.desired.generation,
            paused: body.desired.paused.yes,
            body: serde_json::to_value(&body).map_err(wrong)?,
        };
        Ok(Self {
            text: serde_json::to_string(&envelope).map_err(wrong)?,
            desired: body.desired,
            records: body.records,
        })
    }
}

/// What is left in the place of what has moved to another name.
pub(super) fn left_behind(paused: bool) -> String {
    json!({"v": MOVED, "generation": 0, "paused": paused, "body": null}).to_string()
}

/// Whether it is what is left in the place of something.
pub(super) fn is_left_behind(text: &str) -> bool {
    let read = serde_json::from_str::<Envelope>(text);
    read.is_ok_and(|envelope| envelope.v == MOVED && envelope.body.is_null())
}

/// The revisions whose records belong beside what is wanted.
pub(super) fn recorded(desired: &Desired) -> impl Iterator<Item = &RevisionId> {
    desired.in_use().into_iter().take(MAX_RECORDS)
}

fn check(name: &str, body: &Body) -> Result<(), String> {
    body.desired.check()?;
    if body.records.len() > MAX_RECORDS {
        return Err(format!("it has more than {MAX_RECORDS} records"));
    }
    for record in &body.records {
        if record.transform != name {
            return Err("a record in it is of another transform".to_owned());
        }
        record.check()?;
    }
    Ok(())
}
