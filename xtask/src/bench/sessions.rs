//! Connecting the readers: plain TCP for the bare loop; for the host a WebSocket handshake and
//! a subscription written by hand, after which only bytes are read.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use crate::feed::{self, Markets};
use crate::host::Host;

const PATIENCE: Duration = Duration::from_secs(10);

/// Connections from one source address. The kernel has some 28,000 ports for each, and those
/// of the last run rest for a minute.
const PER_SOURCE: usize = 500;

/// `count` plain connections.
pub(crate) fn connect(count: usize, to: SocketAddr) -> Result<Vec<TcpStream>> {
    (0..count).map(|n| open(n, to)).collect()
}

/// `count` sessions of the host, spread over the markets, each subscribed to its own.
pub(crate) fn subscribe(count: usize, host: &Host, markets: Markets) -> Result<Vec<TcpStream>> {
    (0..count)
        .map(|n| {
            let mut socket = open(n, host.public)?;
            upgrade(&mut socket, &host.key).context("the upgrade")?;
            ask_for(&mut socket, &feed::public_channel(markets.of(n)))
                .context("the subscription")?;
            Ok(socket)
        })
        .collect()
}

fn open(n: usize, to: SocketAddr) -> Result<TcpStream> {
    let group = u8::try_from(n / PER_SOURCE % 100).expect("below a hundred");
    let source = Ipv4Addr::new(127, 0, 1, 1 + group);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&to.into())?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn upgrade(socket: &mut TcpStream, key: &str) -> Result<()> {
    let request = format!(
        "GET /public/v1/stream HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-API-Key: {key}\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(socket)?);
    }
    let head = String::from_utf8_lossy(&head);
    ensure!(head.starts_with("HTTP/1.1 101"), "refused: {head}");
    Ok(())
}

fn ask_for(socket: &mut TcpStream, channel: &str) -> Result<()> {
    let text = format!(r#"{{"action":"subscribe","channels":["{channel}"]}}"#);
    let length = u8::try_from(text.len()).context("a short request")?;
    ensure!(length < 126, "a request of one length byte");
    // A mask of zeros: clients must mask, and this one does so without work.
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend(text.into_bytes());
    socket.write_all(&frame)?;
    let header = [byte(socket)?, byte(socket)?];
    ensure!(header[0] == 0x81 && header[1] < 126, "an unusual answer");
    let mut answer = vec![0; header[1].into()];
    socket.read_exact(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.contains(r#""type":"subscribed""#), "{answer}");
    Ok(())
}

fn byte(socket: &mut TcpStream) -> Result<u8> {
    let mut byte = [0];
    socket.read_exact(&mut byte)?;
    Ok(byte[0])
}
