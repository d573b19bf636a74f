//! How connections come in, on either listener: accepted, bounded, timed, and served as HTTP
//! until they end or become sessions. What is asked for on them is for the routers to answer.
//!
//! `axum::serve` would wait for ever for a request that never comes, and take every file of
//! the process for such. Here each connection that is no session has a place, of which there
//! are so many, and times to keep.

mod activity;
mod addresses;
pub mod budget;
mod client;
mod clients;
mod connection;
mod places;
mod proxies;
mod proxy_header;
mod reason;
mod trouble;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus::IntCounterVec;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use self::activity::Activity;
pub(crate) use self::addresses::AddressPermit;
pub use self::client::Remote;
pub use self::clients::{Arrival, Clients};
pub(crate) use self::connection::socket_of;
pub use self::places::{Place, Places};
pub(crate) use self::reason::{ADDRESS_RATE, BEFORE_HTTP, PER_ADDRESS};
use self::trouble::Trouble;
use crate::tasks::Tasks;

/// What a connection may take, as long as it is no session.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionTimeouts {
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
    pub times: ConnectionTimeouts,
    /// For connections that are no sessions.
    pub places: Arc<Places>,
    /// Counts, by reason, those that did not get as far as an answer of a router.
    pub turned_away: IntCounterVec,
    /// Tells by whose address a connection counts, and how much each address may have.
    pub clients: Arc<Clients>,
    pub tasks: Tasks,
    /// Once cancelled, nothing is accepted any more, and what is open ends with the request
    /// that is under way.
    pub closing: CancellationToken,
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
                Ok((socket, peer)) => {
                    trouble.over();
                    self.take(socket, peer, router.clone()).await;
                }
                Err(error) if trouble::is_the_clients(&error) => {}
                Err(error) => {
                    // Whoever has not finished a request gives files back, to those who come
                    // and to the rest of the process.
                    let soon = trouble::is_out_of_files(&error) && self.places.tighten();
                    tokio::time::sleep(trouble.pause(&error, soon)).await;
                }
            }
        }
    }

    /// Finds a place for a connection and serves it in a task of its own.
    async fn take(&self, socket: TcpStream, peer: SocketAddr, router: Router) {
        let held = match self.clients.knock(peer) {
            Ok(held) => held,
            Err(reason) => return self.turned_away.with_label_values(&[reason]).inc(),
        };
        let activity = Arc::new(Activity::new());
        let mut place = self.places.enter(Some(activity.clone())).await;
        let (times, closing) = (self.times, self.closing.clone());
        let (turned_away, clients) = (self.turned_away.clone(), self.clients.clone());
        self.tasks.brief("connection", async move {
            // The socket is closed before its place is given to somebody else.
            let reason = tokio::select! {
                biased;
                () = place.lost() => Some(reason::DISPLACED),
                reason = async {
                    let (socket, arrival) = match meet(socket, peer, held, &clients, times).await {
                        Ok(Some(met)) => met,
                        Ok(None) => return None,
                        Err(reason) => return Some(reason),
                    };
                    let ended = connection::serve(socket, arrival, router, &activity, times, &closing);
                    reason::of(&ended.await, &activity.first_bytes())
                } => reason,
            };
            if let Some(reason) = reason {
                turned_away.with_label_values(&[reason]).inc();
            }
        });
    }
}

/// Finds out who is there, within the time for a head, of which the first request's head is a part.
async fn meet(
    mut socket: TcpStream,
    peer: SocketAddr,
    held: Option<AddressPermit>,
    clients: &Clients,
    times: ConnectionTimeouts,
) -> Result<Option<(TcpStream, Arrival)>, &'static str> {
    let meeting = clients.meet(&mut socket, peer, held);
    let met = tokio::time::timeout(times.head, meeting).await;
    let arrival = met.unwrap_or(Err(reason::TIMED_OUT))?;
    Ok(arrival.map(|arrival| (socket, arrival)))
}
