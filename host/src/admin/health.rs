//! What anybody may ask on this listener: does it live, is it ready, its numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::Admin;

/// Prometheus' text format.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4";

/// Whether clients should come here, and if not, why.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    ready: bool,
    reasons: Vec<String>,
}

pub(super) async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let mut reasons = Vec::new();
    if admin.context.shutdown.is_draining() {
        reasons.push("draining".to_owned());
    }
    reasons.extend(admin.context.tasks.down());
    reasons.extend(
        admin
            .upstream
            .problem()
            .map(|problem| format!("upstream: {problem}")),
    );
    reasons.extend(admin.registry.out().into_iter().map(|(name, left)| {
        format!(
            "transform {name}: put out after repeated faults, tried again in {:.1} s",
            left.as_secs_f32()
        )
    }));
    let ready = reasons.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, reasons })).into_response()
}

pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let metrics = &admin.context.metrics;
    metrics
        .outbox_bytes
        .set(i64::try_from(admin.context.roster.outbox_bytes()).unwrap_or(i64::MAX));
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics.render()).into_response()
}
