//! How connections come in, on either listener: accepted, bounded, timed, and served as HTTP
//! until they end or become sessions. What is asked for on them is for the routers to answer.
//!
//! `axum::serve` would wait for ever for a request that never comes, and take every file of
//! the process for such. Here each connection that is no session has a place, of which there
//! are so many, and times to keep.

pub mod budget;
mod connection;
mod places;
mod pulse;
mod reason;
mod trouble;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus::IntCounterVec;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub(crate) use self::connection::socket_of;
pub use self::places::{Place, Places};
use self::pulse::Pulse;
pub(crate) use self::reason::BEFORE_HTTP;
use self::trouble::Trouble;
use crate::tasks::Tasks;

/// What a connection may take, as long as it is no session.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From the accepted connection, and later from a request's first byte, to the end of its
    /// head; for the connection that becomes a session, to the finished upgrade.
    pub head: Duration,
    /// From an answer's last byte to the first one of the next request.
    pub idle: Duration,
}

/// One of the two listeners, bound and not yet accepting.
#[derive(Debug)]
pub struct Listener {
    pub socket: TcpListener,
    pub times: Times,
    /// For connections that are no sessions.
    pub places: Arc<Places>,
    /// Counts, by reason, those that did not get as far as an answer of a router.
    pub turned_away: IntCounterVec,
    pub tasks: Tasks,
    /// Once cancelled, nothing is accepted any more, and what is open ends with the request
    /// that is under way.
    pub closing: CancellationToken,
}

/// The connection that a request came on; put into each request.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub remote: SocketAddr,
}

impl Listener {
    /// Accepts and serves until it closes. Dropping this cuts nothing that is open.
    pub async fn serve(self, router: Router) {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {}
            () = self.accept_all(&router) => {}
        }
    }

    async fn accept_all(&self, router: &Router) {
        let mut trouble = Trouble::default();
        loop {
            match self.socket.accept().await {
                Ok((socket, remote)) => {
                    trouble.over();
                    self.take(socket, remote, router.clone()).await;
                }
                Err(error) if trouble::is_the_clients(&error) => {}
                Err(error) => {
                    let pause = trouble.pause(&error);
                    // Whoever has not finished a request gives files back, to those who come
                    // and to the rest of the process.
                    if !(trouble::is_out_of_files(&error) && self.places.tighten()) {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    }

    /// Finds a place for a connection and serves it in a task of its own.
    async fn take(&self, socket: TcpStream, remote: SocketAddr, router: Router) {
        let pulse = Arc::new(Pulse::new());
        let mut place = self.places.enter(Some(pulse.clone())).await;
        let (times, closing) = (self.times, self.closing.clone());
        let turned_away = self.turned_away.clone();
        self.tasks.brief("connection", async move {
            // The socket is closed before its place is given to somebody else.
            let reason = tokio::select! {
                biased;
                () = place.lost() => Some(reason::DISPLACED),
                ended = connection::serve(socket, Arrival { remote }, router, &pulse, times, &closing) => {
                    reason::of(&ended, &pulse.first_bytes())
                }
            };
            if let Some(reason) = reason {
                turned_away.with_label_values(&[reason]).inc();
            }
        });
    }
}
