//! `transform list --fleet`: which host runs what, beside what the fleet is meant to run.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Desk;
use super::client::shaped;
use super::failure::Failure;
use super::words::{safe, seconds, table};
use crate::registry::report::Applied;
use crate::transform::RevisionId;

/// `GET /v1/fleet`, as far as people are shown it.
#[derive(Debug, Deserialize)]
struct Fleet {
    hosts: Vec<Host>,
    /// By transform.
    desired: BTreeMap<String, Desired>,
}

#[derive(Debug, Deserialize)]
struct Host {
    host: String,
    seen_seconds_ago: f64,
    transforms: BTreeMap<String, Running>,
}

#[derive(Debug, Deserialize)]
struct Running {
    revision: RevisionId,
    state: String,
    /// What became of the fleet's order there.
    outcome: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Desired {
    revision: RevisionId,
    /// Which hosts are meant.
    stage: String,
    by: Option<String>,
    /// Why the fleet returned by itself.
    note: Option<String>,
}

pub(super) async fn list(desk: &Desk) -> Result<Value, Failure> {
    let answer = desk.client.get("/v1/fleet").await?;
    desk.tell(&told(&shaped(&answer)?))?;
    Ok(answer)
}

/// First what is meant to run, then a line for each host and transform.
fn told(fleet: &Fleet) -> String {
    let desired = fleet.desired.iter().map(|(name, desired)| {
        [
            safe(name),
            desired.revision.to_string(),
            safe(&desired.stage),
            desired.by.as_deref().map(safe).unwrap_or_default(),
        ]
    });
    let desired = table(["TRANSFORM", "DESIRED", "ON", "BY"], desired);
    let notes = fleet.desired.iter().filter_map(|(name, desired)| {
        let note = desired.note.as_ref()?;
        Some(format!("{}: returned: {}\n", safe(name), safe(note)))
    });
    let notes: String = notes.collect();
    let running = fleet.hosts.iter().flat_map(|host| {
        host.transforms.iter().map(move |(name, running)| {
            let wanted = fleet.desired.get(name);
            let as_wanted = wanted.is_none_or(|wanted| wanted.revision == running.revision);
            [
                safe(&host.host),
                seconds(host.seen_seconds_ago),
                safe(name),
                safe(&running.state),
                running.revision.to_string(),
                running.outcome.as_deref().map(safe).unwrap_or_default(),
                if as_wanted { "yes" } else { "no" }.to_owned(),
            ]
        })
    });
    let header = [
        "HOST",
        "SEEN AGO",
        "TRANSFORM",
        "STATE",
        "REVISION",
        "OUTCOME",
        "AS DESIRED",
    ];
    format!("{desired}{notes}\n{}", table(header, running))
}

/// What the fleet wants of a transform instead of a revision that was applied, in words; none
/// while it still wants that one, or cannot be asked.
pub(super) async fn instead(desk: &Desk, applied: &Applied) -> Option<String> {
    let answer = desk.client.look("/v1/fleet").await.ok()?;
    let fleet: Fleet = shaped(&answer).ok()?;
    let desired = fleet.desired.get(&applied.transform)?;
    (desired.revision != applied.to).then(|| {
        let why = desired.note.as_deref().map_or_else(
            || format!("asked for by {}", desired.by.as_deref().unwrap_or_default()),
            |note| format!("it returned: {note}"),
        );
        format!("the fleet wants {} now, {}", desired.revision, safe(&why))
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_host_that_is_behind_stands_out() {
        let [old, new] = ["aa", "bb"].map(|component| examples::revision(component).id);
        let host = |host: &str, revision: &RevisionId| {
            json!({"host": host, "seen_seconds_ago": 1.2,
                "transforms": {"ticks": {"revision": revision, "state": "live"}}})
        };
        let answer = json!({
            "hosts": [host("north", &new), host("south", &old)],
            "desired": {"ticks": {"revision": new, "stage": "canary", "by": "ann",
                "note": "east: failed: faults"}},
        });
        let told = told(&shaped(&answer).unwrap());
        let line = |of: &str| told.lines().find(|line| line.contains(of)).unwrap();
        assert!(line("canary").contains(new.short()), "{told}");
        assert!(told.contains("ticks: returned: east: failed"), "{told}");
        assert!(line("north").ends_with("yes"), "{told}");
        assert!(
            line("south").contains(old.short()) && line("south").ends_with("no"),
            "{told}"
        );
    }
}
