//! A real WebSocket client, as an API client would write one. Pings are answered while it
//! reads. Hand-made frames are for `raw`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::follow::Follower;
use crate::record::Record;

/// How long a client waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A way to show the key at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Query,
    ApiKeyHeader,
    Bearer,
    Subprotocol,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct Connect {
    to: SocketAddr,
    key: Option<String>,
    door: Door,
    headers: Vec<(String, String)>,
    source: Option<IpAddr>,
    receive_buffer: Option<usize>,
}

impl Connect {
    pub fn to(address: SocketAddr) -> Self {
        Self {
            to: address,
            key: None,
            door: Door::Query,
            headers: Vec::new(),
            source: None,
            receive_buffer: None,
        }
    }

    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The key that it will show.
    pub fn key_text(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    pub fn no_key(mut self) -> Self {
        self.key = None;
        self
    }

    pub fn by(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Connects from this address, such as 127.0.0.2.
    pub fn from(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Asks the kernel for a small window, so that a client that stops reading is noticed.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Connects; an HTTP refusal is an error.
    pub async fn try_open(&self) -> Result<(Client, Response), Error> {
        let path = "/public/v1/stream";
        let mut url = format!("ws://{}{path}", self.to);
        let mut headers = self.headers.clone();
        if let Some(key) = &self.key {
            match self.door {
                Door::Query => url.push_str(&format!("?apiKey={key}")),
                Door::ApiKeyHeader => headers.push(("X-API-Key".into(), key.clone())),
                Door::Bearer => headers.push(("Authorization".into(), format!("Bearer {key}"))),
                Door::Subprotocol => headers.push((
                    "Sec-WebSocket-Protocol".into(),
                    format!("tidegate, key.{key}"),
                )),
            }
        }
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            let name =
                tokio_tungstenite::tungstenite::http::HeaderName::from_bytes(name.as_bytes())
                    .expect("a header's name");
            let value = HeaderValue::from_str(&value).expect("a header's value");
            request.headers_mut().insert(name, value);
        }
        let stream = self.dial().await.map_err(Error::Io)?;
        let (socket, response) = timeout(PATIENCE, client_async(request, stream))
            .await
            .map_err(|_| Error::Io(std::io::ErrorKind::TimedOut.into()))??;
        Ok((Client { socket }, response))
    }

    /// Connects, or fails the test.
    pub async fn open(&self) -> Client {
        let (client, _) = self
            .try_open()
            .await
            .unwrap_or_else(|error| panic!("connecting to {}: {error}", self.to));
        client
    }

    /// The status of the refusal by HTTP.
    pub async fn refused(&self) -> u16 {
        match self.try_open().await {
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("an HTTP refusal was expected, not {error}"),
            Ok(_) => panic!("an HTTP refusal was expected, not an upgrade"),
        }
    }

    /// The plain connection underneath.
    pub async fn dial(&self) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        TcpSocket::from_std_stream(socket.into())
            .connect(self.to)
            .await
    }
}

/// Fails unless this confirms exactly these channels, with the last number of each plain one.
pub fn expect_subscribed(answer: &Value, channels: &[&str]) {
    assert_eq!(answer["type"], "subscribed", "{answer}");
    assert_eq!(answer["channels"], json!(channels), "{answer}");
    let epoch = answer["epoch"].as_str().unwrap_or_default();
    assert_eq!(epoch.len(), 16, "{answer}");
    let plain: BTreeSet<_> = channels.iter().filter(|name| !name.contains('*')).collect();
    let numbered = answer["seq"].as_object();
    let numbered = numbered.unwrap_or_else(|| panic!("no seq in {answer}"));
    assert_eq!(numbered.len(), plain.len(), "{answer}");
    for name in plain {
        assert!(numbered.get(*name).is_some_and(Value::is_u64), "{answer}");
    }
}

/// A client that is connected.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send_frame(Message::text(text)).await;
    }

    pub async fn send_frame(&mut self, message: Message) {
        self.socket
            .send(message)
            .await
            .expect("the session is open");
    }

    /// Sends where the session may be over.
    pub async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// The same for a text.
    pub async fn try_send_text(&mut self, text: &str) -> Result<(), Error> {
        self.try_send(Message::text(text)).await
    }

    /// Subscribes and waits for the confirmation of exactly these channels.
    pub async fn subscribe<const N: usize>(&mut self, channels: [&str; N]) -> Value {
        self.send(json!({"action": "subscribe", "channels": &channels[..]}))
            .await;
        let answer = self.next_json().await;
        expect_subscribed(&answer, &channels);
        answer
    }

    /// The next frame of any kind, or nothing within `within`.
    pub async fn frame(&mut self, within: Duration) -> Option<Result<Message, Error>> {
        timeout(within, self.socket.next())
            .await
            .ok()
            .map(|frame| frame.unwrap_or(Err(Error::ConnectionClosed)))
    }

    /// The next text frame, whatever is in it.
    pub async fn next_text(&mut self) -> String {
        let text = self.text_within(PATIENCE).await;
        text.expect("a message was expected")
    }

    /// The same where it may be that nothing comes.
    pub async fn text_within(&mut self, within: Duration) -> Option<String> {
        loop {
            match self.frame(within).await? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                message => panic!("a message was expected, not {message:?}"),
            }
        }
    }

    pub async fn next_json(&mut self) -> Value {
        let text = self.next_text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next message with data. That others were lost may be told before.
    pub async fn next_data(&mut self) -> Value {
        loop {
            let message = self.next_json().await;
            if message["type"] != "gap" {
                assert!(message["data"].is_object(), "{message}");
                return message;
            }
        }
    }

    /// The next message, which is an error of this code with a text for people.
    pub async fn expect_error(&mut self, code: &str) -> Value {
        let error = self.next_json().await;
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code)),
            "{error}"
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{error}"
        );
        error
    }

    /// All come at once; gives those who are let in. The others have to get this code and reason.
    pub async fn let_in_at_once(
        knocking: impl IntoIterator<Item = Connect>,
        refusal: (u16, &str),
    ) -> Vec<Self> {
        let knocking: Vec<_> = knocking
            .into_iter()
            .map(|connect| tokio::spawn(async move { connect.open().await.let_in().await }))
            .collect();
        let mut inside = Vec::new();
        for answer in knocking {
            match answer.await.expect("no task panics") {
                Ok(client) => inside.push(client),
                Err((code, reason)) => assert_eq!((code, reason.as_str()), refusal),
            }
        }
        inside
    }

    /// Whether the door stays open: an answer to a ping, or the close instead of it.
    pub async fn let_in(mut self) -> Result<Self, (u16, String)> {
        let _ = self.try_send_text(r#"{"action":"ping"}"#).await;
        match self.frame(PATIENCE).await {
            Some(Ok(Message::Text(_))) => Ok(self),
            Some(Ok(Message::Close(Some(frame)))) => {
                Err((frame.code.into(), frame.reason.as_str().to_owned()))
            }
            message => panic!("a pong or a close was expected, not {message:?}"),
        }
    }

    /// Sends and waits for the answer.
    pub async fn ask(&mut self, message: Value) -> Value {
        self.send(message).await;
        self.next_json().await
    }

    /// Shows that the session goes on and nothing else was waiting: a ping, its pong.
    pub async fn expect_nothing_before_pong(&mut self) {
        assert_eq!(
            self.ask(json!({"action": "ping"})).await,
            json!({"type": "pong"})
        );
    }

    /// The same where it may be told that events were lost.
    pub async fn expect_no_data_before_pong(&mut self) {
        self.send(json!({"action": "ping"})).await;
        loop {
            let message = self.next_json().await;
            match message["type"].as_str() {
                Some("pong") => return,
                Some("gap") => {}
                _ => panic!("a pong was expected, not {message}"),
            }
        }
    }

    /// Waits for the server to close; anything before that is passed over.
    pub async fn closed(&mut self) -> (u16, String) {
        self.closed_within(PATIENCE).await
    }

    pub async fn closed_within(&mut self, within: Duration) -> (u16, String) {
        let reading = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => {
                        break (frame.code.into(), frame.reason.as_str().to_owned());
                    }
                    Some(Ok(Message::Close(None))) => break (1005, String::new()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break (1006, String::new()),
                }
            }
        };
        timeout(within, reading)
            .await
            .unwrap_or_else(|_| panic!("no close within {within:?}"))
    }

    /// Fails unless the server closes with this code and reason.
    pub async fn expect_close(&mut self, code: u16, reason: &str) {
        assert_eq!(self.closed().await, (code, reason.to_owned()));
    }

    /// Leaves as one should: a close frame, and the other's.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
        let _ = timeout(PATIENCE, async {
            while let Some(Ok(_)) = self.socket.next().await {}
        })
        .await;
    }

    /// Leaves with a TCP reset, as a vanished process does.
    pub fn reset(self) {
        let stream = self.socket.into_inner();
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        drop(stream);
    }

    /// Reads everything from now on in a task of its own.
    pub fn record(self) -> Record {
        Record::of(self.socket)
    }

    /// Holds every tick from now on against what was sent.
    pub fn follow(self) -> Follower {
        Follower::of(self.socket)
    }
}
