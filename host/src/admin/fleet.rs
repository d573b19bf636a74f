//! `/v1/fleet`: who runs what.

use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::rollout::{self, FleetReport};

pub(super) async fn show(call: Call) -> Result<Success<FleetReport>, Problem> {
    Success::ok(rollout::fleet_report(&call.admin.registry).await?)
}
