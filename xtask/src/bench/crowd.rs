//! Many clients in a process of their own: a process may have so many open files and no more.
//! They answer pings, and count what they are sent without looking at it closely.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::process::{ChildStdin, Command};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::child::Child;
use crate::door::Door;
use crate::feed;
use crate::frames::{self, Inbox};
use crate::reader::QUIET;

/// Starts this program as a crowd; door, first number, count and subscription follow.
pub(crate) const WORD: &str = "crowd";

/// Clients of one process.
pub(crate) const MOST: usize = 9_500;

/// What each client is subscribed to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// One channel, the same for all.
    One,
    Everything,
    /// So many patterns, which no other client has and nothing matches.
    Foreign(usize),
}

impl Wish {
    fn word(self) -> String {
        match self {
            Self::One => "one".to_owned(),
            Self::Everything => "everything".to_owned(),
            Self::Foreign(each) => format!("foreign={each}"),
        }
    }

    fn of(word: &str) -> Result<Self> {
        match word.split_once('=') {
            None if word == "one" => Ok(Self::One),
            None if word == "everything" => Ok(Self::Everything),
            Some(("foreign", each)) => Ok(Self::Foreign(each.parse()?)),
            _ => bail!("no such wish: {word}"),
        }
    }

    fn patterns(self, client: usize) -> Vec<String> {
        match self {
            Self::One => vec![feed::public_channel(0)],
            Self::Everything => vec![feed::EVERYTHING.to_owned()],
            Self::Foreign(each) => (client * each..(client + 1) * each)
                .map(feed::foreign_pattern)
                .collect(),
        }
    }
}

/// A crowd as the process that started it sees it.
#[derive(Debug)]
pub(crate) struct Crowd {
    process: Child,
    orders: ChildStdin,
    pub(crate) clients: usize,
}

impl Crowd {
    /// Starts connecting.
    pub(crate) fn start(door: &Door, first: usize, clients: usize, wish: Wish) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([WORD, &door.address.to_string()]);
        command.arg(door.key.as_deref().unwrap_or("-"));
        command.args([first.to_string(), clients.to_string(), wish.word()]);
        let mut process = Child::start(&mut command)?;
        Ok(Self {
            orders: process.stdin()?,
            process,
            clients,
        })
    }

    /// Waits until all are connected.
    pub(crate) fn ready(&mut self) -> Result<()> {
        self.process.line_after("ready").context("a crowd")?;
        Ok(())
    }

    /// Counts messages from now on.
    pub(crate) fn expect(&mut self, messages: usize) -> Result<()> {
        let order = format!("{messages}\n");
        self.orders.write_all(order.as_bytes())?;
        self.process.line_after("counting").context("a crowd")?;
        Ok(())
    }

    /// Waits until all that were expected have come, or nothing comes any more, and gives how
    /// many came.
    pub(crate) fn got(&mut self) -> Result<usize> {
        Ok(self
            .process
            .line_after("got ")
            .context("a crowd")?
            .parse()?)
    }
}

struct CrowdMember {
    socket: TcpStream,
    inbox: Inbox,
}

/// The crowd itself, until its input ends.
pub(crate) fn run(address: &str, key: &str, first: &str, clients: &str, wish: &str) -> Result<()> {
    let door = Door {
        address: address.parse()?,
        key: (key != "-").then(|| key.to_owned()),
    };
    let (first, clients): (usize, usize) = (first.parse()?, clients.parse()?);
    let wish = Wish::of(wish)?;
    let mut poll = Poll::new()?;
    let mut members = Vec::with_capacity(clients);
    for n in 0..clients {
        let client = door.enter(first + n, &wish.patterns(first + n))?;
        client.socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(client.socket);
        poll.registry()
            .register(&mut socket, Token(n), Interest::READABLE)?;
        let inbox = client.inbox;
        members.push(CrowdMember { socket, inbox });
    }
    let mut input = std::io::stdin();
    rustix::io::ioctl_fionbio(&input, true)?;
    let own = Token(clients);
    poll.registry()
        .register(&mut SourceFd(&input.as_raw_fd()), own, Interest::READABLE)?;
    println!("ready");
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 << 10];
    let (mut got, mut expected) = (0, None);
    loop {
        poll.poll(&mut events, expected.map(|_| QUIET))?;
        for event in &events {
            if event.token() == own {
                let Some(order) = order(&mut input)? else {
                    return Ok(());
                };
                println!("counting");
                (got, expected) = (0, Some(order));
            } else {
                got += drain(&mut members[event.token().0], &mut buffer)?;
            }
        }
        if expected.is_some_and(|expected| got >= expected || events.is_empty()) {
            println!("got {got}");
            expected = None;
        }
    }
}

/// The number on the line that has come, if it is not the end.
fn order(input: &mut impl Read) -> Result<Option<usize>> {
    let mut line = [0; 64];
    let length = match input.read(&mut line) {
        Ok(0) => return Ok(None),
        Ok(length) => length,
        Err(error) => return Err(error.into()),
    };
    let line = std::str::from_utf8(&line[..length])?;
    Ok(Some(line.trim().parse().context("a number")?))
}

/// Reads what there is, answers pings, and counts messages.
fn drain(member: &mut CrowdMember, buffer: &mut [u8]) -> Result<usize> {
    let mut messages = 0;
    loop {
        let length = match member.socket.read(buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(messages),
            Err(error) => return Err(error.into()),
        };
        ensure!(length > 0, "a client's connection was closed");
        let socket = &mut member.socket;
        member.inbox.take(&buffer[..length], |frame| {
            match frame.opcode {
                frames::TEXT => messages += usize::from(feed::is_message(frame.payload)),
                frames::PING => {
                    socket.write_all(&frames::masked(frames::PONG, frame.payload))?;
                }
                _ => bail!("a client's connection was closed"),
            }
            Ok(())
        })?;
        if length < buffer.len() {
            return Ok(messages);
        }
    }
}
