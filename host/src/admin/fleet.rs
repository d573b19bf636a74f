//! `/v1/fleet`: who runs what.

use super::endpoint::{Answer, Call};
use super::problem::Problem;
use crate::rollout::FleetReport;

pub(super) async fn show(call: Call) -> Result<Answer<FleetReport>, Problem> {
    Answer::ok(call.admin.registry.fleet().await?)
}
