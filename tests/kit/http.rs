//! One HTTP/1.1 request on a connection of its own, by hand, so that nothing is mended on
//! the way.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Response {
    /// Reads an answer that is complete.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// `GET path` with further headers.
pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Response {
    try_get(address, path, headers)
        .await
        .unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// The same where the server may be away.
pub async fn try_get(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    exchange(address, request.as_bytes()).await
}

/// One request with a body. Compiling what was sent may take a while.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Response> {
    let length = body.len();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let bytes = [request.as_bytes(), body].concat();
    exchange_within(address, &bytes, Duration::from_secs(300)).await
}

/// Sends `request` and reads one answer, by its length or to the end.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<Response> {
    exchange_within(address, request, Duration::from_secs(10)).await
}

async fn exchange_within(
    address: SocketAddr,
    request: &[u8],
    patience: Duration,
) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut bytes = Vec::new();
    let reading = async {
        while stream.read_buf(&mut bytes).await? > 0 {
            if is_complete(&bytes) {
                break;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    match timeout(patience, reading).await {
        Ok(Err(error)) if bytes.is_empty() => return Err(error),
        Ok(_) => {}
        Err(_) => return Err(std::io::ErrorKind::TimedOut.into()),
    }
    Response::parse(&bytes).ok_or_else(|| std::io::Error::other("not an HTTP answer"))
}

/// Whether the body is as long as the head announced.
fn is_complete(bytes: &[u8]) -> bool {
    let length = Response::parse(bytes).and_then(|response| {
        let announced: usize = response.header("content-length")?.parse().ok()?;
        let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        Some(bytes.len() >= head + 4 + announced)
    });
    length.unwrap_or(false)
}

/// The headers of a well-formed upgrade, without the first line.
pub const UPGRADE: &str = "Host: tidegate.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
