//! From an HTTP request to a session: the checks at the door, the handshake, the socket.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode, Version};
use axum::response::IntoResponse;
use hyper::upgrade::OnUpgrade;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::SessionContext;
use super::farewell::refuse;
use crate::gate::jwt::KeysAway;
use crate::gate::origin::{self, OriginRule};
use crate::gate::{EntryRefusal, Gate, GateRefusal, Permit};
use crate::hub::SessionAddress;
use crate::listener::{
    ADDRESS_RATE, AddressPermit, Arrival, Clients, PER_ADDRESS, Places, Remote, socket_of,
};
use crate::loops::{self, Entrance, Newcomer};

/// The subprotocol that browsers offer, next to `key.<KEY>`; the only one ever echoed.
const SUBPROTOCOL: &str = "tidegate";
const KEY_SUBPROTOCOL: &str = "key.";

const NOT_AN_UPGRADE: &str = "not_an_upgrade";
const METHOD: &str = "method";
const ORIGIN: &str = "origin";
const DRAINING: &str = "draining";
const FULL: &str = "full";
const INGEST: &str = "this host makes messages for others (role=ingest); connect to an edge host\n";
const KEYS_AWAY: &str = "keys_away";
const LIMIT_BUSY: &str = "limit_busy";
const NO_EDGE: &str = "no_edge";

/// Why the door turns connections away, as the metric names it; those without a key that
/// counts are refused after the upgrade.
pub(super) const REFUSALS: [&str; 12] = [
    NOT_AN_UPGRADE,
    METHOD,
    ORIGIN,
    DRAINING,
    FULL,
    KEYS_AWAY,
    LIMIT_BUSY,
    NO_EDGE,
    GateRefusal::KeyRequired.label(),
    GateRefusal::InvalidKey.label(),
    GateRefusal::ConnectionLimit.label(),
    GateRefusal::ConnectionShare.label(),
];

/// What the door needs beyond what sessions share.
#[derive(Debug)]
pub struct Door {
    pub context: Arc<SessionContext>,
    pub gate: Arc<Gate>,
    pub(crate) entrance: Entrance,
    /// For sessions: only who has shown a good key takes one.
    pub places: Arc<Semaphore>,
    /// For those who are told after the upgrade why they may not stay.
    pub refusals: Arc<Places>,
    /// Tells by whose address a client counts, and how much each address may have.
    pub clients: Arc<Clients>,
    /// Web pages that may connect; empty allows all.
    pub allowed_origins: Vec<OriginRule>,
}

/// A refusal by HTTP: its name in the metric, and the answer.
struct Turned(&'static str, Box<Response<Body>>);

impl Turned {
    fn away(reason: &'static str, response: impl IntoResponse) -> Self {
        Self(reason, Box::new(response.into_response()))
    }

    /// A refusal for a state that passes: the client may come again in a while.
    fn later(reason: &'static str, text: &'static str) -> Self {
        let headers = [(header::RETRY_AFTER, "5")];
        Self::away(reason, (StatusCode::SERVICE_UNAVAILABLE, headers, text))
    }
}

/// `GET /public/v1/stream`.
pub async fn stream(State(door): State<Arc<Door>>, request: Request) -> Response<Body> {
    match door.answer(request).await {
        Ok(response) => response,
        Err(Turned(reason, response)) => {
            let refused = &door.context.metrics.refused;
            refused.with_label_values(&[reason]).inc();
            *response
        }
    }
}

impl Door {
    /// Judges a request. The key is judged before the answer, and only a good one takes a
    /// session's place; that it is not good is said after the upgrade, where browsers see it.
    async fn answer(self: &Arc<Self>, mut request: Request) -> Result<Response<Body>, Turned> {
        let handshake = Handshake::check(&request)?;
        if !self.allows_origin(request.headers()) {
            let text = "this origin is not allowed\n";
            return Err(Turned::away(ORIGIN, (StatusCode::FORBIDDEN, text)));
        }
        if self.context.shutdown.is_draining() {
            return Err(Turned::later(DRAINING, "shutting down\n"));
        }
        if self.context.hub.outbox().is_some() {
            return Err(Turned::later(NO_EDGE, INGEST));
        }
        let (Some(arrival), Some(upgrade)) = (
            request.extensions().get::<Arrival>().cloned(),
            request.extensions_mut().remove::<OnUpgrade>(),
        ) else {
            return Err(upgrade_required(NO_UPGRADE));
        };
        let client = self.clients.client(&arrival, request.headers());
        if !self.clients.may_ask(client) {
            return Err(too_many_of_an_address(ADDRESS_RATE));
        }
        let key = presented_key(&request, &handshake);
        let prepared = self.gate.prepare(key.as_deref()).await;
        prepared.map_err(|KeysAway| Turned::later(KEYS_AWAY, NO_KEYS))?;
        let entered = match self.gate.recognise(key.as_deref()) {
            Err(refusal) => Err(refusal),
            Ok(shown) => {
                let address_place = self.clients.hold_place(client);
                let address_place =
                    address_place.ok_or_else(|| too_many_of_an_address(PER_ADDRESS))?;
                // The host's place comes first: nobody gives way to a client for whom there is no
                // room.
                let place = self.places.clone().try_acquire_owned();
                let place = place.map_err(|_| Turned::later(FULL, "too many connections\n"))?;
                let address = self.context.hub.address();
                match shown.enter(address.clone()).await {
                    Ok(permit) => Ok((permit, address, place, address_place)),
                    Err(EntryRefusal::Refused(refusal)) => Err(refusal),
                    Err(EntryRefusal::Busy) => {
                        return Err(Turned::later(LIMIT_BUSY, "too many connections at once\n"));
                    }
                }
            }
        };
        match entered {
            Ok((permit, address, place, address_place)) => {
                let held = (place, arrival, address_place);
                self.let_in(permit, address, upgrade, client.remote, held);
            }
            Err(refusal) => {
                let strangers = &self.context.strangers;
                strangers.key_refused(refusal.label(), client.remote);
                self.refuse(refusal, upgrade, arrival).await;
            }
        }
        Ok(handshake.response())
    }

    /// Hands the client over to its loop, once the upgrade is through. `held` is what is given
    /// back at the end of the session.
    fn let_in(
        self: &Arc<Self>,
        permit: Permit,
        address: SessionAddress,
        upgrade: OnUpgrade,
        remote: Remote,
        (session, arrival, address_place): (OwnedSemaphorePermit, Arrival, Option<AddressPermit>),
    ) {
        let door = self.clone();
        let SessionContext {
            shutdown, tasks, ..
        } = &*self.context;
        let holdings = loops::Holdings {
            session,
            arrival: arrival.into_held(),
            address: address_place.filter(AddressPermit::counts).map(Box::new),
            life: shutdown.session(),
        };
        tasks.brief("upgrade", async move {
            let Some((socket, leftover)) = upgraded(upgrade).await else {
                return;
            };
            match prepare(socket, door.context.limits.kernel_unsent) {
                Ok(socket) => door.entrance.hand_over(Newcomer {
                    socket,
                    leftover,
                    address,
                    permit,
                    remote,
                    holdings,
                }),
                Err(error) => {
                    tracing::debug!(%error, "the connection went away during its upgrade");
                }
            }
        });
    }

    /// Says goodbye to a client once the upgrade is through, where there is a place for that.
    async fn refuse(self: &Arc<Self>, refusal: GateRefusal, upgrade: OnUpgrade, arrival: Arrival) {
        let mut place = self.refusals.enter(None).await;
        let door = self.clone();
        let context = &self.context;
        context.shutdown.spawn_session(&context.tasks, async move {
            let goodbye = async {
                if let Some((socket, _)) = upgraded(upgrade).await {
                    refuse(socket, refusal, &door.context).await;
                }
            };
            tokio::select! {
                biased;
                () = place.lost() => {}
                () = goodbye => {}
            }
            drop(arrival);
        });
    }

    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).into_iter();
        origins.all(|origin| origin::allows(&self.allowed_origins, Some(origin.as_bytes())))
    }
}

/// The socket of a connection, once its upgrade was answered.
async fn upgraded(upgrade: OnUpgrade) -> Option<(TcpStream, Vec<u8>)> {
    socket_of(upgrade.await.ok()?)
}

/// The socket as loops take it. Stalls show: the kernel takes no more than it can soon send.
fn prepare(socket: TcpStream, kernel_unsent: usize) -> std::io::Result<mio::net::TcpStream> {
    socket.set_nodelay(true)?;
    let unsent = u32::try_from(kernel_unsent).unwrap_or(u32::MAX);
    SockRef::from(&socket).set_tcp_notsent_lowat(unsent)?;
    Ok(mio::net::TcpStream::from_std(socket.into_std()?))
}

/// A request that is a well-formed upgrade (RFC 6455, 4.2.1).
struct Handshake {
    accept: String,
    protocols: Vec<String>,
}

impl Handshake {
    fn check(request: &Request) -> Result<Self, Turned> {
        if request.method() != Method::GET {
            let answer = (
                StatusCode::METHOD_NOT_ALLOWED,
                [(header::ALLOW, "GET")],
                "a WebSocket begins with GET\n",
            );
            return Err(Turned::away(METHOD, answer));
        }
        let headers = request.headers();
        let asks = tokens(headers, header::CONNECTION)
            .any(|token| token.eq_ignore_ascii_case("upgrade"))
            && tokens(headers, header::UPGRADE)
                .any(|token| token.eq_ignore_ascii_case("websocket"));
        let version = headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .map(HeaderValue::as_bytes);
        if request.version() < Version::HTTP_11 || !asks {
            // What a client sends end to end shows that it asked for more than arrived.
            let meant = asks || headers.contains_key(header::SEC_WEBSOCKET_KEY);
            let text = if meant { LOST_ON_THE_WAY } else { NO_UPGRADE };
            return Err(upgrade_required(text));
        }
        if version != Some(b"13") {
            return Err(upgrade_required(NO_UPGRADE));
        }
        let key = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        if data_encoding::BASE64
            .decode(key)
            .map_or(0, |bytes| bytes.len())
            != 16
        {
            let text = "Sec-WebSocket-Key must be 16 bytes in base64\n";
            return Err(Turned::away(
                NOT_AN_UPGRADE,
                (StatusCode::BAD_REQUEST, text),
            ));
        }
        let protocols = tokens(headers, header::SEC_WEBSOCKET_PROTOCOL)
            .map(str::to_owned)
            .collect();
        Ok(Self {
            accept: derive_accept_key(key),
            protocols,
        })
    }

    fn response(&self) -> Response<Body> {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self
            .protocols
            .iter()
            .any(|protocol| protocol == SUBPROTOCOL)
        {
            headers.insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(SUBPROTOCOL),
            );
        }
        response
    }
}

const NO_UPGRADE: &str = "this is a WebSocket endpoint\n";
const NO_KEYS: &str = "the keys that a key or a signed token is judged by are not at hand yet\n";
const LOST_ON_THE_WAY: &str = "\
this is a WebSocket endpoint, and the upgrade was lost on its way here: a proxy in between must \
speak HTTP/1.1 and pass on the headers Upgrade and Connection; for nginx that is
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection \"upgrade\";
";

fn upgrade_required(text: &'static str) -> Turned {
    let headers = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ];
    Turned::away(
        NOT_AN_UPGRADE,
        (StatusCode::UPGRADE_REQUIRED, headers, text),
    )
}

fn too_many_of_an_address(reason: &'static str) -> Turned {
    let headers = [(header::RETRY_AFTER, "5")];
    let text = "too many connections from your address\n";
    Turned::away(reason, (StatusCode::TOO_MANY_REQUESTS, headers, text))
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// The key, by whichever of the four ways; the query comes first, as the oldest clients use it.
fn presented_key(request: &Request, handshake: &Handshake) -> Option<String> {
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(request.uri())
        .unwrap_or_default();
    let in_query = || {
        query
            .0
            .iter()
            .find(|(name, _)| name == "apiKey")
            .map(|(_, key)| key.clone())
    };
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let in_header = || header("x-api-key").map(str::to_owned);
    let bearer = || {
        let (scheme, key) = header("authorization")?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| key.trim().to_owned())
    };
    let in_protocol = || {
        handshake
            .protocols
            .iter()
            .find_map(|protocol| protocol.strip_prefix(KEY_SUBPROTOCOL))
            .map(str::to_owned)
    };
    // An empty one is as good as none, and must not hide another.
    let given = |key: &String| !key.is_empty();
    in_query()
        .filter(given)
        .or_else(|| in_header().filter(given))
        .or_else(|| bearer().filter(given))
        .or_else(in_protocol)
}
