//! `/v1/usage`: what each key was sent, by day.

use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::rollout::Refused;
use crate::usage::UsageReport;

const DEFAULT_DAYS: u32 = 7;
const MAX_DAYS: u32 = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// How many days, today included; 7 if not given.
    #[schemars(range(min = 1, max = 1_000))]
    days: Option<u32>,
}

pub(super) async fn show(call: Call<Since>) -> Result<Success<UsageReport>, Problem> {
    let days = call.query.days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        let detail = format!("the parameter `days` is {days}, and must be from 1 to {MAX_DAYS}");
        return Err(Problem::bad_request(detail));
    }
    let report = call.admin.usage.report(days).await;
    Success::ok(report.map_err(Refused::from)?)
}
