//! `transform list --fleet`: which host runs what, beside what the fleet is meant to run.

use serde_json::Value;

use super::Context;
use super::client::shaped;
use super::failure::CommandFailure;
use super::words::{safe, seconds, table};
use crate::rollout::report::Applied;
use crate::rollout::{DesiredReport, FailedReport, FleetReport};

/// For which hosts what is wanted is, in one cell of a table.
fn stage(desired: &DesiredReport) -> String {
    let stage = match desired.first.as_slice() {
        [] => "all".to_owned(),
        first => format!("first {}", safe(&first.join(", "))),
    };
    match desired.paused {
        true => format!("{stage}, paused"),
        false => stage,
    }
}

pub(super) async fn list(context: &Context) -> Result<Value, CommandFailure> {
    let answer = context.client.get("/v1/fleet").await?;
    context.tell(&in_lines(&shaped(&answer)?))?;
    Ok(answer)
}

/// First what is meant to run, then a line for each host and transform.
fn in_lines(fleet: &FleetReport) -> String {
    let desired = fleet.desired.iter().map(|(name, desired)| {
        [
            safe(name),
            desired.revision.to_string(),
            stage(desired),
            safe(&desired.by),
        ]
    });
    let desired = table(["TRANSFORM", "DESIRED", "ON", "BY"], desired);
    let notes = fleet.desired.iter().filter_map(|(name, desired)| {
        let FailedReport { revision, why } = desired.failed.as_ref()?;
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
                    true => format!("{}, on its own", running.state.word()),
                    false => running.state.word().to_owned(),
                },
                running
                    .revision
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
                safe(&String::from(running.progress.clone())),
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
    let fleet: FleetReport = shaped(&answer).ok()?;
    let desired = fleet.desired.get(&applied.transform)?;
    (desired.revision != applied.to).then(|| {
        let failed = desired.failed.as_ref();
        let failed = failed.filter(|failed| failed.revision == applied.to);
        let why = failed.map_or_else(
            || format!("asked for by {}", desired.by),
            |failed| format!("it returned: {}", failed.why),
        );
        format!("the fleet wants {} now, {}", desired.revision, safe(&why))
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use crate::transform::RevisionId;
    use serde_json::json;

    #[test]
    fn a_host_that_is_behind_stands_out() {
        let [old, new] = ["aa", "bb"].map(|component| examples::revision(component).id);
        let at = examples::at();
        let host = |host: &str, revision: &RevisionId| {
            json!({"host": host, "version": "1.0.0", "started": at, "seen_seconds_ago": 1.2,
                "alive": true, "transforms": {"ticks": {"revision": revision, "state": "live",
                "generation": 7, "choice": 7, "progress": "probation"}}})
        };
        let answer = json!({
            "fleet": "tidegate", "host": "north",
            "hosts": [host("north", &new), host("south", &old)],
            "desired": {"ticks": {"revision": new, "previous": old, "withdrawn": [],
                "first": ["west"], "paused": false, "generation": 7, "by": "ann", "since": at,
                "failed": {"revision": old, "why": "faults"}}},
        });
        let shown = in_lines(&shaped(&answer).unwrap());
        let line = |of: &str| shown.lines().find(|line| line.contains(of)).unwrap();
        assert!(line("first west").contains(new.short()), "{shown}");
        assert!(shown.contains("was taken back: faults"), "{shown}");
        assert!(line("north").ends_with("yes"), "{shown}");
        assert!(
            line("south").contains(old.short()) && line("south").ends_with("no"),
            "{shown}"
        );
    }
}
