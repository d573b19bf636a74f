//! A client that comes again at the next host when one says goodbye, and an account of each of its
//! connections: whole, in order, each event once, or told as missed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Connect};
use crate::payloads::number_of;
use crate::wait::{millis, secs};

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    pub first: Option<usize>,
    pub last: Option<usize>,
    /// The code of the goodbye; none while it stands.
    pub end: Option<u16>,
    gap: bool,
    pub wrong: Vec<String>,
}

/// The client, until it is dropped.
#[derive(Debug)]
pub struct Roamer {
    visits: Arc<Mutex<Vec<Visit>>>,
    ending: Arc<AtomicBool>,
    roaming: JoinHandle<()>,
}

impl Roamer {
    /// One that begins at the door `first`, and subscribes to this channel everywhere.
    pub fn start(doors: Vec<Connect>, first: usize, channel: &'static str) -> Self {
        let visits: Arc<Mutex<Vec<Visit>>> = Arc::default();
        let ending = Arc::new(AtomicBool::new(false));
        let (into, ends) = (visits.clone(), ending.clone());
        let roaming = tokio::spawn(async move {
            let mut door = first;
            while !ends.load(Ordering::SeqCst) {
                match doors[door % doors.len()].try_open().await {
                    Ok((client, _)) => visit(client, channel, &into).await,
                    Err(_) => tokio::time::sleep(millis(50)).await,
                }
                door += 1;
            }
        });
        Self {
            visits,
            ending,
            roaming,
        }
    }

    pub fn visits(&self) -> Vec<Visit> {
        self.visits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The highest number that came over any connection.
    pub fn last(&self) -> Option<usize> {
        self.visits().iter().filter_map(|visit| visit.last).max()
    }
}

impl Drop for Roamer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        self.roaming.abort();
    }
}

async fn visit(mut client: Client, channel: &'static str, visits: &Mutex<Vec<Visit>>) {
    let note = |change: &dyn Fn(&mut Visit)| {
        let mut visits = visits.lock().unwrap_or_else(PoisonError::into_inner);
        change(visits.last_mut().expect("it began"));
    };
    visits
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Visit::default());
    let subscribe = serde_json::json!({"action": "subscribe", "channels": [channel]});
    if client.try_send_text(&subscribe.to_string()).await.is_err() {
        return note(&|visit| visit.end = Some(1006));
    }
    loop {
        match client.frame(secs(60)).await {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).expect("a message is JSON");
                note(&|visit| visit.note(&message));
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                return note(&|visit| visit.end = Some(code));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return note(&|visit| visit.end = Some(1006)),
        }
    }
}

impl Visit {
    fn note(&mut self, message: &Value) {
        if message["type"] == "gap" {
            self.gap = true;
            return;
        }
        if message.get("data").is_none() {
            return;
        }
        let number = number_of(message);
        match self.last.map(|last| last + 1) {
            Some(due) if number < due => self.wrong.push(format!("{number} where {due} was due")),
            Some(due) if number > due && !self.gap => {
                self.wrong
                    .push(format!("{due} to {number} are missing, and nothing told"));
            }
            _ => {}
        }
        self.gap = false;
        self.first.get_or_insert(number);
        self.last = Some(number);
    }
}
