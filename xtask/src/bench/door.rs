//! Connecting clients: plain TCP to a loop; to the host a WebSocket handshake and a
//! subscription written by hand, after which only bytes are read.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

use crate::feed;
use crate::frames::{self, Inbox};

const PATIENCE: Duration = Duration::from_secs(20);

/// Connections from one source address. The kernel has some 28,000 ports for each, and those
/// of the last run rest for a minute.
const PER_SOURCE: usize = 500;

/// Patterns in one request, as the host allows by default.
const PER_REQUEST: usize = 20;

/// Where clients come in.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// None where there is only a loop, which asks for nothing.
    pub(crate) key: Option<String>,
}

/// A client that is connected, and what came after the answer to its last request.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) inbox: Inbox,
}

impl Door {
    /// The client with this number, subscribed.
    pub(crate) fn enter(&self, number: usize, patterns: &[String]) -> Result<Client> {
        self.enter_with(number, patterns, None)
    }

    /// The same with a receive buffer of so many bytes.
    pub(crate) fn enter_with(
        &self,
        number: usize,
        patterns: &[String],
        buffer: Option<usize>,
    ) -> Result<Client> {
        let mut client = Client {
            socket: connect(number, self.address, buffer)?,
            inbox: Inbox::default(),
        };
        if let Some(key) = &self.key {
            client.upgrade(key).context("the upgrade")?;
            for patterns in patterns.chunks(PER_REQUEST) {
                client
                    .request("subscribe", patterns)
                    .context("the subscription")?;
            }
        }
        Ok(client)
    }
}

fn connect(number: usize, to: SocketAddr, buffer: Option<usize>) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    if to.ip().is_loopback() {
        let group = u8::try_from(number / PER_SOURCE % 200).expect("below two hundred");
        let source = Ipv4Addr::new(127, 0, 1, 1 + group);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(&to.into())?;
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

impl Client {
    fn upgrade(&mut self, key: &str) -> Result<()> {
        let request = format!(
            "GET /public/v1/stream HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-API-Key: {key}\r\n\r\n"
        );
        self.socket.write_all(request.as_bytes())?;
        // Nothing follows the head before something is asked for.
        let mut head = Vec::new();
        let mut buffer = [0; 1024];
        while !head.ends_with(b"\r\n\r\n") {
            let length = self.socket.read(&mut buffer)?;
            ensure!(length > 0, "closed: {}", String::from_utf8_lossy(&head));
            head.extend_from_slice(&buffer[..length]);
            ensure!(head.len() < 64 << 10, "a head without an end");
        }
        let head = String::from_utf8_lossy(&head);
        ensure!(head.starts_with("HTTP/1.1 101"), "refused: {head}");
        Ok(())
    }

    /// Sends a request and waits for its answer. Messages that come before the answer, or in
    /// one packet with it, are not kept: nothing is published yet, or nobody counts.
    pub(crate) fn request(&mut self, action: &str, patterns: &[String]) -> Result<()> {
        let text = json!({"action": action, "channels": patterns}).to_string();
        let request = frames::masked(frames::TEXT, text.as_bytes());
        self.socket.write_all(&request)?;
        let wanted = format!(r#"{{"type":"{action}d""#);
        let mut buffer = vec![0; 64 << 10];
        let mut answered = false;
        while !answered {
            let length = self.socket.read(&mut buffer)?;
            ensure!(length > 0, "the connection was closed");
            self.inbox.take(&buffer[..length], |frame| {
                answered |= frame.payload.starts_with(wanted.as_bytes());
                let message = feed::read_frame(frame)?;
                ensure!(message.is_some(), "the connection was closed");
                Ok(())
            })?;
        }
        Ok(())
    }
}
