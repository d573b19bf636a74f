//! The two listeners of a host, from the address to what accepts on it.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listener::budget::Shares;
use crate::listener::{Clients, ConnectionTimeouts, Listener, Places};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::tasks::Tasks;

/// # Errors
/// The address cannot be listened on; the error says which setting it is of.
pub(super) async fn bind(
    setting: &str,
    address: std::net::SocketAddr,
) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; free that port, or choose another with --{setting} (port 0 takes a free one)")
    })
}

/// The public listener and the admin one: one accept loop, with a share of the files each.
pub(super) fn both(
    [public, admin]: [TcpListener; 2],
    settings: &Settings,
    shares: Shares,
    metrics: &Metrics,
    tasks: &Tasks,
    clients: Arc<Clients>,
    closing: CancellationToken,
) -> (Listener, Listener) {
    let times = ConnectionTimeouts {
        head: settings.upgrade_timeout,
        idle: settings.keep_alive_timeout,
    };
    let public = Listener {
        socket: public,
        times,
        places: Places::new(shares.pending, metrics.pending_upgrades.clone()),
        turned_away: metrics.refused.clone(),
        clients,
        tasks: tasks.clone(),
        closing,
    };
    let admin = Listener {
        socket: admin,
        times,
        places: Places::new(shares.admin, metrics.admin_connections.clone()),
        turned_away: metrics.admin_refused.clone(),
        clients: Clients::of(&Settings::default(), metrics),
        tasks: tasks.clone(),
        // Draining is when operators look.
        closing: CancellationToken::new(),
    };
    (public, admin)
}

/// Every connection is a file, and the soft limit is often a thousand.
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )
        .is_err()
    {
        tracing::warn!(?current, "cannot raise the limit on open files");
    }
}
