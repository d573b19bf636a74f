//! All clients in one thread that costs little: bytes are read from whichever socket has some,
//! and every message is compared with what must come. One that is doubled, cut, changed or out
//! of order ends the run. What does not come is counted: told or in silence.

use std::io::{ErrorKind, Read};
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::Duration;

use anyhow::Result;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{ClockId, clock_gettime};

use crate::door::Client;
use crate::feed::{self, Markets, Message};
use crate::frames::{Frame, Inbox};
use crate::publisher::Shared;
use crate::tally::{Losses, Numbers, Range, Tally};

/// Without a byte for so long, what has not come does not come.
pub(crate) const QUIET: Duration = Duration::from_secs(3);

/// What was read of one batch.
#[derive(Debug)]
pub(crate) struct Received {
    /// Each message to each client that got it, in any order.
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) losses: Losses,
    /// Processor time of the reading thread.
    pub(crate) cpu: Duration,
    /// From the first message to the last read, in nanoseconds.
    pub(crate) ended: u64,
}

/// One message to one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) client: usize,
    /// When it was set off, in nanoseconds since the batch began.
    pub(crate) sent: u64,
    /// From then to the client's read, in nanoseconds.
    pub(crate) delay: u64,
}

/// Which messages a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taste {
    Everything,
    /// Those of one market: each market has as many of the clients as any other.
    One,
}

#[derive(Debug)]
struct Member {
    socket: TcpStream,
    inbox: Inbox,
    closed: bool,
}

/// Connected clients.
#[derive(Debug)]
pub(crate) struct Reader {
    poll: Poll,
    members: Vec<Member>,
    markets: Markets,
    taste: Taste,
}

/// A batch on its way.
struct ReadBatch<'a> {
    range: Range,
    shared: &'a Shared,
    publisher: &'a Thread,
    tallies: Vec<Tally>,
    numbers: Numbers,
    /// How many clients have a message, and how many there are for it.
    arrived: Vec<usize>,
    receivers: usize,
    /// A client gets one of so many messages.
    one_of: usize,
    deliveries: Vec<Delivery>,
}

impl Reader {
    pub(crate) fn new(clients: Vec<Client>, markets: Markets, taste: Taste) -> Result<Self> {
        let mut reader = Self {
            poll: Poll::new()?,
            members: Vec::with_capacity(clients.len()),
            markets,
            taste,
        };
        clients
            .into_iter()
            .try_for_each(|client| reader.push(client))?;
        Ok(reader)
    }

    /// One client more.
    pub(crate) fn push(&mut self, client: Client) -> Result<()> {
        let member = self.admit(self.members.len(), client)?;
        self.members.push(member);
        Ok(())
    }

    /// Leaves the first so many.
    pub(crate) fn truncate(&mut self, clients: usize) {
        self.members.truncate(clients);
    }

    fn admit(&self, n: usize, client: Client) -> Result<Member> {
        client.socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(client.socket);
        let registry = self.poll.registry();
        registry.register(&mut socket, Token(n), Interest::READABLE)?;
        Ok(Member {
            socket,
            inbox: client.inbox,
            closed: false,
        })
    }

    /// Puts a new client in the place of each that the host has closed.
    pub(crate) fn replace_closed(
        &mut self,
        mut enter: impl FnMut(usize) -> Result<Client>,
    ) -> Result<()> {
        for n in 0..self.members.len() {
            if self.members[n].closed {
                self.members[n] = self.admit(n, enter(n)?)?;
            }
        }
        Ok(())
    }

    /// Reads a batch to its end on all connections, the first message having the number `first`.
    /// That and the batch's length are multiples of the number of markets where each client has
    /// one of them.
    pub(crate) fn read(
        &mut self,
        first: usize,
        shared: &Shared,
        publisher: &Thread,
    ) -> Result<Received> {
        let result = self.read_batch(first, shared, publisher);
        shared.failed.store(true, Ordering::Relaxed);
        publisher.unpark();
        result
    }

    fn read_batch(
        &mut self,
        first: usize,
        shared: &Shared,
        publisher: &Thread,
    ) -> Result<Received> {
        let range = Range {
            first,
            messages: shared.messages(),
            markets: self.markets,
        };
        let one_of = match self.taste {
            Taste::Everything => 1,
            Taste::One => self.markets.0,
        };
        let receivers = self.members.len() / one_of;
        let mut batch = ReadBatch {
            range,
            shared,
            publisher,
            tallies: self.members.iter().map(|_| Tally::new(range)).collect(),
            numbers: Numbers::new(range),
            arrived: vec![0; range.messages],
            receivers,
            one_of,
            deliveries: Vec::with_capacity(receivers * range.messages),
        };
        let mut outstanding: Vec<bool> = self.members.iter().map(|m| !m.closed).collect();
        let mut unfinished = outstanding.iter().filter(|open| **open).count();
        let mut buffer = vec![0; 64 << 10];
        let mut events = Events::with_capacity(1024);
        let cpu_before = thread_cpu();
        let mut ended = 0;
        shared.wait();
        while unfinished > 0 {
            match self.poll.poll(&mut events, Some(QUIET)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if events.is_empty() {
                break;
            }
            for event in &events {
                let Token(client) = event.token();
                let member = &mut self.members[client];
                drain(
                    member,
                    &mut buffer,
                    |frame, now| batch.take(client, frame, now),
                    shared,
                )?;
                ended = shared.now();
                let finished = member.closed || batch.tallies[client].is_complete(batch.wanted());
                if finished && std::mem::take(&mut outstanding[client]) {
                    unfinished -= 1;
                }
            }
        }
        batch.numbers.verify(self.markets)?;
        let mut losses = Losses::default();
        for tally in &batch.tallies {
            losses.add(tally, batch.wanted());
        }
        Ok(Received {
            deliveries: batch.deliveries,
            losses,
            cpu: thread_cpu().saturating_sub(cpu_before),
            ended: ended.saturating_sub(shared.stamp(0)),
        })
    }
}

impl ReadBatch<'_> {
    /// Messages for each client, as far as is known.
    fn wanted(&self) -> usize {
        self.shared.end() / self.one_of
    }

    /// False for a frame that ends the connection.
    fn take(&mut self, client: usize, frame: Frame<'_>, now: u64) -> Result<bool> {
        let Some(message) = feed::read_frame(frame)? else {
            return Ok(false);
        };
        match message {
            Message::Gap(missed) => self.tallies[client].in_gaps += usize::try_from(missed)?,
            Message::Notice => {}
            Message::Candle(candle) => {
                let index = self.tallies[client].take(self.range, &candle)?;
                self.numbers.note(index, candle.seq)?;
                let sent = self.shared.stamp(index);
                let delay = now.saturating_sub(sent);
                self.deliveries.push(Delivery {
                    client,
                    sent,
                    delay,
                });
                self.arrived[index] += 1;
                if self.arrived[index] == self.receivers {
                    self.shared.complete.store(index + 1, Ordering::Release);
                    self.publisher.unpark();
                }
            }
        }
        Ok(true)
    }
}

/// Reads what there is. Readiness is told once, so it goes on until a read comes back short.
fn drain(
    member: &mut Member,
    buffer: &mut [u8],
    mut take: impl FnMut(Frame<'_>, u64) -> Result<bool>,
    shared: &Shared,
) -> Result<()> {
    while !member.closed {
        match member.socket.read(buffer) {
            Ok(0) => member.closed = true,
            Ok(length) => {
                let (now, closed) = (shared.now(), &mut member.closed);
                member.inbox.take(&buffer[..length], |frame| {
                    *closed |= !take(frame, now)?;
                    Ok(())
                })?;
                if length < buffer.len() {
                    break;
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => break,
                ErrorKind::Interrupted => {}
                ErrorKind::ConnectionReset => member.closed = true,
                _ => return Err(error.into()),
            },
        }
    }
    Ok(())
}

fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
