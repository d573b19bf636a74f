//! `/v1/transforms`: what runs, its settings, back to an earlier revision, pause and resume.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::JsonObject;
use super::endpoint::{Call, NoQuery, Success};
use super::problem::Problem;
use super::revisions;
use crate::rollout::report::{Applied, Pushed, TransformReport};
use crate::rollout::{self, FollowRequest, PauseOrder, PushRequest, RollbackRequest};

/// All transforms of this host.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Transforms {
    transforms: Vec<TransformReport>,
}

/// Other settings, other limits, or both, for the component that runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsAsk {
    /// All of the component's settings; those of the active revision if none.
    settings: Option<Map<String, Value>>,
    /// Only those limits that shall be others.
    limits: Option<Map<String, Value>>,
}

pub(super) async fn list(call: Call) -> Result<Success<Transforms>, Problem> {
    let transforms = call.admin.registry.list();
    Success::ok(Transforms { transforms })
}

pub(super) async fn show(call: Call) -> Result<Success<TransformReport>, Problem> {
    Success::ok(call.admin.registry.show(&call.of)?)
}

pub(super) async fn settings(
    call: Call<NoQuery, JsonObject<SettingsAsk>>,
) -> Result<Success<Pushed>, Problem> {
    let JsonObject(SettingsAsk { settings, limits }) = call.body;
    if settings.is_none() && limits.is_none() {
        let detail = "the body: give `settings`, `limits` or both";
        return Err(Problem::bad_request(detail));
    }
    let request = PushRequest {
        transform: None,
        settings: settings.map(Value::Object),
        limits: limits.map(Value::Object),
        certificate: None,
    };
    let registry = &call.admin.registry;
    let pushed =
        rollout::reconfigure(registry, call.holder.at(call.address), &call.of, request).await?;
    revisions::pushed(pushed)
}

pub(super) async fn rollback(
    call: Call<NoQuery, JsonObject<RollbackRequest>>,
) -> Result<Success<Applied>, Problem> {
    let JsonObject(request) = call.body;
    let registry = &call.admin.registry;
    let applied =
        rollout::rollback(registry, call.holder.at(call.address), &call.of, request).await?;
    Success::ok(applied)
}

pub(super) async fn follow_config(
    call: Call<NoQuery, JsonObject<FollowRequest>>,
) -> Result<Success<Applied>, Problem> {
    let (JsonObject(request), registry) = (call.body, &call.admin.registry);
    let applied = rollout::follow_config(registry, call.holder.at(call.address), &call.of, request);
    Success::ok(applied.await?)
}

pub(super) async fn remove(call: Call) -> Result<Success<TransformReport>, Problem> {
    let registry = &call.admin.registry;
    Success::ok(rollout::remove(registry, call.holder.at(call.address), &call.of).await?)
}

/// Which hosts a pause is for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PauseAsk {
    /// Only this host of the fleet, which goes its own way until it is resumed.
    local: bool,
}

pub(super) async fn pause(call: Call<PauseAsk>) -> Result<Success<TransformReport>, Problem> {
    let order = match call.query.local {
        true => PauseOrder::PauseHere,
        false => PauseOrder::Pause,
    };
    change_pause(&call, order).await
}

pub(super) async fn resume(call: Call) -> Result<Success<TransformReport>, Problem> {
    change_pause(&call, PauseOrder::Resume).await
}

async fn change_pause<Q>(
    call: &Call<Q>,
    order: PauseOrder,
) -> Result<Success<TransformReport>, Problem> {
    let (registry, by) = (&call.admin.registry, call.holder.at(call.address));
    Success::ok(rollout::pause(registry, by, &call.of, order).await?)
}
