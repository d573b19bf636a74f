//! One connection: HTTP/1 within its times, until it ends or a session takes it over.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::http::header::{self, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::{Arrival, ConnectionTimeouts};

/// Bytes of a request's head, and how many headers it may have.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum ConnectionEnd {
    /// Either side ended it between two requests, or a session took it over.
    Served,
    /// Its time was over: while nothing was asked for, or with a request half-sent.
    Overdue {
        idle: bool,
    },
    Failed(hyper::Error),
}

/// Answers requests with `router`. Once `closing` is cancelled, the answer that is under way
/// is the last, and says so.
pub(super) async fn serve(
    socket: TcpStream,
    arrival: Arrival,
    router: Router,
    activity: &Arc<Activity>,
    times: ConnectionTimeouts,
    closing: &CancellationToken,
) -> ConnectionEnd {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        activity.head_received();
        request.extensions_mut().insert(arrival.clone());
        let answering = router.call(request);
        async move {
            let answered = answering.await;
            activity.answered();
            answered.map(|response| keep_alive(response, times))
        }
    });
    let watched = MonitoredSocket {
        socket,
        activity: activity.clone(),
    };
    let serving = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        // The clock of hyper would run through the pause between requests and through their heads.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(watched), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let mut closing = pin!(closing.cancelled());
    let mut time = pin!(tokio::time::sleep(times.head));
    let mut last = false;
    std::future::poll_fn(|cx| {
        if !last && closing.as_mut().poll(cx).is_ready() {
            last = true;
            serving.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(served) = serving.as_mut().poll(cx) {
            return Poll::Ready(
                served.map_or_else(ConnectionEnd::Failed, |()| ConnectionEnd::Served),
            );
        }
        let Some(deadline) = activity.deadline(times) else {
            return Poll::Pending;
        };
        if time.deadline() != deadline {
            time.as_mut().reset(deadline);
        }
        ready!(time.as_mut().poll(cx));
        let idle = activity.is_idle();
        Poll::Ready(ConnectionEnd::Overdue { idle })
    })
    .await
}

/// Says for how long the connection stays, so that a client does not send its next request
/// into its end.
fn keep_alive<B>(mut response: Response<B>, times: ConnectionTimeouts) -> Response<B> {
    let seconds = times.idle.as_secs();
    if seconds > 0
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && let Ok(value) = HeaderValue::try_from(format!("timeout={seconds}"))
    {
        response
            .headers_mut()
            .insert(header::HeaderName::from_static("keep-alive"), value);
    }
    response
}

/// The socket of a connection that was upgraded, and the bytes that came after the request.
pub(crate) fn socket_of(upgraded: Upgraded) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<MonitoredSocket>>().ok()?;
    // A copy, so that hyper's buffer is gone with the parts.
    Some((parts.io.into_inner().socket, parts.read_buf.to_vec()))
}

/// A socket that notes when bytes come and go.
#[derive(Debug)]
struct MonitoredSocket {
    socket: TcpStream,
    activity: Arc<Activity>,
}

impl MonitoredSocket {
    fn note_sent(&self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = wrote {
            self.activity.sent();
        }
        wrote
    }
}

impl AsyncRead for MonitoredSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.activity.received(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MonitoredSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note_sent(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.note_sent(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
