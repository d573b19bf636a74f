//! `/v1/history`: the audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::state::audit::Entry;
use crate::tasks::blocking;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

/// The last entries of the audit log, newest last.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// The hash of the log's last line. Whoever keeps it elsewhere can tell later whether the log
    /// still has that line and all before it; none where the log is empty.
    head: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those of this transform.
    transform: Option<String>,
    /// How many at most; 100 if not given.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<usize>,
}

pub(super) async fn list(call: Call<Which>) -> Result<Success<Entries>, Problem> {
    let Which { transform, limit } = call.query;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("the parameter `limit` is {limit}, and must be from 1 to {MAX_LIMIT}");
        return Err(Problem::bad_request(detail));
    }
    let registry = call.admin.registry.clone();
    // It reads a file.
    let (entries, head) = blocking(move || registry.history(transform.as_deref(), limit)).await?;
    Success::ok(Entries { entries, head })
}
