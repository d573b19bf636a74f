//! The listener for operators: health, metrics, what is running, and the doors to change it.
//!
//! ```text
//! table ─► routes ─► Endpoint: token, role, address, body ─► rollout ─► Answer or Problem
//!   └────► the OpenAPI document
//! ```
//! What is asked for is decided by the rollout; here it is read, allowed and put in words.

mod body;
mod change;
mod endpoint;
mod fleet;
mod health;
mod history;
mod host_header;
pub mod openapi;
mod plans;
mod problem;
mod readiness;
mod revisions;
mod sessions;
mod shadows;
mod table;
pub mod tokens;
mod transforms;
mod tries;
mod upstream;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::middleware;
use tokio::sync::Semaphore;

use self::problem::Problem;
pub use self::tokens::{Holder, TokenRole, Tokens};
use self::tries::{Tries, Why};
use crate::gate::Gate;
use crate::host::largest_component;
use crate::listener::{BEFORE_HTTP, Remote};
use crate::metrics::Metrics;
use crate::rollout::Registry;
use crate::session::SessionContext;
use crate::settings::Settings;
use crate::upstream::Status;
use crate::usage::UsageKeeper;

/// Components that may be on their way in, or being looked at, at once: each is in memory.
const MAX_UPLOADS: usize = 2;

/// What operators can ask about.
#[derive(Debug)]
pub struct Admin {
    context: Arc<SessionContext>,
    registry: Arc<Registry>,
    upstream: Arc<Status>,
    gate: Arc<Gate>,
    usage: Arc<UsageKeeper>,
    /// Without any tokens, what lies behind them does not exist.
    tokens: Option<Tokens>,
    /// Bytes of the largest component that may be sent.
    max_upload: u64,
    /// Names that this listener may be called by, in lower case, beside loopback's and any IP address.
    hosts: Vec<String>,
    /// How long the upstream may be away before clients should go elsewhere.
    ready_grace: Duration,
    uploads: Arc<Semaphore>,
    tries: Arc<Tries>,
}

impl Admin {
    /// Notes a request that was refused for its token, for the log, the audit log and the
    /// metrics; `by` is the token's name, where that is known.
    fn refuse(
        &self,
        why: Why,
        status: u16,
        operation: &'static str,
        by: Option<&str>,
        remote: Option<Remote>,
    ) {
        let strangers = &self.context.strangers;
        strangers.request_refused(status, operation, by, remote);
        let tries = &self.context.metrics.audit.tries;
        tries.with_label_values(&[why.code()]).inc();
        let address = remote.map(|remote| remote.ip);
        self.tries
            .note(why, by.unwrap_or_default(), address, operation);
    }

    pub fn new(
        context: Arc<SessionContext>,
        registry: Arc<Registry>,
        upstream: Arc<Status>,
        gate: Arc<Gate>,
        usage: Arc<UsageKeeper>,
        tokens: Option<Tokens>,
        settings: &Settings,
    ) -> Self {
        let tries = Tries::start(&registry, &context.tasks);
        Self {
            context,
            registry,
            upstream,
            gate,
            usage,
            tokens,
            max_upload: largest_component(settings),
            hosts: settings.admin_hosts.clone(),
            ready_grace: settings.ready_grace,
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            tries,
        }
    }
}

/// Lets everything that this listener counts start at zero.
pub fn declare(metrics: &Metrics) {
    for reason in BEFORE_HTTP.into_iter().chain(host_header::FOREIGN) {
        metrics.admin_refused.with_label_values(&[reason]);
    }
}

/// The routes of the listener for operators.
pub fn router(admin: Arc<Admin>) -> Router {
    let guarded = admin.tokens.is_some();
    let is_served = |endpoint: &endpoint::Endpoint| guarded || endpoint.role.is_none();
    table::endpoints()
        .into_iter()
        .filter(is_served)
        .fold(Router::new(), |router, endpoint| {
            router.route(endpoint.path, endpoint.route)
        })
        .fallback(async |State(admin): State<Arc<Admin>>| {
            Problem::not_found(admin.tokens.is_some())
        })
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn_with_state(
            admin.clone(),
            host_header::check,
        ))
        .with_state(admin)
}
