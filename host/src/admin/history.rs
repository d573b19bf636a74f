//! `/v1/history`: the audit log, of the whole fleet where there is one.

use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::rollout;
use crate::rollout::report::History;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those of this transform.
    transform: Option<String>,
    /// How many at most; 100 if not given.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<usize>,
}

pub(super) async fn list(call: Call<Which>) -> Result<Success<History>, Problem> {
    let Which { transform, limit } = call.query;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("the parameter `limit` is {limit}, and must be from 1 to {MAX_LIMIT}");
        return Err(Problem::bad_request(detail));
    }
    let registry = &call.admin.registry;
    Success::ok(rollout::history(registry, transform.as_deref(), limit).await?)
}
