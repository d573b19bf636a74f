//! All clients in one thread that costs little: bytes are read from whichever socket has some
//! and compared with what must come. A byte too many, too few or in the wrong place ends the
//! run, so a figure is only ever about messages that all arrived, whole and in order.

use std::io::{ErrorKind, Read};
use std::net::TcpStream as Connected;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{ClockId, clock_gettime};

use crate::feed::{self, Markets};
use crate::publisher::Shared;

/// Without a byte for so long, messages are lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket ping as the host sends it. With heartbeats an hour apart, and those of a thousand
/// sessions spread over it, there is one in some seconds. It needs no answer within the hour.
const PING: [u8; 2] = [0x89, 0];

/// What was read of one batch.
#[derive(Debug)]
pub(crate) struct Received {
    /// Each message to each session that gets it, in any order.
    pub(crate) deliveries: Vec<Delivery>,
    /// Processor time of the reading thread.
    pub(crate) cpu: Duration,
    /// From the first message to the last read, in nanoseconds.
    pub(crate) ended: u64,
}

/// One message to one session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    /// When it was set off, in nanoseconds since the batch began.
    pub(crate) sent: u64,
    /// From then to the session's read, in nanoseconds.
    pub(crate) delay: u64,
}

/// Connections, and where each stands in the stream of bytes.
#[derive(Debug)]
pub(crate) struct Reader {
    poll: Poll,
    sockets: Vec<TcpStream>,
    markets: Markets,
}

impl Reader {
    /// Each market has as many of the connections as any other.
    pub(crate) fn new(connections: Vec<Connected>, markets: Markets) -> Result<Self> {
        let poll = Poll::new()?;
        let mut sockets = Vec::with_capacity(connections.len());
        for (n, connection) in connections.into_iter().enumerate() {
            connection.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(connection);
            poll.registry()
                .register(&mut socket, Token(n), Interest::READABLE)?;
            sockets.push(socket);
        }
        Ok(Self {
            poll,
            sockets,
            markets,
        })
    }

    /// Reads a batch to its end on all connections, the first message having the number `first`.
    /// That and the batch's length are multiples of the number of markets.
    pub(crate) fn read(
        &mut self,
        first: usize,
        shared: &Shared,
        publisher: &Thread,
    ) -> Result<Received> {
        let result = self.read_batch(first, shared, publisher);
        if result.is_err() {
            shared.failed.store(true, Ordering::Relaxed);
            publisher.unpark();
        }
        result
    }

    fn read_batch(
        &mut self,
        first: usize,
        shared: &Shared,
        publisher: &Thread,
    ) -> Result<Received> {
        let (sessions, Markets(markets)) = (self.sockets.len(), self.markets);
        let frame = feed::frame(first, 0).len();
        // For each market, its part of the batch.
        let numbers = |market| (first + market..first + shared.messages()).step_by(markets);
        let expected: Vec<Vec<u8>> = (0..markets)
            .map(|market| {
                numbers(market)
                    .flat_map(|n| feed::frame(n, market))
                    .collect()
            })
            .collect();
        let mut positions = vec![0; sessions];
        let mut arrived = vec![0; shared.messages()];
        let mut deliveries = Vec::with_capacity(sessions / markets * shared.messages());
        let mut unfinished = sessions;
        let mut buffer = vec![0; 64 << 10];
        let mut events = Events::with_capacity(1024);
        let cpu_before = thread_cpu();
        shared.wait();
        while unfinished > 0 {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            ensure!(
                !events.is_empty(),
                "{unfinished} of {sessions} sessions did not get all messages"
            );
            for event in &events {
                let Token(session) = event.token();
                let market = self.markets.of(session);
                let position = &mut positions[session];
                let before = *position;
                drain(
                    &mut self.sockets[session],
                    &mut buffer,
                    &expected[market],
                    frame,
                    position,
                )?;
                let now = shared.now();
                for turn in before / frame..*position / frame {
                    let message = turn * markets + market;
                    let sent = shared.stamp(message);
                    let delay = now.saturating_sub(sent);
                    deliveries.push(Delivery { sent, delay });
                    arrived[message] += 1;
                    if arrived[message] == sessions / markets {
                        shared.complete.store(message + 1, Ordering::Release);
                        publisher.unpark();
                    }
                }
                let end = shared.end() / markets * frame;
                if before < end && *position == end {
                    unfinished -= 1;
                }
            }
        }
        Ok(Received {
            deliveries,
            cpu: thread_cpu().saturating_sub(cpu_before),
            ended: shared.now() - shared.stamp(0),
        })
    }
}

/// Reads what there is. Readiness is told once, so it goes on until a read comes back short.
fn drain(
    socket: &mut TcpStream,
    buffer: &mut [u8],
    expected: &[u8],
    frame: usize,
    position: &mut usize,
) -> Result<()> {
    loop {
        match socket.read(buffer) {
            Ok(0) => bail!("the connection was closed"),
            Ok(length) => {
                let advanced = follow(&buffer[..length], expected, *position, frame);
                let Some(advanced) = advanced else {
                    bail!("a session got other bytes than were sent to it");
                };
                *position = advanced;
                if length < buffer.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where a session stands after these bytes; `None` if they are not the next ones. Between two
/// frames there may be a ping.
fn follow(mut bytes: &[u8], expected: &[u8], mut position: usize, frame: usize) -> Option<usize> {
    let end = position + bytes.len();
    if expected.get(position..end) == Some(bytes) {
        return Some(end);
    }
    while !bytes.is_empty() {
        if position.is_multiple_of(frame)
            && let Some(rest) = bytes.strip_prefix(&PING)
        {
            bytes = rest;
            continue;
        }
        let length = bytes.len().min(frame - position % frame);
        let (first, rest) = bytes.split_at(length);
        if expected.get(position..position + length) != Some(first) {
            return None;
        }
        position += length;
        bytes = rest;
    }
    Some(position)
}

fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_bytes_are_followed_with_pings_between_frames_only() {
        let expected = b"abcdef";
        assert_eq!(follow(b"abcd", expected, 0, 3), Some(4));
        assert_eq!(follow(b"ef", expected, 4, 3), Some(6));
        assert_eq!(follow(b"\x89\0abc\x89\0\x89\0def", expected, 0, 3), Some(6));
        assert_eq!(follow(b"\x89\0", expected, 6, 3), Some(6));
        for other in [&b"b"[..], b"ab\x89\0c", b"abd", b"abcdefa"] {
            assert_eq!(follow(other, expected, 0, 3), None, "{other:?}");
        }
    }
}
