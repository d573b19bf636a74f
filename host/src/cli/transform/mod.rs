//! `tidegate transform`: what operators do with a running host's transforms, over its admin
//! API. This file is what can be typed and how it ends; each group of commands has its own,
//! `client` speaks HTTP, `tables`, `plan` and `comparison` are what people read.
//!
//! Standard output has the answer, as text or (`--json`) as JSON alone; questions and progress
//! are on standard error. Exit codes: 0 done, 1 refused or failed, 2 typed wrongly.

mod address;
mod apply;
mod body;
mod client;
mod comparison;
mod consent;
mod document;
#[cfg(test)]
mod examples;
mod failure;
mod fleet;
mod inspect;
mod plan;
mod probation;
mod progress;
mod push;
mod shadow;
mod switch;
mod tables;
mod words;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use self::address::Address;
use self::client::Client;
use self::failure::Failure;
use self::words::Paint;
use crate::settings::Secret;

/// Sees and changes the transforms of a running host.
#[derive(Debug, clap::Args)]
pub(super) struct TransformArgs {
    /// The host's admin address; the token is read from TIDEGATE_ADMIN_TOKEN
    #[arg(long, global = true, env = "TIDEGATE_ADMIN", value_name = "URL",
          default_value = Address::DEFAULT)]
    admin: Address,
    /// The answer as JSON, for programs; never asks
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: TransformCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TransformCommand {
    /// Show all transforms of the host, or of its fleet
    List(inspect::ListArgs),
    /// Show one transform: what runs, what is kept, what happened
    Show(inspect::ShowArgs),
    /// Check a component as a push would, and keep nothing
    Check(push::FileArgs),
    /// Send a component; it is checked and kept as a revision
    Push(push::PushArgs),
    /// Make a revision of the running component with other settings or limits
    Settings(push::SettingsArgs),
    /// Show what would change if a revision were applied
    Plan(apply::PlanArgs),
    /// Run a revision beside the active one on live events and compare; nothing is published
    Shadow(shadow::ShadowArgs),
    /// Do what a plan says
    Apply(apply::ApplyArgs),
    /// Return to the previous revision, or to a named one
    Rollback(switch::RollbackArgs),
    /// Drop a transform's events until it is resumed; clients are told
    Pause(switch::NameArg),
    /// Let a paused transform work again
    Resume(switch::NameArg),
    /// Show who did what, and what came of it
    History(inspect::HistoryArgs),
}

/// What every command works with.
#[derive(Debug)]
struct Desk {
    client: Client,
    json: bool,
    /// Whether somebody is there to answer a question.
    may_ask: bool,
    paint: Paint,
}

impl Desk {
    fn new(address: Address, json: bool) -> Self {
        let token = std::env::var(client::TOKEN).ok();
        let token = token.filter(|token| !token.is_empty()).map(Secret::from);
        Self {
            client: Client::new(address, token),
            json,
            may_ask: !json && io::stdin().is_terminal() && io::stderr().is_terminal(),
            paint: Paint::of_stdout(),
        }
    }

    /// Words for a person.
    fn tell(&self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        print(text)
    }

    /// ` --admin URL`, where a further command would need it.
    fn admin_flag(&self) -> String {
        let address = self.client.address.to_string();
        let by_itself = std::env::var("TIDEGATE_ADMIN").ok();
        if by_itself.as_deref().unwrap_or(Address::DEFAULT) == address {
            String::new()
        } else {
            format!(" --admin {address}")
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        // A reader such as `head` may have had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Does what was asked and tells it.
pub(super) fn run(args: TransformArgs) -> ExitCode {
    let desk = Desk::new(args.admin, args.json);
    let done = super::block_on(async { Ok(command(&desk, args.command).await) });
    let done = done.unwrap_or_else(|error| Err(Failure::new("no-runtime", format!("{error:#}"))));
    let told = match done {
        Ok(answer) if desk.json => print(&format!("{answer:#}")),
        Ok(_) => Ok(()),
        Err(failure) => Err(failure),
    };
    let Err(failure) = told else {
        return ExitCode::SUCCESS;
    };
    if desk.json {
        // Where standard output is gone, the exit code is all that is left.
        let _ = print(&format!("{:#}", failure.json()));
    } else {
        eprintln!("error: {failure}");
    }
    ExitCode::FAILURE
}

/// Gives the answer for programs; what people read was told on the way.
async fn command(desk: &Desk, command: TransformCommand) -> Result<Value, Failure> {
    match command {
        TransformCommand::List(args) => inspect::list(desk, &args).await,
        TransformCommand::Show(args) => inspect::show(desk, &args).await,
        TransformCommand::History(args) => inspect::history(desk, &args).await,
        TransformCommand::Check(args) => push::check(desk, &args).await,
        TransformCommand::Push(args) => push::push(desk, &args).await,
        TransformCommand::Settings(args) => push::settings(desk, &args).await,
        TransformCommand::Plan(args) => apply::plan(desk, &args).await,
        TransformCommand::Apply(args) => apply::apply(desk, &args).await,
        TransformCommand::Shadow(args) => shadow::shadow(desk, &args).await,
        TransformCommand::Rollback(args) => switch::rollback(desk, &args).await,
        TransformCommand::Pause(args) => switch::pause(desk, &args).await,
        TransformCommand::Resume(args) => switch::resume(desk, &args).await,
    }
}

#[cfg(test)]
mod tests;
