//! `/v1/plans`: what would change, and the word that it shall.

use axum::http::StatusCode;

use super::body::JsonObject;
use super::endpoint::{Call, NoQuery, Success};
use super::problem::Problem;
use super::shadows::without_inputs;
use super::tokens::TokenRole;
use crate::rollout::report::{Applied, Plan};
use crate::rollout::{self, Consent};

pub(super) async fn make(call: Call) -> Result<Success<Plan>, Problem> {
    let registry = &call.admin.registry;
    let plan = rollout::plan(registry, call.holder.at(call.address), &call.of).await?;
    let location = format!("/v1/plans/{}", plan.id);
    Success::of(StatusCode::CREATED, Some(location), Plan::clone(&plan))
}

pub(super) async fn show(call: Call) -> Result<Success<Plan>, Problem> {
    let mut plan = Plan::clone(&*rollout::find_plan(&call.admin.registry, &call.of)?);
    if let Some(recent) = &mut plan.recent
        && call.holder.role != TokenRole::Operate
    {
        without_inputs(recent);
    }
    Success::ok(plan)
}

pub(super) async fn apply(
    call: Call<NoQuery, JsonObject<Consent>>,
) -> Result<Success<Applied>, Problem> {
    let JsonObject(consent) = call.body;
    if let Some(canary) = consent.canary
        && !(1..=100).contains(&canary)
    {
        let detail = format!("the body: canary is {canary}, and must be from 1 to 100 percent");
        return Err(Problem::bad_request(detail));
    }
    let registry = &call.admin.registry;
    let applied = rollout::apply(registry, call.holder.at(call.address), &call.of, consent).await?;
    Success::ok(applied)
}
