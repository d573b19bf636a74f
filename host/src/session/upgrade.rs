//! From an HTTP request to a session: the checks at the door, the handshake, the socket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::Instrument;

use super::{CloseReason, Context, refuse, run};
use crate::gate::origin::{self, OriginRule};
use crate::gate::{Gate, Refusal};
use crate::hub::Outbox;

/// The subprotocol that browsers offer, next to `key.<KEY>`; the only one ever echoed.
const SUBPROTOCOL: &str = "tidegate";
const KEY_SUBPROTOCOL: &str = "key.";

const NOT_AN_UPGRADE: &str = "not_an_upgrade";
const ORIGIN: &str = "origin";
const DRAINING: &str = "draining";
const FULL: &str = "full";
/// The time for the upgrade was over.
pub(crate) const TIMED_OUT: &str = "upgrade_timeout";
/// A newer connection took the place among those not yet upgraded.
pub(crate) const DISPLACED: &str = "displaced";

/// Why connections are turned away, as the metric names it; those without a key that counts
/// are refused after the upgrade.
pub(super) const REFUSALS: [&str; 9] = [
    NOT_AN_UPGRADE,
    ORIGIN,
    DRAINING,
    FULL,
    TIMED_OUT,
    DISPLACED,
    Refusal::KeyRequired.label(),
    Refusal::InvalidKey.label(),
    Refusal::ConnectionLimit.label(),
];

/// What the door needs beyond what sessions share.
#[derive(Debug)]
pub struct Door {
    pub context: Arc<Context>,
    pub gate: Arc<Gate>,
    /// Places for sessions, those that are being refused included.
    pub places: Arc<Semaphore>,
    /// Web pages that may connect; empty allows all.
    pub allowed_origins: Vec<OriginRule>,
}

/// The connection that a request came on; put into the request by the listener.
#[derive(Debug, Clone)]
pub struct Arrival {
    remote: SocketAddr,
    /// Held for as long as the connection is open, upgraded or not.
    _slot: Arc<OwnedSemaphorePermit>,
}

impl Arrival {
    pub fn new(remote: SocketAddr, slot: OwnedSemaphorePermit) -> Self {
        let _slot = Arc::new(slot);
        Self { remote, _slot }
    }
}

/// `GET /public/v1/stream`.
pub async fn stream(State(door): State<Arc<Door>>, mut request: Request) -> Response<Body> {
    let refused = |reason: &'static str, response: Response<Body>| {
        door.context
            .metrics
            .refused
            .with_label_values(&[reason])
            .inc();
        response
    };
    let handshake = match Handshake::check(request.headers()) {
        Ok(handshake) => handshake,
        Err(response) => return refused(NOT_AN_UPGRADE, *response),
    };
    if !door.allows_origin(request.headers()) {
        return refused(
            ORIGIN,
            (StatusCode::FORBIDDEN, "this origin is not allowed\n").into_response(),
        );
    }
    let later = |text: &'static str| {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "5")],
            text,
        )
            .into_response()
    };
    if door.context.shutdown.is_draining() {
        return refused(DRAINING, later("shutting down\n"));
    }
    let Ok(place) = door.places.clone().try_acquire_owned() else {
        return refused(FULL, later("too many connections\n"));
    };
    let key = presented_key(&request, &handshake);
    let (Some(arrival), Some(upgrade)) = (
        request.extensions().get::<Arrival>().cloned(),
        request.extensions_mut().remove::<OnUpgrade>(),
    ) else {
        return refused(NOT_AN_UPGRADE, upgrade_required());
    };
    let response = handshake.response();
    let task_door = door.clone();
    let context = &door.context;
    context.shutdown.spawn_session(&context.tasks, async move {
        let _place = place;
        if let Ok(upgraded) = upgrade.await
            && let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>()
        {
            let leftover = parts.read_buf.to_vec();
            // On the heap: the largest part of a session's task is only there while it lives.
            Box::pin(task_door.serve(parts.io.into_inner(), leftover, key, &arrival)).await;
        }
    });
    response
}

impl Door {
    async fn serve(
        &self,
        socket: TcpStream,
        leftover: Vec<u8>,
        key: Option<String>,
        arrival: &Arrival,
    ) {
        let context = &self.context;
        if let Err(error) = prepare(&socket, context.limits.marks.kernel_unsent) {
            return tracing::debug!(%error, "the connection went away during its upgrade");
        }
        let (mut read, mut write) = socket.into_split();
        let (reason, told) = match self.gate.admit(key.as_deref()) {
            Err(refusal) => {
                context
                    .strangers
                    .key_refused(refusal.label(), arrival.remote);
                refuse(&mut read, &mut write, refusal, context).await
            }
            Ok(permit) => {
                drop(key);
                let outbox = Arc::new(Outbox::new(context.limits.marks));
                let grant = permit.at_the_door();
                let presence = context.roster.enter(arrival.remote, grant, &outbox);
                let span = tracing::debug_span!("session", id = presence.id.0, key = grant.key_id);
                run(
                    &mut read, &mut write, leftover, presence, outbox, permit, context,
                )
                .instrument(span)
                .await
            }
        };
        if !told && reason != CloseReason::ClientLeft {
            // What is still in the kernel would be kept and retried for minutes.
            let _ = SockRef::from(read.as_ref()).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        origin::allows(&self.allowed_origins, origin)
    }
}

/// Makes stalls show: the kernel takes no more than it can soon send.
fn prepare(socket: &TcpStream, kernel_unsent: usize) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_notsent_lowat(u32::try_from(kernel_unsent).unwrap_or(u32::MAX))
}

/// A request that is a well-formed upgrade (RFC 6455, 4.2.1).
struct Handshake {
    accept: String,
    protocols: Vec<String>,
}

impl Handshake {
    fn check(headers: &HeaderMap) -> Result<Self, Box<Response<Body>>> {
        let asks = tokens(headers, header::CONNECTION)
            .any(|token| token.eq_ignore_ascii_case("upgrade"))
            && tokens(headers, header::UPGRADE)
                .any(|token| token.eq_ignore_ascii_case("websocket"));
        let version = headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .map(HeaderValue::as_bytes);
        if !asks || version != Some(b"13") {
            return Err(Box::new(upgrade_required()));
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
            return Err(Box::new((StatusCode::BAD_REQUEST, text).into_response()));
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
        if self.protocols.iter().any(|one| one == SUBPROTOCOL) {
            headers.insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(SUBPROTOCOL),
            );
        }
        response
    }
}

fn upgrade_required() -> Response<Body> {
    let headers = [
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ];
    (
        StatusCode::UPGRADE_REQUIRED,
        headers,
        "this is a WebSocket endpoint\n",
    )
        .into_response()
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
            .find_map(|one| one.strip_prefix(KEY_SUBPROTOCOL))
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
