//! Waiting until an applied revision has proved itself, or Tidegate has returned from it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::address::escaped;
use super::client::shaped;
use super::failure::CommandFailure;
use super::progress::ProgressLine;
use super::words::{count, safe, seconds};
use super::{Context, fleet, tables};
use crate::rollout::report::{Applied, Returned, TransformReport};

/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(500);

/// When Tidegate last returned by itself, so that an older return is not taken for a new one.
pub(super) async fn last_return(
    context: &Context,
    name: &str,
) -> Result<Option<Timestamp>, CommandFailure> {
    match context.client.get(&path(name)).await {
        Ok(answer) => {
            let report: TransformReport = shaped(&answer)?;
            Ok(report.returned.map(|returned| returned.at))
        }
        Err(failure) if failure.code() == "no-such-transform" => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Stays until the probation is over.
///
/// # Errors
/// Tidegate returned by itself: its evidence. Somebody else applied another revision.
pub(super) async fn wait_out(
    context: &Context,
    applied: &Applied,
    last_return: Option<Timestamp>,
) -> Result<(), CommandFailure> {
    tokio::select! {
        over = watch(context, applied, last_return) => over?,
        Ok(()) = tokio::signal::ctrl_c() => {
            let what = format!(
                "you do not wait any longer; {} stays, and is still watched by the host",
                applied.to
            );
            return Err(CommandFailure::new("interrupted", what));
        }
    }
    if applied.probation_seconds.is_some() {
        context.tell(&format!("{} has passed its probation", applied.to))?;
    }
    Ok(())
}

async fn watch(
    context: &Context,
    applied: &Applied,
    last_return: Option<Timestamp>,
) -> Result<(), CommandFailure> {
    let progress = ProgressLine::spinner();
    loop {
        let answer = context.client.look(&path(&applied.transform)).await?;
        let now: TransformReport = shaped(&answer)?;
        match stage(applied, last_return, &now) {
            Stage::Over => return Ok(()),
            Stage::Returned(evidence) => {
                return Err(CommandFailure::new("returned", tables::returned(evidence))
                    .with("faults", json!(evidence.examples))
                    .with("returned", answer["returned"].clone()));
            }
            Stage::Replaced => {
                let (by, newer) = (safe(&now.by), &now.revision.id);
                let what = format!(
                    "{} is not watched any more: {by} applied {newer} meanwhile",
                    applied.to
                );
                return Err(CommandFailure::new("replaced", what));
            }
            Stage::Ahead => {
                if let Some(instead) = fleet::instead(context, applied).await {
                    return Err(CommandFailure::new("returned", instead));
                }
                progress.tell("waiting for the fleet to come to this host", None);
            }
            Stage::Watched {
                left,
                missing,
                failures,
            } => progress.tell(&watched(left, missing, failures), None),
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn watched(left: f64, missing: u64, failures: u64) -> String {
    let failures = count(failures, "failure");
    if left > 0.0 || missing == 0 {
        return format!("on probation for {}, {failures} so far", seconds(left));
    }
    let missing = count(missing, "event");
    format!("on probation until {missing} more came, {failures} so far")
}

fn path(name: &str) -> String {
    format!("/v1/transforms/{}", escaped(name))
}

/// How far an applied revision is.
#[derive(Debug, PartialEq)]
enum Stage<'a> {
    /// A fleet has not brought it here yet.
    Ahead,
    Watched {
        left: f64,
        missing: u64,
        failures: u64,
    },
    Over,
    Returned(&'a Returned),
    Replaced,
}

fn stage<'a>(
    applied: &Applied,
    last_return: Option<Timestamp>,
    now: &'a TransformReport,
) -> Stage<'a> {
    let new = now
        .returned
        .as_ref()
        .filter(|returned| returned.from == applied.to && Some(returned.at) != last_return);
    if let Some(evidence) = new {
        return Stage::Returned(evidence);
    }
    if now.revision.id == applied.to {
        return now
            .probation
            .as_ref()
            .map_or(Stage::Over, |probation| Stage::Watched {
                left: probation.ends_in_seconds,
                missing: probation.missing_events,
                failures: probation.failures,
            });
    }
    // Only a fleet answers before the switch.
    let ahead = applied.switch_micros.is_none() && applied.from.as_ref() == Some(&now.revision.id);
    if ahead { Stage::Ahead } else { Stage::Replaced }
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use crate::rollout::report::{Figures, ProbationReport};

    fn applied() -> Applied {
        Applied {
            transform: "ticks".into(),
            from: Some(examples::revision("bb").id),
            to: examples::revision("aa").id,
            probation_seconds: Some(60.0),
            switch_micros: Some(800),
            paused: false,
            not_yet: Vec::new(),
        }
    }

    #[test]
    fn it_is_over_when_the_host_watches_no_longer() {
        let mut now = examples::transform();
        now.probation = Some(ProbationReport {
            ends_in_seconds: 3.5,
            missing_events: 2,
            failures: 1,
            common_failures: 0,
        });
        let watched = Stage::Watched {
            left: 3.5,
            missing: 2,
            failures: 1,
        };
        assert_eq!(stage(&applied(), None, &now), watched);
        now.probation = None;
        assert_eq!(stage(&applied(), None, &now), Stage::Over);
    }

    #[test]
    fn a_return_is_told_from_an_older_one_and_from_another_operators_apply() {
        let applied = applied();
        let mut now = examples::transform();
        now.revision = examples::revision("bb");
        assert_eq!(stage(&applied, None, &now), Stage::Replaced);
        let evidence = Returned {
            from: applied.to.clone(),
            to: applied.from.clone(),
            at: examples::at(),
            reason: "faults".into(),
            figures: Figures::default(),
            examples: Vec::new(),
        };
        now.returned = Some(evidence.clone());
        assert_eq!(stage(&applied, None, &now), Stage::Returned(&evidence));
        assert_eq!(stage(&applied, Some(evidence.at), &now), Stage::Replaced);
    }

    #[test]
    fn in_a_fleet_it_may_come_later() {
        let applied = Applied {
            switch_micros: None,
            ..applied()
        };
        let mut now = examples::transform();
        now.revision = examples::revision("bb");
        assert_eq!(stage(&applied, None, &now), Stage::Ahead);
    }
}
