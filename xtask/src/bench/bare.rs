//! What the host is compared with: two loops that send the same bytes to as many connections,
//! and do nothing else. The bare one calls `send` once a message and socket, the coalescing one
//! once for all that waits for a socket. Each runs as a process of its own, as the host does,
//! and is told on its standard input what to send, as the host is told by Redis.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::child::Child;
use crate::feed::{self, Markets};

/// Starts this program as a loop; the baseline, connections and markets follow.
pub(crate) const WORD: &str = "loop";

/// How a loop sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Baseline {
    Bare,
    Coalescing,
}

impl Baseline {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Coalescing => "coalescing",
        }
    }
}

/// Starts a loop for so many connections, and says where it listens.
pub(crate) fn start(
    baseline: Baseline,
    sessions: usize,
    markets: Markets,
) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    let numbers = [sessions.to_string(), markets.0.to_string()];
    let mut child = Child::start(command.args([WORD, baseline.name()]).args(numbers))?;
    let address = child.line_after("listening ")?.parse()?;
    Ok((child, address))
}

/// The loop itself, until its input ends.
pub(crate) fn run(baseline: &str, sessions: usize, markets: Markets) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening {}", listener.local_addr()?);
    let mut sockets = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    if baseline == Baseline::Coalescing.name() {
        return coalesce(sockets, markets);
    }
    for line in std::io::stdin().lock().lines() {
        let frame = feed::frame(line?.parse()?, markets);
        for socket in &mut sockets {
            // One `send` with MSG_NOSIGNAL, and another only if the kernel took a part.
            socket.write_all(&frame)?;
        }
    }
    Ok(())
}

struct Socket {
    stream: TcpStream,
    /// How much of the log it has.
    position: usize,
    blocked: bool,
}

/// All that is to be sent stands in one log, and each socket somewhere in it.
fn coalesce(sockets: Vec<std::net::TcpStream>, markets: Markets) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut streams = Vec::with_capacity(sockets.len());
    for (n, socket) in sockets.into_iter().enumerate() {
        socket.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(socket);
        poll.registry()
            .register(&mut stream, Token(n), Interest::WRITABLE)?;
        streams.push(Socket {
            stream,
            position: 0,
            blocked: false,
        });
    }
    let mut input = std::io::stdin();
    rustix::io::ioctl_fionbio(&input, true)?;
    let own = Token(streams.len());
    poll.registry()
        .register(&mut SourceFd(&input.as_raw_fd()), own, Interest::READABLE)?;
    let (mut log, mut orders) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 64 << 10];
    let mut events = Events::with_capacity(1024);
    let mut unread = false;
    loop {
        // What comes while sockets are served waits until all of them have been.
        poll.poll(&mut events, unread.then_some(Duration::ZERO))?;
        for event in &events {
            match event.token() {
                token if token == own => unread = true,
                Token(socket) => streams[socket].blocked = false,
            }
        }
        if unread {
            match input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    orders.extend_from_slice(&buffer[..length]);
                    append(&mut orders, &mut log, markets)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => unread = false,
                Err(error) => return Err(error.into()),
            }
        }
        for socket in streams.iter_mut().filter(|socket| !socket.blocked) {
            flush(socket, &log)?;
        }
        if streams.iter().all(|socket| socket.position == log.len()) {
            log.clear();
            for socket in &mut streams {
                socket.position = 0;
            }
        }
    }
}

fn flush(socket: &mut Socket, log: &[u8]) -> Result<()> {
    while socket.position < log.len() {
        match socket.stream.write(&log[socket.position..]) {
            Ok(length) => socket.position += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.blocked = true;
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Puts the messages of whole lines into the log.
fn append(orders: &mut Vec<u8>, log: &mut Vec<u8>, markets: Markets) -> Result<()> {
    let Some(end) = orders.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(());
    };
    for line in std::str::from_utf8(&orders[..end])?.lines() {
        log.extend(feed::frame(line.parse()?, markets));
    }
    orders.drain(..=end);
    Ok(())
}
