//! `transform list` and `show`: looking, without changing anything.

use serde_json::Value;

use super::address::escaped;
use super::client::shaped;
use super::failure::CommandFailure;
use super::{Context, fleet, tables};
use crate::rollout::report::{RevisionReport, TransformReport};

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

pub(super) async fn list(context: &Context, args: &ListArgs) -> Result<Value, CommandFailure> {
    if args.fleet {
        return fleet::list(context).await;
    }
    let answer = context.client.get("/v1/transforms").await?;
    let reports: Vec<TransformReport> = shaped(&answer["transforms"])?;
    context.tell(&tables::transforms(&reports))?;
    Ok(answer)
}

/// As JSON it is the transform with `revisions` added.
pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result<Value, CommandFailure> {
    let name = escaped(&args.name);
    let path = format!("/v1/transforms/{name}");
    let mut answer = context.client.get(&path).await?;
    let path = format!("/v1/revisions?transform={name}");
    let kept = context.client.get(&path).await?;
    let report: TransformReport = shaped(&answer)?;
    let revisions: Vec<RevisionReport> = shaped(&kept["revisions"])?;
    context.tell(&tables::transform(&report, &revisions, context.paint))?;
    answer["revisions"] = kept["revisions"].clone();
    Ok(answer)
}
