//! From the outbox into the socket: the only place that writes to a session's connection.
//!
//! Frames go out as they are, many in one system call, and are not copied on the way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::hub::{Batch, End, Frame, Outbox, Take};

/// Frames offered to the kernel in one call. Linux takes up to 1,024; a stalled session seldom
/// has more than a few hundred, and a healthy one has a few.
const MAX_SLICES: usize = 64;

/// Capacity that an idle session keeps for its next batch, in frames.
const KEPT_FRAMES: usize = 16;

/// Of so many writes of a session, the first is timed from the receipt of its event: a look at
/// the clock for each would be felt.
const TIMED: u8 = 8;

/// How the writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// All that was queued before the close, and the close.
    All,
    /// The client is too far behind.
    Overrun,
    /// The connection is gone.
    Failed,
}

/// The writer of one session. It keeps what it has begun to send, so that `run` can be left
/// and entered again.
#[derive(Debug)]
pub(super) struct Writer<W> {
    socket: W,
    batch: Batch,
    /// Writes until the next that is timed.
    untimed: u8,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(socket: W) -> Self {
        Self {
            socket,
            batch: Batch::default(),
            untimed: 0,
        }
    }

    /// Sends whatever the outbox gives until that ends, the session is overrun, or the socket
    /// fails. Cancel-safe.
    pub(super) async fn run(&mut self, outbox: &Outbox) -> Written {
        loop {
            if self.batch.frames.is_empty() {
                self.batch.frames.shrink_to(KEPT_FRAMES);
                match std::future::poll_fn(|cx| outbox.poll_take(cx, &mut self.batch)).await {
                    Take::Frames => {}
                    Take::End(End::Finished) => return Written::All,
                    Take::End(End::Overrun) => return Written::Overrun,
                }
            }
            let deadline = outbox.deadline();
            let wrote = match deadline {
                None => self.write_some(outbox, None).await,
                Some(at) => {
                    match tokio::time::timeout_at(at.into(), self.write_some(outbox, deadline))
                        .await
                    {
                        Ok(wrote) => wrote,
                        Err(_) => {
                            outbox.overrun();
                            return Written::Overrun;
                        }
                    }
                }
            };
            match wrote {
                Ok(Some(bytes)) => {
                    outbox.sent(bytes);
                    let gone = self.batch.advance(bytes);
                    gone.inspect(|frame| self.time(frame));
                }
                Ok(None) if outbox.is_overrun() => return Written::Overrun,
                Ok(None) => {}
                Err(_) => return Written::Failed,
            }
        }
    }

    fn time(&mut self, frame: &Frame) {
        self.untimed = match self.untimed.checked_sub(1) {
            Some(left) => left,
            None if frame.note_written() => TIMED - 1,
            None => 0,
        };
    }

    /// One write; `None` when the outbox calls for attention while the socket is full.
    async fn write_some(
        &mut self,
        outbox: &Outbox,
        deadline: Option<Instant>,
    ) -> io::Result<Option<usize>> {
        let Self { socket, batch, .. } = self;
        std::future::poll_fn(|cx| {
            let wrote = match batch.only() {
                // By far the most common case, and a cheaper call.
                Some(bytes) => Pin::new(&mut *socket).poll_write(cx, bytes),
                None => {
                    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                    let filled = batch.fill(&mut slices);
                    Pin::new(&mut *socket).poll_write_vectored(cx, &slices[..filled])
                }
            };
            match wrote {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(result) => Poll::Ready(result.map(Some)),
                Poll::Pending => outbox.poll_blocked(cx, deadline).map(|()| Ok(None)),
            }
        })
        .await
    }

    /// Frames that were taken and not begun.
    pub(super) fn untouched(&self) -> usize {
        self.batch.frames.len() - usize::from(self.batch.offset > 0)
    }

    /// Drops what was taken and not begun, so that a close can follow the frame under way.
    pub(super) fn discard(&mut self, outbox: &Outbox) {
        let keep = usize::from(self.batch.offset > 0);
        let dropped: usize = self
            .batch
            .frames
            .drain(keep..)
            .map(|frame| frame.note_cut())
            .sum();
        outbox.forget(dropped);
    }

    /// Tells the other side that nothing more will come.
    pub(super) async fn shut(&mut self) {
        // The connection is over either way.
        let _ = self.socket.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Marks, Push};
    use std::time::Duration;
    use tokio::io::AsyncReadExt;

    #[tokio::test(flavor = "current_thread")]
    async fn frames_arrive_whole_and_in_order_through_a_narrow_pipe() {
        let outbox = Outbox::new(Marks {
            skip_above: 1 << 20,
            cut_above: 1 << 20,
            ..Marks::default()
        });
        let (ours, mut theirs) = tokio::io::duplex(7);
        let mut expected = Vec::new();
        for n in 0..200_u8 {
            let bytes = vec![n; usize::from(n) + 1];
            expected.extend_from_slice(&bytes);
            assert_eq!(outbox.push(&Frame::from_wire(bytes)), Push::Queued);
        }
        outbox.close(None, false);
        let mut writer = Writer::new(ours);
        let mut received = Vec::new();
        let (written, read) = tokio::join!(
            async {
                let written = writer.run(&outbox).await;
                writer.shut().await;
                written
            },
            theirs.read_to_end(&mut received)
        );
        assert_eq!((written, read.unwrap()), (Written::All, expected.len()));
        assert_eq!(received, expected);
        assert_eq!(outbox.figures().waiting_bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_overrun_after_the_time_with_no_further_message() {
        let marks = Marks {
            skip_above: 100,
            cut_above: 10_000,
            cut_after: Duration::from_secs(10),
            kernel_unsent: 0,
        };
        let outbox = Outbox::new(marks);
        let (ours, _theirs) = tokio::io::duplex(1);
        let mut writer = Writer::new(ours);
        outbox.push(&Frame::from_wire(vec![0; 500]));
        assert_eq!(writer.run(&outbox).await, Written::Overrun);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_is_finished_before_a_close_and_the_rest_is_dropped() {
        let outbox = Outbox::new(Marks::default());
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut writer = Writer::new(ours);
        outbox.push(&Frame::from_wire(b"first!".as_slice()));
        outbox.push(&Frame::from_wire(b"second".as_slice()));
        let _ = tokio::time::timeout(Duration::from_millis(1), writer.run(&outbox)).await;
        writer.discard(&outbox);
        outbox.close(Some(&Frame::from_wire(b"bye".as_slice())), true);
        let mut received = String::new();
        let both = tokio::join!(
            async {
                let written = writer.run(&outbox).await;
                writer.shut().await;
                written
            },
            theirs.read_to_string(&mut received)
        );
        assert_eq!(both.0, Written::All);
        assert_eq!(received, "first!bye");
    }
}
