//! A client that comes again at the next host when one says goodbye, and an account of each of its
//! connections: whole, in order, each event once, or told as missed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Connect};
use crate::delivery::Taken;
use crate::payloads::number_of;
use crate::wait::{millis, secs};

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    pub first: Option<usize>,
    pub last: Option<usize>,
    /// The code of the goodbye; none while it stands.
    pub end: Option<u16>,
    /// What the answer to the subscription called the epoch.
    pub epoch: Option<String>,
    /// Of each event, the channel's number that it came with, and its own.
    pub numbers: Vec<(u64, usize)>,
    /// How often a gap was told, and how many events did not come between two that did.
    pub gaps: usize,
    pub missing: usize,
    gap: bool,
    wrong: Vec<String>,
    holes: Vec<Hole>,
}

/// Events that did not come, and of which nothing was told before those that followed.
#[derive(Debug, Clone)]
struct Hole {
    from: usize,
    to: usize,
    seen: Instant,
    /// How long after that a gap was told.
    told_after: Option<Duration>,
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
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.iter().filter_map(|visit| visit.last).max()
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
            self.gaps += 1;
            for hole in &mut self.holes {
                hole.told_after.get_or_insert(hole.seen.elapsed());
            }
            return;
        }
        if message["type"] == "subscribed" {
            self.epoch = message["epoch"].as_str().map(str::to_owned);
        }
        if message.get("data").is_none() {
            return;
        }
        let number = number_of(message);
        let seq = message["seq"].as_u64().expect("a number of the channel");
        if self.numbers.last().is_some_and(|(last, _)| *last >= seq) {
            self.wrong.push(format!("{number} has the number {seq}"));
        }
        let due = self.last.map(|last| last + 1);
        self.missing += number.saturating_sub(due.unwrap_or(number));
        match due {
            Some(due) if number < due => self.wrong.push(format!("{number} where {due} was due")),
            Some(due) if number > due && !self.gap => self.holes.push(Hole {
                from: due,
                to: number,
                seen: Instant::now(),
                told_after: None,
            }),
            _ => {}
        }
        self.gap = false;
        self.first.get_or_insert(number);
        self.last = Some(number);
        self.numbers.push((seq, number));
    }

    /// What came twice or out of its order, and what Redis took and is missing with no gap before what
    /// followed, nor within `late` after that.
    pub fn faults(&self, taken: &Taken, late: Duration) -> Vec<String> {
        let is_told = |hole: &Hole| hole.told_after.is_some_and(|after| after <= late);
        let holes = self.holes.iter();
        let untold = holes.filter(|hole| taken.has_of(hole.from..hole.to) && !is_told(hole));
        let untold = untold.map(|hole| {
            let Hole { from, to, .. } = hole;
            let (ago, after) = (hole.seen.elapsed(), hole.told_after);
            format!("{from} to {to} are missing since {ago:?}, and a gap came {after:?} after that")
        });
        self.wrong.iter().cloned().chain(untold).collect()
    }
}
