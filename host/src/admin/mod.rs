//! The listener for operators: health, metrics, and what is running.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use crate::registry::{Live, Registry};
use crate::session::Context;
use crate::settings::Secret;
use crate::upstream::Status;

/// What operators can ask about.
#[derive(Debug)]
pub struct Admin {
    pub context: Arc<Context>,
    pub registry: Arc<Registry>,
    pub upstream: Arc<Status>,
    /// Without a token, what lies behind it does not exist.
    pub token: Option<Secret>,
}

/// Serves operators for as long as the process lives: draining is when they look.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>) -> std::io::Result<()> {
    let mut router = Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    if admin.token.is_some() {
        let guarded = Router::new()
            .route("/v1/transforms", get(transforms))
            .route("/v1/sessions", get(sessions))
            .route_layer(middleware::from_fn_with_state(admin.clone(), authorize));
        router = router.merge(guarded);
    }
    axum::serve(listener, router.with_state(admin)).await
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let mut reasons = Vec::new();
    if admin.context.shutdown.is_draining() {
        reasons.push("draining".to_owned());
    }
    reasons.extend(
        admin
            .upstream
            .problem()
            .map(|problem| format!("upstream: {problem}")),
    );
    reasons.extend(admin.registry.out().map(|(name, left)| {
        format!(
            "transform {name}: put out after repeated faults, tried again in {:.1} s",
            left.as_secs_f32()
        )
    }));
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })),
    )
        .into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let metrics = &admin.context.metrics;
    metrics
        .outbox_bytes
        .set(i64::try_from(admin.context.roster.outbox_bytes()).unwrap_or(i64::MAX));
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics.render(),
    )
        .into_response()
}

/// Compares digests, so that the time says nothing about the token.
async fn authorize(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let right = admin.token.as_ref().is_some_and(|token| {
        Sha256::digest(given)
            .ct_eq(&Sha256::digest(token.expose()))
            .into()
    });
    if right {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (
        StatusCode::UNAUTHORIZED,
        challenge,
        "send the admin token as Authorization: Bearer\n",
    )
        .into_response()
}

/// A transform as operators see it.
#[derive(Serialize)]
struct Transform<'a> {
    name: &'a str,
    version: String,
    origin: &'a str,
    digest: &'a str,
    channels: String,
    upstream_patterns: Vec<&'a str>,
    lanes: usize,
    state: &'static str,
}

impl<'a> Transform<'a> {
    fn of(live: &'a Live) -> Self {
        let descriptor = &live.component.descriptor;
        let out = live.health.out_for(std::time::Instant::now()).is_some();
        Self {
            name: &descriptor.name,
            version: descriptor.version.to_string(),
            origin: &live.origin,
            digest: &live.component.digest,
            channels: descriptor.channel_form(),
            upstream_patterns: descriptor
                .upstream_patterns
                .iter()
                .map(|pattern| pattern.as_str())
                .collect(),
            lanes: live.lanes,
            state: if out { "out" } else { "live" },
        }
    }
}

async fn transforms(State(admin): State<Arc<Admin>>) -> Response {
    let transforms: Vec<Transform<'_>> = admin.registry.live().iter().map(Transform::of).collect();
    Json(json!({ "transforms": transforms })).into_response()
}

async fn sessions(State(admin): State<Arc<Admin>>) -> Response {
    Json(json!({ "sessions": admin.context.roster.list() })).into_response()
}
