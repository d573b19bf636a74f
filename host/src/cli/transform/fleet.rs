//! `transform list --fleet`: which host runs what, beside what the fleet is meant to run.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Context;
use super::client::shaped;
use super::failure::CommandFailure;
use super::words::{safe, seconds, table};
use crate::rollout::report::Applied;
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
    /// None where nothing of it runs.
    revision: Option<RevisionId>,
    state: String,
    /// How far it is with what the fleet has chosen.
    progress: Option<String>,
    #[serde(default)]
    detached: bool,
}

#[derive(Debug, Deserialize)]
struct Desired {
    revision: RevisionId,
    /// The hosts that go first; none: it is for all.
    first: Vec<String>,
    paused: bool,
    by: Option<String>,
    /// The last that did not stand.
    failed: Option<Failed>,
}

#[derive(Debug, Deserialize)]
struct Failed {
    revision: RevisionId,
    why: String,
}

impl Desired {
    /// In one cell of a table.
    fn stage(&self) -> String {
        let stage = match self.first.as_slice() {
            [] => "all".to_owned(),
            first => format!("first {}", safe(&first.join(", "))),
        };
        match self.paused {
            true => format!("{stage}, paused"),
            false => stage,
        }
    }
}

pub(super) async fn list(context: &Context) -> Result<Value, CommandFailure> {
    let answer = context.client.get("/v1/fleet").await?;
    context.tell(&told(&shaped(&answer)?))?;
    Ok(answer)
}

/// First what is meant to run, then a line for each host and transform.
fn told(fleet: &Fleet) -> String {
    let desired = fleet.desired.iter().map(|(name, desired)| {
        [
            safe(name),
            desired.revision.to_string(),
            desired.stage(),
            desired.by.as_deref().map(safe).unwrap_or_default(),
        ]
    });
    let desired = table(["TRANSFORM", "DESIRED", "ON", "BY"], desired);
    let notes = fleet.desired.iter().filter_map(|(name, desired)| {
        let Failed { revision, why } = desired.failed.as_ref()?;
        Some(format!(
            "{}: {revision} was taken back: {}\n",
            safe(name),
            safe(why)
        ))
    });
    let notes: String = notes.collect();
    let running = fleet.hosts.iter().flat_map(|host| {
        host.transforms.iter().map(move |(name, running)| {
            let wanted = fleet.desired.get(name);
            let as_wanted =
                wanted.is_none_or(|wanted| running.revision.as_ref() == Some(&wanted.revision));
            [
                safe(&host.host),
                seconds(host.seen_seconds_ago),
                safe(name),
                match running.detached {
                    true => format!("{}, on its own", safe(&running.state)),
                    false => safe(&running.state),
                },
                running
                    .revision
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
                running.progress.as_deref().map(safe).unwrap_or_default(),
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
        "PROGRESS",
        "AS DESIRED",
    ];
    format!("{desired}{notes}\n{}", table(header, running))
}

/// What the fleet wants of a transform instead of a revision that was applied, in words; none
/// while it still wants that one, or cannot be asked.
pub(super) async fn instead(context: &Context, applied: &Applied) -> Option<String> {
    let answer = context.client.look("/v1/fleet").await.ok()?;
    let fleet: Fleet = shaped(&answer).ok()?;
    let desired = fleet.desired.get(&applied.transform)?;
    (desired.revision != applied.to).then(|| {
        let failed = desired.failed.as_ref();
        let failed = failed.filter(|failed| failed.revision == applied.to);
        let why = failed.map_or_else(
            || format!("asked for by {}", desired.by.as_deref().unwrap_or_default()),
            |failed| format!("it returned: {}", failed.why),
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
            "desired": {"ticks": {"revision": new, "first": ["west"], "paused": false, "by": "ann",
                "failed": {"revision": old, "why": "faults"}}},
        });
        let told = told(&shaped(&answer).unwrap());
        let line = |of: &str| told.lines().find(|line| line.contains(of)).unwrap();
        assert!(line("first west").contains(new.short()), "{told}");
        assert!(told.contains("was taken back: faults"), "{told}");
        assert!(line("north").ends_with("yes"), "{told}");
        assert!(
            line("south").contains(old.short()) && line("south").ends_with("no"),
            "{told}"
        );
    }
}
