//! `/v1/revisions` and `/v1/check`: components that are sent, and those that are kept.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::Upload;
use super::endpoint::{Call, Success};
use super::problem::Problem;
use crate::revision::certificate::{Certificate, MAX_CERTIFICATE};
use crate::rollout::report::{Checked, Pushed, RevisionReport};
use crate::rollout::{self, PushRequest};

/// Where a component came from that was sent here.
const ORIGIN: &str = "upload";

/// The revisions that this host keeps, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Revisions {
    revisions: Vec<RevisionReport>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTransform {
    /// Only those of this transform.
    transform: Option<String>,
}

/// How the component shall run; the body is the component itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HowToRun {
    /// The transform to inherit settings and limits from; by default the one of the
    /// component's own name.
    transform: Option<String>,
    /// The component's settings: a JSON object, URL-encoded.
    #[schemars(extend("contentMediaType" = "application/json"))]
    settings: Option<String>,
    /// Those limits that shall be others, such as {"deadline":"20ms"}: a JSON object,
    /// URL-encoded.
    #[schemars(extend("contentMediaType" = "application/json"))]
    limits: Option<String>,
    /// What `transform fuzz --certificate` wrote of this very component: a JSON object,
    /// URL-encoded, of at most 6 KiB before that.
    #[schemars(extend("contentMediaType" = "application/json"))]
    certificate: Option<String>,
}

impl HowToRun {
    fn request(self) -> Result<PushRequest, Problem> {
        Ok(PushRequest {
            transform: self.transform,
            settings: object("settings", self.settings)?,
            limits: object("limits", self.limits)?,
            certificate: self.certificate.as_deref().map(certificate).transpose()?,
        })
    }
}

fn certificate(text: &str) -> Result<Certificate, Problem> {
    if text.len() > MAX_CERTIFICATE {
        let detail =
            format!("the parameter `certificate`: it has more than {MAX_CERTIFICATE} bytes");
        return Err(Problem::bad_request(detail));
    }
    serde_json::from_str(text)
        .map_err(|error| Problem::bad_request(format!("the parameter `certificate`: {error}")))
}

fn object(name: &str, text: Option<String>) -> Result<Option<Value>, Problem> {
    match text.map(|text| serde_json::from_str(&text)).transpose() {
        Ok(None) => Ok(None),
        Ok(Some(object @ Value::Object(_))) => Ok(Some(object)),
        Ok(Some(_)) => {
            let detail = format!("the parameter `{name}`: it must be a JSON object");
            Err(Problem::bad_request(detail))
        }
        Err(error) => {
            let detail = format!("the parameter `{name}`: {error}");
            Err(Problem::bad_request(detail))
        }
    }
}

pub(super) async fn check(call: Call<HowToRun, Upload>) -> Result<Success<Checked>, Problem> {
    let Upload {
        bytes,
        place: _place,
    } = call.body;
    let request = call.query.request()?;
    let registry = &call.admin.registry;
    Success::ok(rollout::check(registry, call.holder.at(call.address), bytes, request).await?)
}

pub(super) async fn push(call: Call<HowToRun, Upload>) -> Result<Success<Pushed>, Problem> {
    let Upload {
        bytes,
        place: _place,
    } = call.body;
    let request = call.query.request()?;
    let registry = &call.admin.registry;
    pushed(
        rollout::push(
            registry,
            call.holder.at(call.address),
            ORIGIN,
            bytes,
            request,
        )
        .await?,
    )
}

/// 201 for a revision that is new, 200 for one that was here.
pub(super) fn pushed(pushed: Pushed) -> Result<Success<Pushed>, Problem> {
    let status = if pushed.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let location = format!("/v1/revisions/{}", pushed.revision.id.as_str());
    Success::of(status, Some(location), pushed)
}

pub(super) async fn list(call: Call<OfTransform>) -> Result<Success<Revisions>, Problem> {
    let transform = call.query.transform.as_deref();
    let revisions = call.admin.registry.revisions(transform);
    Success::ok(Revisions { revisions })
}

pub(super) async fn show(call: Call) -> Result<Success<RevisionReport>, Problem> {
    Success::ok(call.admin.registry.revision(&call.of)?)
}
