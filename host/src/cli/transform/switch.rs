//! `transform rollback`, `pause`, `resume` and `remove`: one order each.

use serde_json::{Value, json};

use super::address::escaped;
use super::client::shaped;
use super::failure::Failure;
use super::words::safe;
use super::{Desk, apply};
use crate::registry::report::{Applied, TransformReport};

#[derive(Debug, clap::Args)]
pub(super) struct RollbackArgs {
    /// The transform's name
    name: String,
    /// A revision that was active before, or at least its first 6 digits [default: the previous
    /// one]
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
    /// What must be running, or at least its first 6 digits; if another operator was faster,
    /// nothing is done [default: what runs when this is typed]
    #[arg(long, value_name = "REVISION")]
    from: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct NameArg {
    /// The transform's name
    name: String,
}

pub(super) async fn rollback(desk: &Desk, args: &RollbackArgs) -> Result<Value, Failure> {
    let path = format!("/v1/transforms/{}", escaped(&args.name));
    let from = match &args.from {
        Some(from) => from.clone(),
        None => {
            let seen: TransformReport = shaped(&desk.client.get(&path).await?)?;
            seen.revision.id.as_str().to_owned()
        }
    };
    let path = format!("{path}/rollback");
    let content = json!({ "to": args.to, "from": from });
    let answer = desk.client.post(&path, &content, "returning").await?;
    let applied: Applied = shaped(&answer)?;
    desk.tell(&apply::told(&applied, &desk.admin_flag()))?;
    tell_not_yet(desk, &applied.not_yet)?;
    Ok(answer)
}

pub(super) async fn pause(desk: &Desk, args: &NameArg) -> Result<Value, Failure> {
    let (answer, name) = order(desk, args, "pause").await?;
    desk.tell(&format!(
        "{name} is paused: its events are dropped and counted, and clients are told; go on with\n  \
         tidegate transform resume {name}{}",
        desk.admin_flag()
    ))?;
    Ok(answer)
}

pub(super) async fn resume(desk: &Desk, args: &NameArg) -> Result<Value, Failure> {
    let (answer, name) = order(desk, args, "resume").await?;
    desk.tell(&format!("{name} works again, and clients are told"))?;
    Ok(answer)
}

pub(super) async fn remove(desk: &Desk, args: &NameArg) -> Result<Value, Failure> {
    let path = format!("/v1/transforms/{}", escaped(&args.name));
    let answer = desk.client.delete(&path).await?;
    let report: TransformReport = shaped(&answer)?;
    let (name, last) = (safe(&report.name), &report.revision.id);
    tell_not_yet(desk, &report.not_yet)?;
    desk.tell(&format!(
        "{name} is gone: its events go nowhere and its channels are no more; its revisions stay as \
         long as others, back with\n  tidegate transform plan {last}{}",
        desk.admin_flag()
    ))?;
    Ok(answer)
}

async fn order(desk: &Desk, args: &NameArg, what: &str) -> Result<(Value, String), Failure> {
    let path = format!("/v1/transforms/{}/{what}", escaped(&args.name));
    let answer = desk
        .client
        .post(&path, &json!({}), "asking the host")
        .await?;
    let report: TransformReport = shaped(&answer)?;
    tell_not_yet(desk, &report.not_yet)?;
    Ok((answer, safe(&report.name)))
}

/// What the change has not come to.
fn tell_not_yet(desk: &Desk, not_yet: &[String]) -> Result<(), Failure> {
    for what in not_yet {
        desk.tell(&format!("not yet: {}", safe(what)))?;
    }
    Ok(())
}
