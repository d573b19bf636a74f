//! The listener for operators: health, metrics, what is running, and the doors to change it.
//!
//! ```text
//! table ─► routes ─► Endpoint: token, role, address, body ─► registry ─► Answer or Problem
//!   └────► the OpenAPI document
//! ```
//! What is asked for is decided by the registry; here it is read, allowed and put in words.

mod body;
mod change;
mod endpoint;
mod fleet;
mod health;
mod history;
pub mod openapi;
mod plans;
mod problem;
mod revisions;
mod sessions;
mod shadows;
mod table;
pub mod tokens;
mod transforms;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::problem::Problem;
pub use self::tokens::{Caller, Role, Tokens};
use crate::registry::Registry;
use crate::session::Context;
use crate::upstream::Status;

/// Components that may be on their way in, or being looked at, at once: each is in memory.
const MAX_UPLOADS: usize = 2;

/// What operators can ask about.
#[derive(Debug)]
pub struct Admin {
    context: Arc<Context>,
    registry: Arc<Registry>,
    upstream: Arc<Status>,
    /// Without any, what lies behind them does not exist.
    tokens: Option<Tokens>,
    max_upload: u64,
    uploads: Arc<Semaphore>,
}

impl Admin {
    /// `max_upload` is the largest component that may be sent, in bytes.
    pub fn new(
        context: Arc<Context>,
        registry: Arc<Registry>,
        upstream: Arc<Status>,
        tokens: Option<Tokens>,
        max_upload: u64,
    ) -> Self {
        Self {
            context,
            registry,
            upstream,
            tokens,
            max_upload,
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
        }
    }
}

/// Serves operators for as long as the process lives: draining is when they look.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>) -> std::io::Result<()> {
    let service = router(admin).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}

fn router(admin: Arc<Admin>) -> Router {
    let guarded = admin.tokens.is_some();
    let there = |one: &endpoint::Endpoint| guarded || one.role.is_none();
    table::endpoints()
        .into_iter()
        .filter(there)
        .fold(Router::new(), |router, one| {
            router.route(one.path, one.route)
        })
        .fallback(async |State(admin): State<Arc<Admin>>| {
            Problem::not_found(admin.tokens.is_some())
        })
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(admin)
}
