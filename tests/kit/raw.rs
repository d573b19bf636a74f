//! A TCP client that writes its own bytes: half-sent upgrades, hand-made frames, resets.

use std::time::Duration;

use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Connect, PATIENCE};
use crate::frames::decode;
use crate::http::UPGRADE;

/// The connection, and what was read beyond the last frame.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    waiting: Vec<u8>,
}

impl Raw {
    pub async fn connect(how: &Connect) -> Self {
        let stream = how.dial().await.expect("the listener accepts");
        Self {
            stream,
            waiting: Vec::new(),
        }
    }

    /// The text of a well-formed upgrade with this key.
    pub fn upgrade_text(key: &str) -> String {
        format!("GET /public/v1/stream?apiKey={key} HTTP/1.1\r\n{UPGRADE}\r\n")
    }

    /// Upgrades by hand and leaves the socket at its first frame.
    pub async fn upgrade(how: &Connect, key: &str) -> Self {
        let mut raw = Self::connect(how).await;
        raw.write(Self::upgrade_text(key).as_bytes()).await;
        raw.expect_upgrade().await;
        raw
    }

    /// Upgrades by hand and asks for a subscription, whose answer is the first frame.
    pub async fn subscriber(how: &Connect, key: &str, pattern: &str) -> Self {
        let mut raw = Self::upgrade(how, key).await;
        let request = json!({"action": "subscribe", "channels": [pattern]}).to_string();
        raw.write(&frame(0x81, request.as_bytes())).await;
        raw
    }

    /// Reads the answer to an upgrade that was sent.
    pub async fn expect_upgrade(&mut self) {
        let head = self.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "not an upgrade: {head}");
    }

    /// Reads an HTTP head.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.waiting.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.waiting.drain(..end + 4).collect();
                return String::from_utf8_lossy(&head).into_owned();
            }
            assert!(self.more().await > 0, "closed before the head's end");
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.expect("the server reads");
    }

    pub async fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Whether the server takes all of this in time. If not, some of it may be on the way.
    pub async fn write_within(&mut self, bytes: &[u8], within: Duration) -> bool {
        matches!(timeout(within, self.try_write(bytes)).await, Ok(Ok(())))
    }

    /// Reads at most so many bytes of a body, and throws them away.
    pub async fn body(&mut self, bytes: usize) -> usize {
        if self.waiting.is_empty() {
            assert!(self.more().await > 0, "closed before the body's end");
        }
        let length = bytes.min(self.waiting.len());
        self.waiting.drain(..length);
        length
    }

    /// Reads at most so many bytes, and throws them away.
    pub async fn sip(&mut self, bytes: usize) -> std::io::Result<usize> {
        let mut piece = vec![0; bytes];
        self.stream.read(&mut piece).await
    }

    async fn more(&mut self) -> usize {
        let mut piece = [0; 4096];
        let reading = timeout(PATIENCE, self.stream.read(&mut piece));
        let length = reading
            .await
            .expect("the server says something")
            .unwrap_or(0);
        self.waiting.extend_from_slice(&piece[..length]);
        length
    }

    /// Waits for the server to end the connection, by FIN or by RST, and says how long it
    /// took. What comes before the end is thrown away.
    pub async fn ended(&mut self, within: Duration) -> Duration {
        let started = std::time::Instant::now();
        let reading = async {
            let mut piece = [0; 4096];
            while let Ok(1..) = self.stream.read(&mut piece).await {}
        };
        timeout(within, reading)
            .await
            .unwrap_or_else(|_| panic!("still open after {within:?}"));
        started.elapsed()
    }

    /// The next frame: opcode and payload; nothing at the end.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((opcode, payload)) = decode(&self.waiting) {
                let frame: Vec<u8> = self.waiting.drain(..payload.end).collect();
                return Some((opcode, frame[payload.start..].to_vec()));
            }
            if self.more().await == 0 {
                return None;
            }
        }
    }

    /// The code and reason of the server's close frame; 1006 if there was none.
    pub async fn closed(&mut self) -> (u16, String) {
        while let Some((opcode, payload)) = self.frame().await {
            if opcode == 8 && payload.len() >= 2 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return (code, String::from_utf8_lossy(&payload[2..]).into_owned());
            }
        }
        (1006, String::new())
    }

    /// The connection alone, where nothing was read beyond what was asked for.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.waiting.is_empty(), "bytes would be lost");
        self.stream
    }

    /// Vanishes with a reset.
    pub fn reset(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// A client's frame. `first` is the whole first byte: FIN, reserved bits, opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = header(first, payload.len(), 0x80);
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// A frame without a mask, as no client may send one.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len(), 0);
    bytes.extend(payload);
    bytes
}

/// The header of a frame that announces `length` bytes.
pub fn header(first: u8, length: usize, mask_bit: u8) -> Vec<u8> {
    let mut bytes = vec![first];
    if let Ok(short @ 0..=125) = u8::try_from(length) {
        bytes.push(mask_bit | short);
    } else if let Ok(middle) = u16::try_from(length) {
        bytes.push(mask_bit | 126);
        bytes.extend(middle.to_be_bytes());
    } else {
        bytes.push(mask_bit | 127);
        bytes.extend((length as u64).to_be_bytes());
    }
    bytes
}
