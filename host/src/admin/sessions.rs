//! `/v1/sessions`: who is connected, and the end of one session.

use schemars::JsonSchema;
use serde::Serialize;

use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::hub::Listed;
use crate::rollout::Refused;

/// The live sessions, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Sessions {
    sessions: Vec<Listed>,
}

pub(super) async fn list(call: Call) -> Result<Success<Sessions>, Problem> {
    let sessions = call.admin.context.hub.sessions().await;
    Success::ok(Sessions { sessions })
}

/// The session is told first and the audit log after, so that a full disk keeps nobody in.
pub(super) async fn close(call: Call) -> Result<Success<Listed>, Problem> {
    let admin = &call.admin;
    let closed = match call.of.parse() {
        Ok(id) => admin.context.hub.close(id).await,
        Err(_) => None,
    };
    let detail = closed.as_ref().map_or_else(String::new, |session| {
        format!(
            "session {} of key {} from {}",
            session.id, session.key_id, session.remote
        )
    });
    let outcome = closed.ok_or_else(|| Refused::no_such_session(&call.of));
    let by = call.holder.at(call.address);
    let noted = admin.registry.note(by, "close-session", detail, outcome);
    Success::ok(noted.await?)
}
