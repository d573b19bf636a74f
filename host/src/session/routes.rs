//! What is asked for on the public listener: the stream, and the document that describes it.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::{any, get};

use super::upgrade::{Door, stream};
use crate::asyncapi::RunningDocument;

/// The public routes. `asyncapi` is the public document.
pub fn router(door: Arc<Door>, asyncapi: RunningDocument) -> Router {
    let asyncapi = Arc::new(asyncapi);
    let yaml = [(header::CONTENT_TYPE, "application/yaml")];
    Router::new()
        // Every method, as the door says what is wrong with one.
        .route("/public/v1/stream", any(stream))
        .route(
            "/public/v1/asyncapi.yaml",
            get(async move || (yaml, asyncapi.text().to_string())),
        )
        .with_state(door)
}
