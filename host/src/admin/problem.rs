//! What the admin API answers instead: problem details (RFC 9457), from the rollout's
//! refusals and from what is wrong with a request itself. The codes are part of the contract.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::tokens::TokenRole;
use crate::count::count;
use crate::rollout::Refused;

/// What `type` begins with; the code follows.
const TYPE: &str = "urn:tidegate:problem:";

/// One kind of problem. Its title never changes, its detail is of the case.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProblemKind {
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
}

const fn kind(status: StatusCode, code: &'static str, title: &'static str) -> ProblemKind {
    ProblemKind {
        code,
        status,
        title,
    }
}

/// All kinds, by status.
#[rustfmt::skip]
pub(super) const KINDS: &[ProblemKind] = &[
    kind(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read"),
    kind(StatusCode::UNAUTHORIZED, "unauthorized", "No valid admin token"),
    kind(StatusCode::FORBIDDEN, "forbidden", "The token's role does not allow this"),
    kind(StatusCode::FORBIDDEN, "foreign-host", "The host is called by a name that it does not have"),
    kind(StatusCode::FORBIDDEN, "foreign-origin", "A page of another origin may not call this"),
    kind(StatusCode::NOT_FOUND, "not-found", "There is no such path"),
    kind(StatusCode::NOT_FOUND, "no-such-family", "There is no such family"),
    kind(StatusCode::NOT_FOUND, "no-such-transform", "There is no such transform"),
    kind(StatusCode::NOT_FOUND, "no-such-revision", "There is no such revision"),
    kind(StatusCode::NOT_FOUND, "no-such-plan", "There is no such plan"),
    kind(StatusCode::NOT_FOUND, "no-such-shadow", "There is no such shadow"),
    kind(StatusCode::NOT_FOUND, "no-such-session", "There is no such session"),
    kind(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The path has no such method"),
    kind(StatusCode::REQUEST_TIMEOUT, "upload-stalled", "The upload did not go on"),
    kind(StatusCode::CONFLICT, "ambiguous-revision", "Several revisions begin like this"),
    kind(StatusCode::CONFLICT, "no-state-dir", "This host keeps no revisions"),
    kind(StatusCode::CONFLICT, "already-active", "This revision runs already"),
    kind(StatusCode::CONFLICT, "expired-plan", "The plan was made too long ago"),
    kind(StatusCode::CONFLICT, "stale-plan", "The plan was made for another state"),
    kind(StatusCode::CONFLICT, "needs-allow-wider", "Clients would see more than now, or more is read or let out"),
    kind(StatusCode::CONFLICT, "needs-allow-breaking", "Clients would break"),
    kind(StatusCode::CONFLICT, "needs-allow-silent", "Clients would get nothing where they get something now"),
    kind(StatusCode::CONFLICT, "needs-allow-failing", "The revision may fail"),
    kind(StatusCode::CONFLICT, "no-previous", "There is no previous revision"),
    kind(StatusCode::CONFLICT, "named-by-settings", "The settings name this transform"),
    kind(StatusCode::CONFLICT, "never-active", "The revision never ran here"),
    kind(StatusCode::CONFLICT, "withdrawn", "The revision was taken back"),
    kind(StatusCode::CONFLICT, "standing", "What somebody chose stands"),
    kind(
        StatusCode::CONFLICT,
        "canary-without-probation",
        "First hosts need a probation",
    ),
    kind(
        StatusCode::CONFLICT,
        "canary-over-probation",
        "First hosts need something good that the others go on with",
    ),
    kind(
        StatusCode::CONFLICT,
        "not-in-settings",
        "The settings do not name it",
    ),
    kind(StatusCode::CONFLICT, "busy", "Something else is under way"),
    kind(StatusCode::CONFLICT, "conflict", "Another operator was faster"),
    kind(StatusCode::CONFLICT, "no-fleet", "This host is not part of a fleet"),
    kind(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
    kind(StatusCode::UNPROCESSABLE_ENTITY, "check-failed", "The component was refused"),
    kind(StatusCode::UNPROCESSABLE_ENTITY, "bad-settings", "The settings are not usable"),
    kind(StatusCode::INTERNAL_SERVER_ERROR, "audit-unwritable", "The audit log cannot be written"),
    kind(StatusCode::INTERNAL_SERVER_ERROR, "state-unwritable", "The state folder cannot be written"),
    kind(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Tidegate has a fault"),
    kind(StatusCode::SERVICE_UNAVAILABLE, "fleet-unreachable", "The fleet's Redis cannot be asked"),
    kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "fleet-uncertain",
        "The fleet's Redis has not answered",
    ),
    kind(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The revision could not be made ready"),
];

/// The kind of a code that the table does not have, which never happens.
const INTERNAL: ProblemKind = kind(
    StatusCode::INTERNAL_SERVER_ERROR,
    "internal",
    "Tidegate has a fault",
);

/// A problem as it is answered.
#[derive(Debug)]
pub(super) struct Problem {
    kind: ProblemKind,
    detail: String,
    faults: Vec<String>,
}

/// Why a request was not fulfilled (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Shape<'a> {
    /// `urn:tidegate:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// In words, always the same for a code.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What it was this time, and what to do next.
    detail: &'a str,
    /// For programs; it stays as it is.
    code: &'a str,
    /// All that is wrong, where that can be several things.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    faults: &'a [String],
}

impl Problem {
    fn new(code: &'static str, detail: String) -> Self {
        Self {
            kind: find(code).unwrap_or(INTERNAL),
            detail,
            faults: Vec::new(),
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new("bad-request", detail.into())
    }

    pub(super) fn unreadable_path() -> Self {
        Self::bad_request("the path: what is escaped in it must be UTF-8")
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "send an admin token as `Authorization: Bearer TOKEN`; `tidegate admin-token create` makes one";
        Self::new("unauthorized", detail.into())
    }

    pub(super) fn forbidden(name: &str, needed: TokenRole) -> Self {
        let detail = format!(
            "this needs a token with the role {needed}, and \"{name}\" has a lesser one; `tidegate admin-token create --role {needed}` makes one"
        );
        Self::new("forbidden", detail)
    }

    /// `name` is what the request called this host.
    pub(super) fn foreign_host(name: &str) -> Self {
        let detail = format!(
            "this host is not known as {name:?}; if it is, name it in the setting admin-hosts, or call the host by its IP address"
        );
        Self::new("foreign-host", detail)
    }

    pub(super) fn foreign_origin() -> Self {
        let detail = "the header `Origin` names a page of another site; programs send none";
        Self::new("foreign-origin", detail.into())
    }

    /// `api` tells whether what needs a token is there at all.
    pub(super) fn not_found(api: bool) -> Self {
        let detail = if api {
            "what there is stands in /openapi.json"
        } else {
            "what begins with /v1 is only there when the host has admin tokens: start it with --admin-tokens-file or with TIDEGATE_SERVE_ADMIN_TOKEN"
        };
        Self::new("not-found", detail.into())
    }

    pub(super) fn no_such_family(known: impl IntoIterator<Item = String>) -> Self {
        let known: Vec<String> = known.into_iter().collect();
        let detail = format!("the families of this host are {}", known.join(", "));
        Self::new("no-such-family", detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "the header `Allow` has the methods of this path, /openapi.json what they do";
        Self::new("method-not-allowed", detail.into())
    }

    /// `limit` in bytes.
    pub(super) fn too_large(limit: u64, raise: &str) -> Self {
        let detail = format!("the body has more than {}; {raise}", count(limit, "byte"));
        Self::new("too-large", detail)
    }

    pub(super) fn stalled(detail: String) -> Self {
        Self::new("upload-stalled", detail)
    }

    pub(super) fn internal() -> Self {
        let detail = "the log says more; what was asked for may or may not have happened";
        Self::new("internal", detail.into())
    }

    pub(super) fn code(&self) -> &'static str {
        self.kind.code
    }
}

pub(super) fn find(code: &str) -> Option<ProblemKind> {
    KINDS.iter().find(|kind| kind.code == code).copied()
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        Self {
            faults: refused.faults().to_vec(),
            ..Self::new(refused.code(), detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let ProblemKind {
            code,
            status,
            title,
        } = self.kind;
        let shape = Shape {
            kind: format!("{TYPE}{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
            faults: &self.faults,
        };
        let mut response = (status, axum::Json(shape)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidegate\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_registry_is_a_kind_of_its_own() {
        let source = include_str!("../rollout/refused.rs");
        let codes: Vec<&str> = source
            .lines()
            .filter_map(|line| line.split_once(" => \"")?.1.strip_suffix("\","))
            .collect();
        assert!(codes.len() >= 20, "{codes:?}");
        for code in codes {
            assert!(find(code).is_some(), "{code} has no status");
        }
    }

    #[test]
    fn no_code_stands_in_the_table_twice() {
        for (place, kind) in KINDS.iter().enumerate() {
            assert!(
                !KINDS[..place]
                    .iter()
                    .any(|earlier| earlier.code == kind.code)
            );
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_its_words_and_its_faults() {
        let faults = vec!["it imports wasi:io".to_owned(), "no sample".to_owned()];
        let problem = Problem::from(Refused::Check {
            transform: None,
            faults: faults.clone(),
        });
        assert_eq!(problem.kind.status, 422);
        assert_eq!(problem.code(), "check-failed");
        assert_eq!(problem.faults, faults);
        assert_eq!(problem.into_response().status(), 422);
    }
}
