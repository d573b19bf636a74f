//! `transform history`: the audit log, of the whole fleet where there is one.

use serde_json::Value;

use super::Context;
use super::address::escaped;
use super::client::shaped;
use super::failure::CommandFailure;
use super::words::{moment, safe, table};
use crate::rollout::report::{History, HistoryEntry};

#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Only of this transform
    name: Option<String>,
    /// The newest so many entries
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn history(
    context: &Context,
    args: &HistoryArgs,
) -> Result<Value, CommandFailure> {
    let mut path = format!("/v1/history?limit={}", args.limit);
    if let Some(name) = &args.name {
        path.push_str(&format!("&transform={}", escaped(name)));
    }
    let answer = context.client.get(&path).await?;
    context.tell(&in_lines(&shaped(&answer)?))?;
    Ok(answer)
}

/// What was done, newest last; and by which host, where there are several.
fn in_lines(history: &History) -> String {
    const HEADER: [&str; 8] = [
        "AT",
        "BY",
        "ACTION",
        "TRANSFORM",
        "REVISION",
        "PLAN",
        "RESULT",
        "DETAIL",
    ];
    let mut lines = history.entries.iter();
    let listed = if lines.any(|line| line.host.is_some()) {
        let with = |line: &HistoryEntry| {
            let [at, rest @ ..] = cells(line);
            let [by, action, transform, revision, plan, result, detail] = rest;
            let host = or_none(line.host.as_deref());
            [
                at, host, by, action, transform, revision, plan, result, detail,
            ]
        };
        let [at, by, action, transform, revision, plan, result, detail] = HEADER;
        let header = [
            at, "HOST", by, action, transform, revision, plan, result, detail,
        ];
        table(header, history.entries.iter().map(with))
    } else {
        table(HEADER, history.entries.iter().map(cells))
    };
    let missing = history.missing.as_deref().map_or_else(String::new, |why| {
        format!("what other hosts did is not among these: {}\n", safe(why))
    });
    listed + &missing
}

fn cells(line: &HistoryEntry) -> [String; 8] {
    let entry = &line.entry;
    let revision = entry.revision.as_ref().map(ToString::to_string);
    [
        moment(entry.at),
        safe(&entry.by),
        safe(&entry.action),
        or_none(entry.transform.as_deref()),
        or_none(revision.as_deref()),
        or_none(entry.plan.as_deref()),
        safe(&entry.result),
        safe(&entry.detail),
    ]
}

fn or_none(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), safe)
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use crate::state::audit::Entry;

    fn of_host(host: Option<&str>, missing: Option<&str>) -> String {
        let entry = Entry {
            at: examples::at(),
            by: "ann".into(),
            address: Some([192, 0, 2, 7].into()),
            action: "apply".into(),
            transform: Some("ticks".into()),
            revision: None,
            plan: None,
            result: "stale-plan".into(),
            detail: "another was applied".into(),
            before: None,
        };
        let host = host.map(str::to_owned);
        in_lines(&History {
            entries: vec![HistoryEntry { host, entry }],
            head: None,
            missing: missing.map(str::to_owned),
        })
    }

    #[test]
    fn refusals_are_shown_too() {
        let shown = of_host(None, None);
        assert!(!shown.contains("HOST"), "{shown}");
        let line = shown.lines().nth(1).unwrap();
        for part in [
            "ann",
            "apply",
            "ticks",
            " - ",
            "stale-plan",
            "another was applied",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn a_fleet_has_the_names_of_its_hosts_and_says_where_they_are_not_known() {
        let shown = of_host(Some("one"), Some("no answer\u{1b}"));
        assert!(shown.contains("HOST"), "{shown}");
        assert!(shown.lines().nth(1).unwrap().contains(" one "), "{shown}");
        let end = "not among these: no answer\\u{1b}\n";
        assert!(shown.ends_with(end), "{shown}");
    }
}
