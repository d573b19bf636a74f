//! One session's socket, and what is sent beside the log: replies, pings, the rest of a message
//! that was begun, and in the end the goodbye.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mio::net::TcpStream;
use socket2::SockRef;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::gate::Grant;
use crate::gate::usage::UsageCount;
use crate::hub::SessionId;
use crate::hub::log::SessionKey;
use crate::listener::{AddressPermit, Remote};
use crate::session::{CloseReason, Session, reset};

/// Above so many bytes of replies, the client is not read from until it has taken some.
pub(super) const MAX_REPLIES: usize = 64 << 10;

/// What a session holds of the host; given back when it is dropped.
#[expect(dead_code, reason = "their drop is what counts")]
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) session: OwnedSemaphorePermit,
    pub(crate) arrival: Option<Arc<AddressPermit>>,
    pub(crate) address: Option<Box<AddressPermit>>,
    pub(crate) life: TaskTrackerToken,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) id: SessionId,
    pub(super) session: Session,
    pub(super) remote: Remote,
    /// In seconds since 1970.
    pub(super) since: i64,
    /// Whole frames, or the rest of one, that go before anything of the log.
    pub(super) aside: Vec<u8>,
    /// How much of it is gone.
    sent: u32,
    /// What of it is counted in the metric.
    pub(super) counted: u32,
    /// Subscriptions that are counted in the metric.
    pub(super) subscriptions: u32,
    pub(super) flags: ConnectionFlags,
    /// Boxed, as few sessions are at their end.
    pub(super) goodbye: Option<Box<Goodbye>>,
    next_ping: Instant,
    /// Since when something waits without a byte being taken.
    pub(super) stalled: Option<Instant>,
    pub(super) delivered: u64,
    pub(super) missed: u64,
    /// What it was sent since that was last counted for its key.
    pub(super) uncounted: UsageCount,
    _holdings: Holdings,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionFlags {
    /// The kernel takes no more for now.
    pub(super) is_blocked: bool,
    /// It waits to be flushed.
    pub(super) is_queued: bool,
    /// There may be something to read.
    pub(super) is_readable: bool,
    /// It waits to be read.
    pub(super) is_reading: bool,
    /// It was sent a ping, and has neither sent anything nor made room for more since.
    pub(super) is_silent: bool,
}

/// The end of a session, from the decision on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goodbye {
    pub(super) reason: CloseReason,
    /// When patience with the client ends.
    pub(super) until: Instant,
    /// The close frame is in the aside, or there is none.
    pub(super) is_said: bool,
    /// All of the goodbye went into the socket, which was shut then.
    pub(super) is_told: bool,
}

/// What the clock says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Close(CloseReason),
    /// Its goodbye has taken too long.
    Gone(CloseReason),
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    Bytes(usize),
    /// The kernel takes nothing now.
    Full,
    Failed,
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        id: SessionId,
        session: Session,
        remote: Remote,
        holdings: Holdings,
        next_ping: Instant,
    ) -> Self {
        Self {
            socket,
            id,
            session,
            remote,
            since: Timestamp::now().as_second(),
            aside: Vec::new(),
            sent: 0,
            counted: 0,
            subscriptions: 0,
            flags: ConnectionFlags::default(),
            goodbye: None,
            next_ping,
            stalled: None,
            delivered: 0,
            missed: 0,
            uncounted: UsageCount::default(),
            _holdings: holdings,
        }
    }

    /// It was sent so many messages, which have so many bytes.
    pub(super) fn note_delivered(&mut self, messages: u64, bytes: u64) {
        self.delivered += messages;
        self.uncounted.add(UsageCount { messages, bytes });
    }

    /// What its key is still to be counted for; none where that is nothing.
    pub(super) fn take_usage(&mut self) -> Option<(Arc<Grant>, UsageCount)> {
        let uncounted = std::mem::take(&mut self.uncounted);
        (uncounted != UsageCount::default()).then(|| (self.session.grant().clone(), uncounted))
    }

    /// Bytes of the aside that are still to go.
    pub(super) fn waiting(&self) -> usize {
        self.aside.len() - self.sent as usize
    }

    /// Writes what of the aside can be written.
    pub(super) fn write_aside(&mut self) -> Wrote {
        let wrote = write(|| self.socket.write(&self.aside[self.sent as usize..]));
        if let Wrote::Bytes(bytes) = wrote {
            // An aside is some replies and a message, far below 4 GiB.
            self.sent += bytes as u32;
            if self.waiting() == 0 {
                // An idle session keeps nothing.
                (self.sent, self.aside) = (0, Vec::new());
            }
        }
        wrote
    }

    /// Writes slices of the log, in one call: a cheaper one where there is only one.
    pub(super) fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> Wrote {
        write(|| match slices {
            [only] => self.socket.write(only),
            _ => self.socket.write_vectored(slices),
        })
    }

    /// Reads into `buffer`; none where there is nothing now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(Some),
            }
        }
    }

    /// The kernel has no room: the clock of a stall runs from the first such moment.
    pub(super) fn note_full(&mut self, now: Instant) {
        self.flags.is_blocked = true;
        self.stalled.get_or_insert(now);
    }

    /// The kernel took something. That it has room again after it had none shows that the
    /// client reads.
    pub(super) fn note_progress(&mut self) {
        if self.stalled.take().is_some() {
            self.flags.is_silent = false;
        }
    }

    pub(super) fn note_ping(&mut self, next_ping: Instant) {
        self.flags.is_silent = true;
        self.next_ping = next_ping;
        self.session.note_ping();
    }

    /// What is to be done about the session now, if anything. It `leaves` where the host drains.
    pub(super) fn due(
        &self,
        now: Instant,
        stall_limit: Duration,
        leaves: Option<Instant>,
    ) -> Option<Due> {
        if let Some(Goodbye { reason, until, .. }) = self.goodbye.as_deref().copied() {
            return (now >= until).then_some(Due::Gone(reason));
        }
        if leaves.is_some_and(|leaves| now >= leaves) {
            return Some(Due::Close(CloseReason::Draining));
        }
        if self.stalled.is_some_and(|since| now >= since + stall_limit) {
            return Some(Due::Close(CloseReason::SlowConsumer));
        }
        (now >= self.next_ping).then_some(match self.flags.is_silent {
            true => Due::Close(CloseReason::DeadPeer),
            false => Due::Ping,
        })
    }

    /// When something may be due next.
    pub(super) fn deadline(&self, stall_limit: Duration, leaves: Option<Instant>) -> Instant {
        if let Some(goodbye) = &self.goodbye {
            return goodbye.until;
        }
        let stall = self.stalled.map(|since| since + stall_limit);
        let others = leaves.into_iter().chain(stall);
        others.fold(self.next_ping, Instant::min)
    }

    /// Whether the session gets nothing of the log any more. A session that only has to leave gets
    /// what waits before the goodbye, and can still lose rights until then.
    pub(super) fn is_over(&self) -> bool {
        let goodbye = self.goodbye.as_ref();
        goodbye.is_some_and(|goodbye| goodbye.is_said || !goodbye.reason.finishes())
    }

    /// Whether replies wait for a client that does not take them.
    pub(super) fn is_overfull(&self) -> bool {
        self.waiting() > MAX_REPLIES
    }

    /// Nothing more will be sent.
    pub(super) fn shut(&mut self) {
        // The connection is over either way.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// What is still in the kernel is thrown away, unless the client was told goodbye or left.
    pub(super) fn reset_unless_told(&self, reason: CloseReason) {
        let has_goodbye = self.goodbye.as_ref().is_some_and(|goodbye| goodbye.is_told);
        if !has_goodbye && reason != CloseReason::ClientLeft {
            reset(&SockRef::from(&self.socket));
        }
    }
}

/// The connections of a loop, by the keys that its log gives them.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<Option<Connection>>);

impl Connections {
    pub(super) fn insert(&mut self, key: SessionKey, connection: Connection) {
        if self.0.len() <= key.at() {
            self.0.resize_with(key.at() + 1, || None);
        }
        self.0[key.at()] = Some(connection);
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Connection> {
        self.0.get_mut(key.at())?.take()
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<&Connection> {
        self.0.get(key.at())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Connection> {
        self.0.get_mut(key.at())?.as_mut()
    }

    /// What all of them were sent since that was last counted.
    pub(super) fn take_usage(&mut self) -> impl Iterator<Item = (Arc<Grant>, UsageCount)> + '_ {
        let connections = self.0.iter_mut().flatten();
        connections.filter_map(Connection::take_usage)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = SessionKey> + '_ {
        let there = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, connection)| connection.is_some());
        there.map(|(at, _)| SessionKey(at as u32))
    }
}

impl Index<SessionKey> for Connections {
    type Output = Connection;

    fn index(&self, key: SessionKey) -> &Connection {
        self.get(key)
            .expect("a key that the log knows has a connection")
    }
}

impl IndexMut<SessionKey> for Connections {
    fn index_mut(&mut self, key: SessionKey) -> &mut Connection {
        self.get_mut(key)
            .expect("a key that the log knows has a connection")
    }
}

fn write(mut attempt: impl FnMut() -> io::Result<usize>) -> Wrote {
    loop {
        return match attempt() {
            Ok(0) => Wrote::Failed,
            Ok(bytes) => Wrote::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Wrote::Full,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Wrote::Failed,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small() {
        assert!(
            size_of::<Option<Connection>>() <= 320,
            "{}",
            size_of::<Option<Connection>>()
        );
    }
}
