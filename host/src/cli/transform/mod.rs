//! `tidegate transform`: what operators do with a running host's transforms, over its admin
//! API. This file is what can be typed; each group of commands has its own, `tables`, `plan`
//! and `comparison` are what people read. Speaking to the host is `client`'s and `context`'s.

mod apply;
mod author;
mod comparison;
mod consent;
mod document;
#[cfg(test)]
mod examples;
mod figures;
mod fleet;
mod history;
mod inspect;
mod plan;
mod probation;
mod push;
mod shadow;
mod switch;
mod tables;

use std::process::ExitCode;

use serde_json::Value;

pub(super) use self::author::open_events;
use super::context::{self, Context, HostArgs};
use super::failure::CommandFailure;
use super::print::print;
use super::{address, client, failure, progress, words};

/// Sees and changes the transforms of a running host.
#[derive(Debug, clap::Args)]
pub(super) struct TransformArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: TransformCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TransformCommand {
    /// Show all transforms of the host, or of its fleet
    List(inspect::ListArgs),
    /// Show one transform: what runs, what is kept, what happened
    Show(inspect::ShowArgs),
    /// Check a component: what a host would refuse, what it would make public, what to think about
    Check(CheckArgs),
    #[command(flatten)]
    Author(author::AuthorCommand),
    /// Send a component; it is checked and kept as a revision
    Push(push::PushArgs),
    /// Show the settings of what runs; with new ones, or limits, make a revision of them
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
    Pause(switch::PauseArgs),
    /// Let a paused transform work again
    Resume(switch::NameArg),
    /// Return to what the host's settings name, and follow them again
    FollowConfig(switch::FollowArgs),
    /// End a transform that the settings do not name; what is kept of it can be applied again
    Remove(switch::NameArg),
    /// Show who did what, and what came of it
    History(history::HistoryArgs),
    /// Print the contract that components are built for, as WIT: asks no host
    Wit,
}

/// Without a host, unless one is asked.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    target: author::TargetArgs,
    /// Ask the running host instead: with what it would run with there, and beside what runs
    #[arg(long)]
    on_host: bool,
    /// The same, for this transform: its settings and limits are taken
    #[arg(long, value_name = "NAME")]
    transform: Option<String>,
}

impl CheckArgs {
    fn asks_host(&self) -> bool {
        self.on_host || self.transform.is_some()
    }
}

/// The contract that this host serves.
const WIT: &str = include_str!("../../../../wit/transform.wit");

/// Does what was asked and tells it.
pub(super) fn run(args: TransformArgs) -> ExitCode {
    match args.command {
        TransformCommand::Wit => super::ended(print(WIT).map_err(Into::into)),
        TransformCommand::Check(check) if !check.asks_host() => {
            author::check(args.host.json, &check.target)
        }
        TransformCommand::Author(command) => author::run(args.host.json, command),
        asked => context::run(args.host, async |context| command(context, asked).await),
    }
}

/// Gives the answer for programs; what people read was told on the way.
async fn command(context: &Context, command: TransformCommand) -> Result<Value, CommandFailure> {
    match command {
        TransformCommand::List(args) => inspect::list(context, &args).await,
        TransformCommand::Show(args) => inspect::show(context, &args).await,
        TransformCommand::History(args) => history::history(context, &args).await,
        TransformCommand::Check(args) => {
            let CheckArgs {
                target, transform, ..
            } = args;
            push::check(context, &target.file(transform)?).await
        }
        TransformCommand::Push(args) => push::push(context, &args).await,
        TransformCommand::Settings(args) => push::settings(context, &args).await,
        TransformCommand::Plan(args) => apply::plan(context, &args).await,
        TransformCommand::Apply(args) => apply::apply(context, &args).await,
        TransformCommand::Shadow(args) => shadow::shadow(context, &args).await,
        TransformCommand::Rollback(args) => switch::rollback(context, &args).await,
        TransformCommand::Pause(args) => switch::pause(context, &args).await,
        TransformCommand::Resume(args) => switch::resume(context, &args).await,
        TransformCommand::FollowConfig(args) => switch::follow_config(context, &args).await,
        TransformCommand::Remove(args) => switch::remove(context, &args).await,
        // They were done already, without a host.
        TransformCommand::Wit | TransformCommand::Author(_) => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests;
