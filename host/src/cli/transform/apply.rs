//! `transform plan` and `apply`, and the way from a revision to its switch that `push` and
//! `settings` go too.

use serde_json::{Value, json};

use super::address::escaped;
use super::client::shaped;
use super::consent::{self, ConsentArgs};
use super::failure::CommandFailure;
use super::shadow::{self, ShadowSize};
use super::words::{micros, moment, safe, seconds};
use super::{Context, plan, probation};
use crate::rollout::Consent;
use crate::rollout::report::{Applied, Plan};
use crate::transform::RevisionId;

#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// The revision, or at least its first 6 digits
    revision: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    /// The plan's id
    plan: String,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Stay until the probation is over; fails if Tidegate returns by itself
    #[arg(long)]
    wait: bool,
}

/// The whole way in one command.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("consent").multiple(true).requires("apply")
    .args(["allow_wider", "allow_breaking", "allow_silent", "allow_failing", "return_wider", "no_probation", "canary"]))]
pub(super) struct FollowUpArgs {
    /// Also plan it and do what the plan says
    #[arg(long)]
    apply: bool,
    /// Before that, run it beside the active revision on so many live events
    #[arg(long, value_name = "N", requires = "apply", value_parser = clap::value_parser!(u64).range(1..))]
    shadow: Option<u64>,
    /// Afterwards, stay until the probation is over; fails if Tidegate returns by itself
    #[arg(long, requires = "apply")]
    wait: bool,
    #[command(flatten)]
    consent: ConsentArgs,
}

impl FollowUpArgs {
    /// Whether it leads further than to a revision.
    pub(super) fn applies(&self) -> bool {
        self.apply
    }
}

pub(super) async fn plan(context: &Context, args: &PlanArgs) -> Result<Value, CommandFailure> {
    let (plan, answer) = planned(context, &args.revision).await?;
    context.tell(&plan::shown(&plan, context.paint))?;
    let next = plan::next_command(&plan, &context.admin_flag());
    let until = moment(plan.expires);
    context.tell(&format!("\napply it until {until} with\n  {next}"))?;
    Ok(answer)
}

/// Only shows what a revision would change.
pub(super) async fn shown_plan(context: &Context, revision: &str) -> Result<Value, CommandFailure> {
    let (plan, answer) = planned(context, revision).await?;
    context.tell(&plan::shown(&plan, context.paint))?;
    Ok(answer)
}

async fn planned(context: &Context, revision: &str) -> Result<(Plan, Value), CommandFailure> {
    let path = format!("/v1/revisions/{}/plan", escaped(revision));
    let doing = "comparing it with what runs";
    let answer = context.client.post(&path, &json!({}), doing).await?;
    Ok((shaped(&answer)?, answer))
}

pub(super) async fn apply(context: &Context, args: &ApplyArgs) -> Result<Value, CommandFailure> {
    let path = format!("/v1/plans/{}", escaped(&args.plan));
    let plan: Plan = shaped(&context.client.get(&path).await?)?;
    let consent = args.consent.for_plan(context, &plan).await?;
    apply_plan(context, &plan, &consent, args.wait).await
}

/// Plans a revision, tries it in a shadow and applies it, as far as the flags say. As JSON
/// each step's answer has its name.
pub(super) async fn go(
    context: &Context,
    to: &RevisionId,
    follow_up: &FollowUpArgs,
) -> Result<Value, CommandFailure> {
    if !follow_up.apply {
        let next = format!("tidegate transform plan {to}{}", context.admin_flag());
        context.tell(&format!("see what it would change with\n  {next}"))?;
        return Ok(json!({}));
    }
    let (plan, answer) = match planned(context, to.as_str()).await {
        // So that a script may run twice.
        Err(failure) if failure.code() == ALREADY_ACTIVE => {
            context.tell("it is what runs already: there is nothing to apply")?;
            return Ok(json!({ "plan": null, "applied": null }));
        }
        answer => answer?,
    };
    let mut steps = json!({ "plan": answer });
    context.tell(&format!("\n{}", plan::shown(&plan, context.paint)))?;
    // Before the shadow, which would only make somebody wait for the same answer.
    follow_up.consent.may_suffice(context, &plan)?;
    if let Some(events) = follow_up.shadow {
        if plan.from.is_some() {
            let size = ShadowSize::events(events);
            steps["shadow"] = shadow::before_apply(context, to, &size, &follow_up.consent).await?;
        } else {
            context.tell("nothing of that name runs, so there is no shadow to compare with")?;
        }
    }
    let consent = follow_up.consent.for_plan(context, &plan).await?;
    steps["applied"] = apply_plan(context, &plan, &consent, follow_up.wait).await?;
    Ok(steps)
}

/// The code of `Refused::AlreadyActive`.
const ALREADY_ACTIVE: &str = "already-active";

async fn apply_plan(
    context: &Context,
    plan: &Plan,
    consent: &Consent,
    wait: bool,
) -> Result<Value, CommandFailure> {
    let last_return = if wait {
        probation::last_return(context, &plan.transform).await?
    } else {
        None
    };
    let path = format!("/v1/plans/{}/apply", escaped(&plan.id));
    let content = consent::json_of(consent);
    let answer = context
        .client
        .post(&path, &content, "applying the plan")
        .await?;
    let applied: Applied = shaped(&answer)?;
    context.tell(&shown(&applied, &context.admin_flag()))?;
    if wait {
        probation::wait_out(context, &applied, last_return).await?;
    }
    Ok(answer)
}

/// What an apply or a rollback did.
pub(super) fn shown(applied: &Applied, admin: &str) -> String {
    let from = applied
        .from
        .as_ref()
        .map_or("nothing".to_owned(), ToString::to_string);
    let name = safe(&applied.transform);
    let switch = applied.switch_micros.map_or_else(
        || ", on each host that is to run it as soon as that one has it".to_owned(),
        |time| format!(", switched in {}", micros(time as f64)),
    );
    let watched = applied.probation_seconds.map_or_else(
        || "it is not watched: no probation".to_owned(),
        |time| format!("on probation for {}", seconds(time)),
    );
    let paused = if applied.paused {
        format!(
            "\nit is paused: no event goes through it until\n  tidegate transform resume {name}{admin}"
        )
    } else {
        String::new()
    };
    let back = match applied.from {
        Some(_) => "back with\n  tidegate transform rollback",
        None => "stop it with\n  tidegate transform pause",
    };
    let not_yet = not_yet(&applied.not_yet);
    format!(
        "{name}: {from} → {}{switch}\n{watched}; {back} {name}{admin}{paused}{not_yet}",
        applied.to
    )
}

/// What a rollback did.
pub(super) fn told_rollback(applied: &Applied, admin: &str) -> String {
    let name = safe(&applied.transform);
    let switch = applied.switch_micros.map_or_else(String::new, |time| {
        format!(", switched in {}", micros(time as f64))
    });
    let left = applied.from.as_ref().map_or_else(String::new, |from| {
        format!(
            "\n{from} is withdrawn: it runs again only when it is named; see what that would change \
             with\n  tidegate transform plan {from}{admin}"
        )
    });
    let paused = match applied.paused {
        true => format!("\nit is paused, until\n  tidegate transform resume {name}{admin}"),
        false => String::new(),
    };
    let not_yet = not_yet(&applied.not_yet);
    format!(
        "{name}: back at {}{switch}{left}{paused}{not_yet}",
        applied.to
    )
}

/// What a change has not come to, a line each.
pub(super) fn not_yet(not_yet: &[String]) -> String {
    let line = |what: &String| format!("\nnot yet {}; the host goes on trying", safe(what));
    not_yet.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use crate::rollout::Refused;

    #[test]
    fn a_switch_is_told_with_the_way_back() {
        let mut applied = Applied {
            transform: "ticks".into(),
            from: Some(examples::revision("aa").id),
            to: examples::revision("bb").id,
            probation_seconds: Some(60.0),
            switch_micros: Some(820),
            paused: false,
            not_yet: Vec::new(),
        };
        let (from, to) = (applied.from.clone().unwrap(), applied.to.clone());
        assert_eq!(
            shown(&applied, ""),
            format!(
                "ticks: {from} → {to}, switched in 820.0 µs\non probation for 1m; back with\n  \
                 tidegate transform rollback ticks"
            )
        );
        applied.from = None;
        applied.probation_seconds = None;
        let text = shown(&applied, " --admin http://h:1");
        assert!(
            text.contains("nothing →") && text.contains("not watched"),
            "{text}"
        );
        assert!(text.ends_with("pause ticks --admin http://h:1"), "{text}");
        applied.paused = true;
        let text = shown(&applied, "");
        let last =
            "it is paused: no event goes through it until\n  tidegate transform resume ticks";
        assert!(text.ends_with(last), "{text}");
    }

    #[test]
    fn the_code_is_the_hosts() {
        let refused = Refused::AlreadyActive(examples::revision("aa").id);
        assert_eq!(refused.code(), ALREADY_ACTIVE);
    }
}
