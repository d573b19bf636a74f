//! `transform rollback`, `pause`, `resume`, `follow-config` and `remove`: one request each.

use serde_json::{Value, json};

use super::address::escaped;
use super::client::shaped;
use super::failure::CommandFailure;
use super::words::safe;
use super::{Context, apply};
use crate::rollout::report::{Applied, TransformReport};

#[derive(Debug, clap::Args)]
pub(super) struct RollbackArgs {
    /// The transform's name
    name: String,
    /// A revision that ran before, or at least its first 6 digits [default: the last good one
    /// that was not taken back]
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
    /// What must be running, or at least its first 6 digits; if another operator was faster,
    /// nothing is done [default: what runs when this is typed]
    #[arg(long, value_name = "REVISION")]
    from: Option<String>,
    /// Only show what would change, and do nothing
    #[arg(long)]
    plan: bool,
    /// It may publish, or read, more than what runs
    #[arg(long)]
    allow_wider: bool,
    /// It was taken back, and clients may lose what they rely on
    #[arg(long)]
    allow_breaking: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct FollowArgs {
    #[command(flatten)]
    of: NameArg,
    /// It may publish, or read, more than what runs
    #[arg(long)]
    allow_wider: bool,
    /// Clients may lose what they rely on
    #[arg(long)]
    allow_breaking: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    of: NameArg,
    /// Only on this host of the fleet, which goes its own way until it is resumed
    #[arg(long)]
    local: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct NameArg {
    /// The transform's name
    name: String,
}

pub(super) async fn rollback(
    context: &Context,
    args: &RollbackArgs,
) -> Result<Value, CommandFailure> {
    let path = format!("/v1/transforms/{}", escaped(&args.name));
    if args.plan {
        return plan_of_rollback(context, &path, args).await;
    }
    let from = match &args.from {
        Some(from) => from.clone(),
        None => {
            let seen: TransformReport = shaped(&context.client.get(&path).await?)?;
            seen.revision.id.as_str().to_owned()
        }
    };
    let path = format!("{path}/rollback");
    let content = json!({
        "to": args.to,
        "from": from,
        "allow_wider": args.allow_wider,
        "allow_breaking": args.allow_breaking,
    });
    let answer = context.client.post(&path, &content, "returning").await?;
    let applied: Applied = shaped(&answer)?;
    context.tell(&apply::told_rollback(&applied, &context.admin_flag()))?;
    Ok(answer)
}

/// What a rollback would change, without one.
async fn plan_of_rollback(
    context: &Context,
    path: &str,
    args: &RollbackArgs,
) -> Result<Value, CommandFailure> {
    let to = match &args.to {
        Some(to) => to.clone(),
        None => {
            let seen: TransformReport = shaped(&context.client.get(path).await?)?;
            let previous = seen.previous.ok_or_else(|| {
                let what = "it has no revision to return to; pause it, or apply another";
                CommandFailure::new("no-previous", what.to_owned())
            })?;
            previous.as_str().to_owned()
        }
    };
    apply::shown_plan(context, &to).await
}

pub(super) async fn pause(context: &Context, args: &PauseArgs) -> Result<Value, CommandFailure> {
    let what = if args.local {
        "pause?local=true"
    } else {
        "pause"
    };
    let (answer, report) = order(context, &args.of, what).await?;
    let name = safe(&report.name);
    context.tell(&format!(
        "{name} is paused: its events are dropped and counted, and clients are told; go on with\n  \
         tidegate transform resume {name}{}{}",
        context.admin_flag(),
        apply::not_yet(&report.not_yet)
    ))?;
    Ok(answer)
}

pub(super) async fn resume(context: &Context, args: &NameArg) -> Result<Value, CommandFailure> {
    let (answer, report) = order(context, args, "resume").await?;
    let (name, not_yet) = (safe(&report.name), apply::not_yet(&report.not_yet));
    context.tell(&format!(
        "{name} works again, and clients are told{not_yet}"
    ))?;
    Ok(answer)
}

pub(super) async fn follow_config(
    context: &Context,
    args: &FollowArgs,
) -> Result<Value, CommandFailure> {
    let path = format!("/v1/transforms/{}/follow-config", escaped(&args.of.name));
    let content = json!({
        "allow_wider": args.allow_wider,
        "allow_breaking": args.allow_breaking,
    });
    let answer = context.client.post(&path, &content, "returning").await?;
    let applied: Applied = shaped(&answer)?;
    context.tell(&apply::shown(&applied, &context.admin_flag()))?;
    Ok(answer)
}

pub(super) async fn remove(context: &Context, args: &NameArg) -> Result<Value, CommandFailure> {
    let path = format!("/v1/transforms/{}", escaped(&args.name));
    let answer = context.client.delete(&path).await?;
    let report: TransformReport = shaped(&answer)?;
    let (name, last) = (safe(&report.name), &report.revision.id);
    context.tell(&format!(
        "{name} is gone: its events go nowhere and its channels are no more; its revisions stay as \
         long as others, back with\n  tidegate transform plan {last}{}{}",
        context.admin_flag(),
        apply::not_yet(&report.not_yet)
    ))?;
    Ok(answer)
}

async fn order(
    context: &Context,
    args: &NameArg,
    what: &str,
) -> Result<(Value, TransformReport), CommandFailure> {
    let path = format!("/v1/transforms/{}/{what}", escaped(&args.name));
    let answer = context
        .client
        .post(&path, &json!({}), "asking the host")
        .await?;
    let report: TransformReport = shaped(&answer)?;
    Ok((answer, report))
}
