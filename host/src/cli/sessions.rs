//! `tidegate sessions`: who is connected to a running host, and the end of one session, over
//! the host's admin API.

use std::process::ExitCode;

use serde_json::Value;

use super::client::shaped;
use super::context::{self, Context, HostArgs};
use super::failure::CommandFailure;
use super::words::{moment, safe, table};
use crate::hub::Listed;

/// Shows who is connected to a running host, and ends a session.
#[derive(Debug, clap::Args)]
pub(super) struct SessionsArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: Option<SessionsCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum SessionsCommand {
    /// Show the live sessions, oldest first; so does no command at all
    List,
    /// End one session: its client is told 4010, and may come again
    Close(CloseArgs),
}

#[derive(Debug, clap::Args)]
struct CloseArgs {
    /// The session's number, as the list has it
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: u64,
}

fn parse_id(given: &str) -> Result<u64, String> {
    let advice = "a session has a number; `tidegate sessions` shows it as ID";
    given.parse().map_err(|_| advice.to_owned())
}

pub(super) fn run(args: SessionsArgs) -> ExitCode {
    context::run(args.host, async |context| match args.command {
        None | Some(SessionsCommand::List) => list(context).await,
        Some(SessionsCommand::Close(CloseArgs { id })) => close(context, id).await,
    })
}

async fn list(context: &Context) -> Result<Value, CommandFailure> {
    let answer = context.client.get("/v1/sessions").await?;
    let live: Vec<Listed> = shaped(&answer["sessions"])?;
    context.tell(&table_of(&live))?;
    Ok(answer)
}

async fn close(context: &Context, id: u64) -> Result<Value, CommandFailure> {
    let answer = context.client.delete(&format!("/v1/sessions/{id}")).await?;
    let closed: Listed = shaped(&answer)?;
    context.tell(&format!(
        "session {id} of key {} from {} was told to leave (4010); to keep its client out, revoke \
         the key with `tidegate key revoke`",
        safe(&closed.key_id),
        closed.remote
    ))?;
    Ok(answer)
}

fn table_of(live: &[Listed]) -> String {
    let row = |session: &Listed| {
        [
            session.id.to_string(),
            session.remote.to_string(),
            safe(&session.key_id),
            safe(&session.key_name),
            moment(session.since),
            session.subscriptions.to_string(),
            session.waiting_messages.to_string(),
            format!("{:.1} s", session.lag_seconds),
            session.missed.to_string(),
        ]
    };
    let header = [
        "ID",
        "ADDRESS",
        "KEY",
        "NAME",
        "SINCE",
        "SUBSCRIPTIONS",
        "WAITING",
        "LAG",
        "MISSED",
    ];
    table(header, live.iter().map(row))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        sessions: SessionsArgs,
    }

    #[test]
    fn no_command_is_the_list_and_a_close_needs_a_number() {
        let typed = |words: &[&str]| Line::try_parse_from([&["sessions"], words].concat());
        assert!(typed(&[]).unwrap().sessions.command.is_none());
        assert!(typed(&["--json"]).unwrap().sessions.host.json);
        assert!(typed(&["close", "7", "--json"]).is_ok());
        for wrong in [&["close"][..], &["close", "all"], &["close", "-1"]] {
            assert!(typed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_table_shows_what_an_operator_looks_for_and_plays_no_name() {
        let live: Vec<Listed> = shaped(&json!([{
            "id": 7, "remote": "192.0.2.1:50000", "key_id": "k_abc", "key_name": "desk\u{1b}[2J",
            "since": "2026-03-01T12:00:00.123Z", "subscriptions": 3,
            "waiting_messages": 2048, "lag_seconds": 1.25, "reply_bytes": 0, "delivered": 10, "missed": 4,
        }]))
        .unwrap();
        let text = table_of(&live);
        let line = text.lines().nth(1).unwrap();
        for part in [
            "7",
            "192.0.2.1:50000",
            "k_abc",
            "2026-03-01T12:00:00Z",
            " 3 ",
            "2048",
            "1.2 s",
            "4",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
