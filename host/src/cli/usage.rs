//! `tidegate usage`: what each key was sent, by day, over a host's admin API.

use std::process::ExitCode;

use super::client::shaped;
use super::context::{self, Context, HostArgs};
use super::failure::CommandFailure;
use super::words::{moment, safe, table};
use crate::usage::UsageReport;

/// Shows how many messages and bytes each key was sent, by all hosts of the fleet.
#[derive(Debug, clap::Args)]
pub(super) struct UsageArgs {
    #[command(flatten)]
    host: HostArgs,
    /// How many days, today included
    #[arg(long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    days: u32,
}

pub(super) fn run(args: UsageArgs) -> ExitCode {
    let days = args.days;
    context::run(args.host, async |context| {
        let answer = context
            .client
            .get(&format!("/v1/usage?days={days}"))
            .await?;
        let report: UsageReport = shaped(&answer)?;
        tell(context, &report)?;
        Ok(answer)
    })
}

fn tell(context: &Context, report: &UsageReport) -> Result<(), CommandFailure> {
    context.tell(&table_of(report))?;
    match (&report.fleet, report.since) {
        (Some(fleet), _) => context.tell(&format!(
            "by all hosts of the fleet {}; what was sent in the last seconds may be missing",
            safe(fleet)
        )),
        (None, Some(since)) => context.tell(&format!(
            "by this host since its start at {}",
            moment(since)
        )),
        (None, None) => Ok(()),
    }
}

fn table_of(report: &UsageReport) -> String {
    let rows = report.days.iter().flat_map(|day| {
        day.keys.iter().map(|usage| {
            [
                safe(&day.day),
                safe(&usage.key),
                usage.messages.to_string(),
                usage.bytes.to_string(),
            ]
        })
    });
    table(["DAY", "KEY", "MESSAGES", "BYTES"], rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_key_of_each_day() {
        let report: UsageReport = shaped(&json!({
            "fleet": "tidegate", "since": null,
            "days": [
                {"day": "2026-03-02", "keys": [{"key": "k_a", "messages": 3, "bytes": 400}]},
                {"day": "2026-03-01", "keys": [{"key": "k_\u{1b}b", "messages": 1, "bytes": 50}]},
            ],
        }))
        .unwrap();
        let text = table_of(&report);
        assert_eq!(text.lines().count(), 3, "{text}");
        for part in ["2026-03-02", "k_a", "400"] {
            assert!(text.lines().nth(1).unwrap().contains(part), "{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
