//! A client that reads everything, all the time, and remembers it with the time it came.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::wait::until;

#[derive(Debug, Default)]
struct Heard {
    texts: Vec<(Instant, String)>,
    close: Option<(u16, String)>,
}

/// What such a client has heard; it leaves on drop.
#[derive(Debug)]
pub struct Record {
    heard: Arc<Mutex<Heard>>,
    reading: JoinHandle<()>,
}

impl Record {
    pub(crate) fn of(mut socket: WebSocketStream<TcpStream>) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let into = heard.clone();
        let reading = tokio::spawn(async move {
            loop {
                let frame = socket.next().await;
                let mut heard = into.lock().unwrap_or_else(PoisonError::into_inner);
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        heard.texts.push((Instant::now(), text.as_str().to_owned()));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        let (code, reason) = frame.map_or((1005, String::new()), |f| {
                            (f.code.into(), f.reason.as_str().to_owned())
                        });
                        heard.close = Some((code, reason));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => {
                        heard.close.get_or_insert((1006, String::new()));
                        return;
                    }
                }
            }
        });
        Self { heard, reading }
    }

    fn look<T>(&self, at: impl FnOnce(&Heard) -> T) -> T {
        at(&self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many messages there were.
    pub fn count(&self) -> usize {
        self.look(|heard| heard.texts.len())
    }

    /// All messages as text, in order.
    pub fn texts(&self) -> Vec<String> {
        self.look(|heard| heard.texts.iter().map(|(_, text)| text.clone()).collect())
    }

    /// All messages, in order.
    pub fn messages(&self) -> Vec<Value> {
        self.texts()
            .iter()
            .map(|text| {
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
            })
            .collect()
    }

    /// When the last message came.
    pub fn last_at(&self) -> Option<Instant> {
        self.look(|heard| heard.texts.last().map(|(at, _)| *at))
    }

    /// How the session ended, if it did.
    pub fn close(&self) -> Option<(u16, String)> {
        self.look(|heard| heard.close.clone())
    }

    /// Waits until so many messages are there.
    pub async fn reaches(&self, count: usize, within: Duration) {
        let what = format!("{count} messages");
        until(&what, within, async || self.count() >= count).await;
    }

    /// Waits for the end of the session.
    pub async fn closed(&self, within: Duration) -> (u16, String) {
        crate::wait::eventually("the end of the session", within, async || self.close()).await
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
