//! `tidegate upstream`: where the events of a running host come from, over the host's admin API.

use std::process::ExitCode;

use serde_json::Value;

use super::client::shaped;
use super::context::{self, Context, HostArgs};
use super::failure::CommandFailure;
use super::words::{count, moment, safe, table};
use crate::count::count_of;
use crate::upstream::place::{ServerReport, ServerRole, UpstreamKind, UpstreamReport};

/// Shows where the events of a running host come from.
#[derive(Debug, clap::Args)]
pub(super) struct UpstreamArgs {
    #[command(flatten)]
    host: HostArgs,
}

pub(super) fn run(args: UpstreamArgs) -> ExitCode {
    context::run(args.host, show)
}

async fn show(context: &Context) -> Result<Value, CommandFailure> {
    let answer = context.client.get("/v1/upstream").await?;
    let report: UpstreamReport = shaped(&answer)?;
    context.tell(&text(&report))?;
    Ok(answer)
}

fn text(report: &UpstreamReport) -> String {
    let place = report.server.as_deref().map(safe);
    let state = match (&report.problem, &place) {
        (None, Some(server)) => format!("subscribed at {server}"),
        (None, None) => "subscribed".to_owned(),
        (Some(problem), _) => safe(problem),
    };
    let mut text = format!("{}: {state}\n", what(report.kind));
    if let Some(ingests) = report.ingests {
        let hosts = count_of(ingests, "live ingest host");
        text.push_str(&format!("role {}, {hosts}\n", report.role.word()));
    }
    if let Some(last) = &report.last_move {
        text.push_str(&format!(
            "{}, the last at {} to {} ({})\n",
            count(report.moves, "move"),
            moment(last.at),
            safe(&last.to),
            safe(&last.why)
        ));
    }
    if !report.servers.is_empty() {
        let row = |server: &ServerReport| {
            let is_ours = report.server.as_ref() == Some(&server.address);
            [
                safe(&server.address),
                role(server.role).to_owned(),
                if server.well { "yes" } else { "no" }.to_owned(),
                if is_ours { "subscribed" } else { "" }.to_owned(),
            ]
        };
        text.push('\n');
        text.push_str(&table(
            ["SERVER", "ROLE", "WELL", ""],
            report.servers.iter().map(row),
        ));
    }
    text
}

fn what(kind: UpstreamKind) -> &'static str {
    match kind {
        UpstreamKind::Unknown => "a Redis that has not answered yet",
        UpstreamKind::Single => "a Redis that stands by itself",
        UpstreamKind::Cluster => "a Redis Cluster",
        UpstreamKind::Sentinel => "a master that sentinels watch",
        UpstreamKind::BuiltIn => "a feed that the host carries",
        UpstreamKind::Relay => "ingest hosts",
    }
}

fn role(role: ServerRole) -> &'static str {
    match role {
        ServerRole::Master => "master",
        ServerRole::Replica => "replica",
        ServerRole::Sentinel => "sentinel",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_shows_where_the_subscription_is_and_what_there_is_besides() {
        let report: UpstreamReport = shaped(&json!({
            "role": "ingest", "ingests": 2,
            "kind": "cluster", "subscribed": true, "problem": null, "server": "10.0.0.2:7001",
            "servers": [
                {"address": "10.0.0.1:7000", "role": "master", "well": false},
                {"address": "10.0.0.2:7001", "role": "replica", "well": true},
            ],
            "moves": 2,
            "last_move": {"at": "2026-03-01T12:00:00.5Z", "to": "10.0.0.2:7001", "why": "failed\u{1b}"},
        }))
        .unwrap();
        let text = text(&report);
        for part in [
            "a Redis Cluster: subscribed at 10.0.0.2:7001\n",
            "role ingest, 2 live ingest hosts\n",
            "2 moves, the last at 2026-03-01T12:00:00Z to 10.0.0.2:7001 (failed\\u{1b})",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let ours = text.lines().last().unwrap();
        assert!(
            ours.contains("replica") && ours.ends_with("subscribed"),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is_not_subscribed() {
        let report: UpstreamReport = shaped(&json!({
            "role": "both", "ingests": null,
            "kind": "unknown", "subscribed": false, "problem": "not subscribed for 3 s: refused",
            "server": null, "servers": [], "moves": 0, "last_move": null,
        }))
        .unwrap();
        assert_eq!(
            text(&report),
            "a Redis that has not answered yet: not subscribed for 3 s: refused\n"
        );
    }
}
