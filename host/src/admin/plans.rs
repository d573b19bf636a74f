//! `/v1/plans`: what would change, and the word that it shall.

use axum::http::StatusCode;

use super::body::Object;
use super::endpoint::{Answer, Call, NoQuery};
use super::problem::Problem;
use super::shadows::without_inputs;
use super::tokens::Role;
use crate::rollout::Consent;
use crate::rollout::report::{Applied, Plan};

pub(super) async fn make(call: Call) -> Result<Answer<Plan>, Problem> {
    let registry = &call.admin.registry;
    let plan = registry
        .plan(call.holder.at(call.address), &call.of)
        .await?;
    let location = format!("/v1/plans/{}", plan.id);
    Answer::of(StatusCode::CREATED, Some(location), Plan::clone(&plan))
}

pub(super) async fn show(call: Call) -> Result<Answer<Plan>, Problem> {
    let mut plan = Plan::clone(&*call.admin.registry.find_plan(&call.of)?);
    if let Some(recent) = &mut plan.recent
        && call.holder.role != Role::Operate
    {
        without_inputs(recent);
    }
    Answer::ok(plan)
}

pub(super) async fn apply(
    call: Call<NoQuery, Object<Consent>>,
) -> Result<Answer<Applied>, Problem> {
    let Object(consent) = call.body;
    if let Some(canary) = consent.canary
        && !(1..=100).contains(&canary)
    {
        let detail = format!("the body: canary is {canary}, and must be from 1 to 100 percent");
        return Err(Problem::bad_request(detail));
    }
    let registry = &call.admin.registry;
    let applied = registry
        .apply(call.holder.at(call.address), &call.of, consent)
        .await?;
    Answer::ok(applied)
}
