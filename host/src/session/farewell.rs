//! The goodbye to somebody who was not let in: said after the upgrade, where browsers see it.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CloseReason, SessionContext};
use crate::gate::GateRefusal;

/// How long the close frame may take into the socket, and then the client to answer it.
pub(crate) const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Tells why, and waits until the client has read it. Without that wait, closing with unread
/// bytes in the socket makes the kernel reset the connection, and the client never sees the code.
pub(super) async fn refuse(mut socket: TcpStream, refusal: GateRefusal, context: &SessionContext) {
    let label = refusal.label();
    context.metrics.refused.with_label_values(&[label]).inc();
    context.metrics.closed.with_label_values(&[label]).inc();
    let frame = CloseReason::Refused(refusal).frame().unwrap_or_default();
    let telling = async {
        socket.write_all(&frame).await?;
        socket.shutdown().await
    };
    let sent = tokio::time::timeout(CLOSE_PATIENCE, telling).await;
    if !matches!(sent, Ok(Ok(()))) {
        reset(&SockRef::from(&socket));
        return;
    }
    let mut rest = [0; 512];
    let quiet = async { while matches!(socket.read(&mut rest).await, Ok(1..)) {} };
    // Whoever does not answer has had the time for it.
    let _ = tokio::time::timeout(CLOSE_PATIENCE, quiet).await;
}

/// What is still in the kernel would be kept and retried for minutes.
pub(crate) fn reset(socket: &SockRef<'_>) {
    let _ = socket.set_linger(Some(Duration::ZERO));
}
