//! What anybody may ask on this listener: does it live, is it ready, its numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::problem::Problem;
use super::readiness::{Observed, Readiness};
use crate::rollout::FamilyState;
use crate::rollout::report::TransformState;

/// Prometheus' text format.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4";

/// `GET /readyz`.
pub(super) async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = readiness(&admin);
    (status(readiness.ready), Json(readiness)).into_response()
}

/// `GET /readyz/{family}`.
pub(super) async fn family_ready(
    State(admin): State<Arc<Admin>>,
    family: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(family)) = family else {
        return Problem::unreadable_path().into_response();
    };
    let mut families = readiness(&admin).families;
    match families.remove(&family) {
        Some(readiness) => (status(readiness.ready), Json(readiness)).into_response(),
        None => Problem::no_such_family(families.into_keys()).into_response(),
    }
}

fn status(ready: bool) -> StatusCode {
    if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn readiness(admin: &Admin) -> Readiness {
    let (waits, troubles) = admin.registry.troubles();
    Readiness::of(Observed {
        waits,
        troubles,
        keys: admin.gate.key_trouble(),
        leaving: admin.context.shutdown.stage().word(),
        upstream: admin.upstream.outage(admin.ready_grace),
        place: admin.upstream.report(),
        tasks_down: admin.context.tasks.down(),
        relay: admin.upstream.relay_problem(),
        families: match &admin.context.interest {
            None => admin.registry.families(),
            Some(_) => relayed_families(admin),
        },
    })
}

/// The families of an edge host, as ingest hosts say that they are.
fn relayed_families(admin: &Admin) -> Vec<FamilyState> {
    let families = admin.context.catalog.families();
    let families = families.iter().map(|family| {
        let account = admin.context.hub.account(&family.name);
        let stale = account
            .stale
            .then(|| "no ingest host sends all of it".to_owned());
        FamilyState {
            family: family.name.clone(),
            transform: format!("of {}, on ingest hosts", family.name),
            state: match account.paused {
                true => TransformState::Paused,
                false => TransformState::Live,
            },
            out_for: None,
            denied: None,
            trouble: stale,
        }
    });
    families.collect()
}

pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let metrics = &admin.context.metrics;
    metrics
        .stream
        .inbox_bytes
        .set(i64::try_from(admin.context.hub.inbox_bytes()).unwrap_or(i64::MAX));
    admin.registry.show_high_water();
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics.render()).into_response()
}
