//! `transform run`: events in, all that comes of them out, in their order.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write, stdin};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::super::print::{complain, stdout};
use super::super::progress::shown;
use super::super::words::safe;
use super::{Found, TargetArgs};
use crate::kit::{self, EventOutcome, OutcomeCounts, OutcomeKind, PublicForm, Unusable, Workshop};
use crate::tasks::blocking;

#[derive(Debug, clap::Args)]
pub(in super::super) struct RunArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Events, a line of JSON each [default: what comes on standard input]
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

pub(super) async fn run(args: &RunArgs, json: bool) -> Result<Found, Unusable> {
    let target = args.target.target()?;
    let file = args.events.as_deref().map(open_events).transpose()?;
    let workshop = Workshop::open()?;
    let doing = format!("compiling and trying {}", target.file.display());
    let candidate = shown(&doing, workshop.load_untried(&target)).await?;
    if file.is_none() && stdin().is_terminal() {
        complain("events are read from this terminal, a line of JSON each, until Ctrl-D");
    }
    let ran = blocking(move || {
        let tell = |came: &EventOutcome| {
            let line = match json {
                true => json!(came).to_string(),
                false => words(came),
            };
            writeln!(stdout(), "{line}")
        };
        match file {
            Some(file) => kit::run(&candidate, file, tell),
            None => kit::run(&candidate, stdin().lock(), tell),
        }
    });
    let ran = ran.await?;
    if !json {
        complain(&summary(&ran));
    }
    Ok(Found::told_already(ran.is_sound()))
}

/// A file of events.
pub(in crate::cli) fn open_events(file: &Path) -> Result<impl BufRead + use<>, Unusable> {
    let opened = File::open(file);
    let opened = opened.map_err(|cause| Unusable::path("read", file, &cause))?;
    Ok(BufReader::new(opened))
}

fn words(came: &EventOutcome) -> String {
    let EventOutcome { event, what } = came;
    let public = |of: &PublicForm| {
        format!(
            "{} on {} with {}",
            safe(&of.message_type),
            safe(&of.channel),
            safe(&of.data.to_string())
        )
    };
    let what = match what {
        OutcomeKind::Publication(publication) => public(publication),
        OutcomeKind::Blocked(blocked) => {
            format!(
                "BLOCKED by the guard ({}): {}",
                blocked.why,
                public(&blocked.publication)
            )
        }
        OutcomeKind::Rejection(refused) => {
            let field = refused
                .field
                .as_deref()
                .map_or_else(String::new, |field| format!(" ({})", safe(field)));
            format!(
                "rejected as {}{field}: {}",
                refused.reason,
                safe(&refused.detail)
            )
        }
        OutcomeKind::Fault(why) => format!("FAULT: {}", safe(why)),
        OutcomeKind::Unmatched(why) => format!("not for it: {why}"),
        OutcomeKind::Log(line) => format!("  log {}", safe(line)),
    };
    format!("{event:>4}  {what}")
}

fn summary(ran: &OutcomeCounts) -> String {
    let OutcomeCounts {
        events,
        publications,
        rejections,
        blocked,
        faults,
        unmatched,
    } = ran;
    format!(
        "events {events}: publications {publications}, rejections {rejections}, blocked {blocked}, \
         faults {faults}, not for it {unmatched}"
    )
}
