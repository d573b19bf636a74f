//! `transform list`, `show` and `history`: looking, without changing anything.

use serde_json::Value;

use super::address::escaped;
use super::client::shaped;
use super::failure::Failure;
use super::{Desk, fleet, tables};
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

pub(super) async fn list(desk: &Desk, args: &ListArgs) -> Result<Value, Failure> {
    if args.fleet {
        return fleet::list(desk).await;
    }
    let answer = desk.client.get("/v1/transforms").await?;
    let all: Vec<TransformReport> = shaped(&answer["transforms"])?;
    desk.tell(&tables::transforms(&all))?;
    Ok(answer)
}

/// As JSON it is the transform with `revisions` added.
pub(super) async fn show(desk: &Desk, args: &ShowArgs) -> Result<Value, Failure> {
    let name = escaped(&args.name);
    let path = format!("/v1/transforms/{name}");
    let mut answer = desk.client.get(&path).await?;
    let path = format!("/v1/revisions?transform={name}");
    let kept = desk.client.get(&path).await?;
    let one: TransformReport = shaped(&answer)?;
    let revisions: Vec<RevisionReport> = shaped(&kept["revisions"])?;
    desk.tell(&tables::transform(&one, &revisions, desk.paint))?;
    answer["revisions"] = kept["revisions"].clone();
    Ok(answer)
}

pub(super) async fn history(desk: &Desk, args: &HistoryArgs) -> Result<Value, Failure> {
    let mut path = format!("/v1/history?limit={}", args.limit);
    if let Some(name) = &args.name {
        path.push_str(&format!("&transform={}", escaped(name)));
    }
    let answer = desk.client.get(&path).await?;
    let all: Vec<Entry> = shaped(&answer["entries"])?;
    desk.tell(&tables::history(&all))?;
    Ok(answer)
}
