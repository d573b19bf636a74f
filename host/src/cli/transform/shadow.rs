//! `transform shadow`: a candidate beside the active revision on live events, watched until it
//! is done or somebody presses Ctrl-C.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::address::escaped;
use super::client::shaped;
use super::consent::{ConsentArgs, asked, declined};
use super::failure::CommandFailure;
use super::progress::ProgressLine;
use super::{Context, comparison};
use crate::rollout;
use crate::rollout::report::{ShadowReport, ShadowState};
use crate::transform::RevisionId;

/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
pub(super) struct ShadowArgs {
    /// The revision, or at least its first 6 digits
    revision: String,
    #[command(flatten)]
    size: ShadowSize,
}

/// How long it runs, and what it keeps.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ShadowSize {
    /// At most so many events [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// At most so many seconds [default: 60]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Also show the internal events that came out differently
    #[arg(long)]
    show_input: bool,
}

impl ShadowSize {
    pub(super) fn events(events: u64) -> Self {
        Self {
            events: Some(events),
            ..Self::default()
        }
    }
}

pub(super) async fn shadow(context: &Context, args: &ShadowArgs) -> Result<Value, CommandFailure> {
    let watched = watch(context, &args.revision, &args.size).await?;
    context.tell(&comparison::shadow(&watched.report, context.paint))?;
    Ok(watched.answer)
}

/// A shadow on the way to an apply.
///
/// # Errors
/// It was stopped, or the candidate failed on an event and nobody said to go on all the same.
pub(super) async fn before_apply(
    context: &Context,
    revision: &RevisionId,
    size: &ShadowSize,
    consent: &ConsentArgs,
) -> Result<Value, CommandFailure> {
    let watched = watch(context, revision.as_str(), size).await?;
    context.tell(&format!(
        "\n{}",
        comparison::shadow(&watched.report, context.paint)
    ))?;
    let WatchedShadow { report, answer } = watched;
    if report.state == ShadowState::Stopped {
        let why = "the shadow was stopped before its time, so nothing was applied";
        return Err(CommandFailure::new("shadow-stopped", why).with("shadow", answer));
    }
    let needs = rollout::consent::of_events(&report.comparison);
    let Some(missing) = consent.missing(&needs) else {
        return Ok(answer);
    };
    if !context.may_ask {
        let why = format!("by the shadow, so it was not applied: {missing}");
        return Err(CommandFailure::new("shadow-failed", why).with("shadow", answer));
    }
    if asked(&consent.question(&needs)).await? {
        Ok(answer)
    } else {
        Err(declined())
    }
}

/// A shadow that has ended.
struct WatchedShadow {
    report: ShadowReport,
    answer: Value,
}

async fn watch(
    context: &Context,
    revision: &str,
    size: &ShadowSize,
) -> Result<WatchedShadow, CommandFailure> {
    let content = json!({
        "events": size.events,
        "seconds": size.seconds,
        "show_input": size.show_input,
    });
    let path = format!("/v1/revisions/{}/shadow", escaped(revision));
    let mut answer = context
        .client
        .post(&path, &content, "making it ready")
        .await?;
    let mut report: ShadowReport = shaped(&answer)?;
    let path = format!("/v1/shadows/{}", escaped(&report.id));
    let mut stop = pin!(tokio::signal::ctrl_c());
    let progress = ProgressLine::bar();
    while report.state == ShadowState::Running {
        let doing = format!("shadow, {}", comparison::line(&report.comparison));
        progress.tell(&doing, Some(report.progress));
        let look = async {
            tokio::time::sleep(LOOK).await;
            context.client.look(&path).await
        };
        answer = tokio::select! {
            looked = look => looked?,
            Ok(()) = &mut stop => {
                // It may take a moment to end; until then it is watched on.
                stop.set(tokio::signal::ctrl_c());
                context.client.delete(&path).await?
            }
        };
        report = shaped(&answer)?;
    }
    Ok(WatchedShadow { report, answer })
}
