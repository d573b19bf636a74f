//! The stream that tungstenite reads from and believes to write to.
//!
//! Reads come from the socket. What tungstenite writes of its own accord, answers to pings and
//! closes, lands in the outbox as whole frames: the writer is the only one who touches the
//! socket, and a pong can never cut a message in two.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::rate::{Bucket, Verdict};
use crate::hub::{Frame, Outbox};

/// What a read fails with when the client sent far too much, as frames that never become a
/// message do. No socket fails in this way.
pub(super) const FLOODED: io::ErrorKind = io::ErrorKind::QuotaExceeded;

#[derive(Debug)]
pub(super) struct Inbound<R> {
    socket: R,
    outbox: Arc<Outbox>,
    /// What was written since the last flush: tungstenite flushes at the end of each frame.
    written: Vec<u8>,
    /// Bytes that the client may send: as many as the messages it may send could have.
    bytes: Bucket,
}

impl<R> Inbound<R> {
    pub(super) fn new(socket: R, outbox: Arc<Outbox>, bytes: Bucket) -> Self {
        Self {
            socket,
            outbox,
            written: Vec::new(),
            bytes,
        }
    }

    /// Queues what was written, as one piece.
    pub(super) fn hand_over(&mut self) {
        if !self.written.is_empty() {
            let frame = Frame::from_wire(std::mem::take(&mut self.written));
            self.outbox.push_control(&frame);
        }
    }

    pub(super) fn socket(&mut self) -> &mut R {
        &mut self.socket
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Inbound<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        let read = u32::try_from(buf.filled().len() - before).unwrap_or(u32::MAX);
        if self.bytes.take(read, Instant::now()) == Verdict::Abusive {
            return Poll::Ready(Err(FLOODED.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: Unpin> AsyncWrite for Inbound<R> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.hand_over();
        Poll::Ready(Ok(()))
    }

    /// The writer ends the connection.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
