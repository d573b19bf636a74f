//! Who comes: whose address counts for a connection and for a request, and whether that
//! address may have one more.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::header::HeaderMap;
use prometheus::IntCounter;
use tokio::net::TcpStream;

use super::addresses::{AddressLimits, AddressPermit, Addresses, Use};
use super::client::Remote;
use super::proxies::{Forwarded, Proxies};
use super::proxy_header::{self, NoHeader};
use super::reason;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// What a listener knows of the clients that come.
#[derive(Debug)]
pub struct Clients {
    pub proxies: Proxies,
    pub addresses: Arc<Addresses>,
    /// Counts requests of trusted proxies whose header cannot be read.
    pub malformed: IntCounter,
}

/// The connection that a request came on; put into each request.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub remote: Remote,
    /// Whether the peer is a trusted proxy, whose requests say for whom each of them is.
    speaks_for_others: bool,
    /// Whether the limits of an address hold for this peer.
    limited: bool,
    /// The place of its address, which the connection holds while it is open, also as a session.
    held: Option<Arc<AddressPermit>>,
}

impl Arrival {
    /// What the connection holds among those of its address, for a session to keep.
    pub(crate) fn into_held(self) -> Option<Arc<AddressPermit>> {
        self.held
    }
}

/// The client of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) remote: Remote,
    limited: bool,
    /// Whether it is known only now, by its request.
    is_new: bool,
}

impl Clients {
    /// The clients as the settings have them; by default everybody is who he seems to be, and
    /// nobody is limited.
    pub fn of(settings: &Settings, metrics: &Metrics) -> Arc<Self> {
        let limits = AddressLimits {
            sessions: settings.max_connections_per_address,
            rate: settings.connection_rate_per_address,
            burst: settings.connection_burst_per_address,
            tracked: settings.max_addresses,
        };
        let (tracked, uncounted) = (&metrics.addresses, &metrics.addresses_uncounted);
        Arc::new(Self {
            proxies: Proxies {
                trusted: settings.trusted_proxies.clone(),
                header: settings.forwarded_header,
                protocol: settings.proxy_protocol,
            },
            addresses: Addresses::new(limits, tracked.clone(), uncounted.clone()),
            malformed: metrics.forwarded_malformed.clone(),
        })
    }

    /// Judges a connection by its peer, before it has cost anything.
    pub(super) fn knock(&self, peer: SocketAddr) -> Result<Option<AddressPermit>, &'static str> {
        let remote = Remote::from(peer);
        if self.proxies.trusts(remote.ip) {
            Ok(None)
        } else if self.proxies.protocol {
            Err(reason::UNTRUSTED_PROXY)
        } else {
            self.admit(remote).map(Some)
        }
    }

    /// Reads what comes before a first request, and says who is there. `held` is what `knock`
    /// gave. None where the peer left.
    pub(super) async fn meet(
        &self,
        socket: &mut TcpStream,
        peer: SocketAddr,
        held: Option<AddressPermit>,
    ) -> Result<Option<Arrival>, &'static str> {
        let peer = Remote::from(peer);
        let trusted = self.proxies.trusts(peer.ip);
        let (remote, held) = match (self.proxies.protocol, held) {
            (true, None) => match proxy_header::read(socket).await {
                Ok(Some(address)) => {
                    let remote = Remote::from(address);
                    (remote, Some(self.admit(remote)?))
                }
                Ok(None) => (peer, None),
                Err(NoHeader::Left) => return Ok(None),
                Err(NoHeader::Malformed) => return Err(reason::PROXY_HEADER),
            },
            (_, held) => (peer, held),
        };
        Ok(Some(Arrival {
            remote,
            speaks_for_others: trusted && !self.proxies.protocol,
            limited: held.is_some(),
            held: held.filter(AddressPermit::counts).map(Arc::new),
        }))
    }

    fn admit(&self, remote: Remote) -> Result<AddressPermit, &'static str> {
        if !self.addresses.pass(remote.ip) {
            return Err(reason::ADDRESS_RATE);
        }
        let held = self.addresses.hold(remote.ip, Use::Open);
        held.ok_or(reason::PER_ADDRESS)
    }

    /// For whom a request is. A trusted proxy that does not say it speaks for itself, and for
    /// it no limit holds, as it would hold for everybody behind it.
    pub(crate) fn client(&self, arrival: &Arrival, headers: &HeaderMap) -> Client {
        let unsaid = Client {
            remote: arrival.remote,
            limited: arrival.limited,
            is_new: false,
        };
        if !arrival.speaks_for_others {
            return unsaid;
        }
        match self.proxies.client(headers) {
            Forwarded::Client(remote) => Client {
                remote,
                limited: true,
                is_new: true,
            },
            Forwarded::Nothing => unsaid,
            Forwarded::Malformed => {
                self.malformed.inc();
                unsaid
            }
        }
    }

    /// Whether a client that is known only by its request is within the rate of new ones.
    pub(crate) fn may_ask(&self, client: Client) -> bool {
        !client.is_new || self.addresses.pass(client.remote.ip)
    }

    /// A place for a session, unless the client's address has all of its own.
    pub(crate) fn hold_place(&self, client: Client) -> Option<Option<AddressPermit>> {
        if client.limited {
            self.addresses
                .hold(client.remote.ip, Use::Session)
                .map(Some)
        } else {
            Some(None)
        }
    }
}
