//! `/v1/upstream`: where events come from.

use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::upstream::place::UpstreamReport;

pub(super) async fn show(call: Call) -> Result<Success<UpstreamReport>, Problem> {
    Success::ok(call.admin.upstream.report())
}
