//! `transform list`, `show` and `history`: looking, without changing anything.

use serde_json::Value;

use super::address::escaped;
use super::client::shaped;
use super::failure::CommandFailure;
use super::{Context, fleet, tables};
use crate::rollout::report::{RevisionReport, TransformReport};
use crate::state::audit::Entry;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Show what each host of the fleet runs, and what it should
    #[arg(long)]
    fleet: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The transform's name
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Only of this transform
    name: Option<String>,
    /// The newest so many entries
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn list(context: &Context, args: &ListArgs) -> Result<Value, CommandFailure> {
    if args.fleet {
        return fleet::list(context).await;
    }
    let answer = context.client.get("/v1/transforms").await?;
    let all: Vec<TransformReport> = shaped(&answer["transforms"])?;
    context.tell(&tables::transforms(&all))?;
    Ok(answer)
}

/// As JSON it is the transform with `revisions` added.
pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result<Value, CommandFailure> {
    let name = escaped(&args.name);
    let path = format!("/v1/transforms/{name}");
    let mut answer = context.client.get(&path).await?;
    let path = format!("/v1/revisions?transform={name}");
    let kept = context.client.get(&path).await?;
    let one: TransformReport = shaped(&answer)?;
    let revisions: Vec<RevisionReport> = shaped(&kept["revisions"])?;
    context.tell(&tables::transform(&one, &revisions, context.paint))?;
    answer["revisions"] = kept["revisions"].clone();
    Ok(answer)
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
    let all: Vec<Entry> = shaped(&answer["entries"])?;
    context.tell(&tables::history(&all))?;
    Ok(answer)
}
