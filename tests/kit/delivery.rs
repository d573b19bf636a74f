//! A publisher that knows which of its events Redis took, and an account of what came of them:
//! each once, in order, or told as missed. Events are candles with numbers that grow.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::payloads::{candle, candle_channel, number_of};
use crate::resp::{Resp, encode};
use crate::wait::{millis, until};

/// Publishes at a rate, each event once, at whichever of the ports takes it.
#[derive(Debug)]
pub struct Publisher {
    ending: Arc<AtomicBool>,
    /// How many numbers were taken.
    taken: Arc<AtomicU64>,
    servers: Arc<Mutex<Vec<ServerPlace>>>,
    sending: JoinHandle<Taken>,
}

/// A host and a port.
type ServerPlace = (String, u16);

/// The numbers that Redis took, in their order.
#[derive(Debug, Default, Clone)]
pub struct Taken(Vec<usize>);

impl Taken {
    /// The last of them.
    pub fn last(&self) -> Option<usize> {
        self.0.last().copied()
    }

    /// Whether it took some of these.
    pub fn has_of(&self, numbers: Range<usize>) -> bool {
        let next = self.0.partition_point(|number| *number < numbers.start);
        self.0.get(next).is_some_and(|number| *number < numbers.end)
    }
}

impl Publisher {
    /// At the first of these ports that takes it; another one where that fails.
    pub fn start(ports: &[u16], rate: u32) -> Self {
        Self::start_at(local(ports), rate)
    }

    /// The same at servers that may be on other machines.
    pub fn start_at(servers: Vec<ServerPlace>, rate: u32) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let taken = Arc::new(AtomicU64::new(0));
        let servers = Arc::new(Mutex::new(servers));
        let line = PublisherLine {
            ending: ending.clone(),
            taken: taken.clone(),
            servers: servers.clone(),
            next: 0,
            numbers: Taken::default(),
        };
        Self {
            ending,
            taken,
            servers,
            sending: tokio::spawn(line.run(rate)),
        }
    }

    /// Publishes at these from now on.
    pub fn lead_to(&self, ports: &[u16]) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = local(ports);
    }

    /// How many Redis has taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    pub async fn takes(&self, more: u64) {
        let goal = self.taken() + more;
        until("events that Redis takes", crate::secs(60), async || {
            self.taken() >= goal
        })
        .await;
    }

    /// Ends it, and says what was taken.
    pub async fn stop(self) -> Taken {
        self.ending.store(true, Ordering::SeqCst);
        self.sending.await.expect("the publisher does not fail")
    }
}

struct PublisherLine {
    ending: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    servers: Arc<Mutex<Vec<ServerPlace>>>,
    next: u64,
    numbers: Taken,
}

impl PublisherLine {
    async fn run(mut self, rate: u32) -> Taken {
        let started = Instant::now();
        let mut beat = tokio::time::interval(millis(5));
        let mut connection: Option<(ServerPlace, Resp)> = None;
        let mut failures = 0;
        while !self.ending.load(Ordering::SeqCst) {
            beat.tick().await;
            let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            if due <= self.next {
                continue;
            }
            let servers = self
                .servers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if connection
                .as_ref()
                .is_none_or(|(server, _)| !servers.contains(server))
            {
                // Redis keeps no order between what two nodes are sent: the first has to pass it on.
                if connection.take().is_some() {
                    tokio::time::sleep(millis(500)).await;
                }
                let (host, port) = servers[failures % servers.len()].clone();
                let connecting = Resp::connect_at(&host, port);
                connection = tokio::time::timeout(millis(500), connecting)
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .map(|resp| ((host, port), resp));
                failures += usize::from(connection.is_none());
            }
            let Some((_, resp)) = &mut connection else {
                continue;
            };
            let count = (due - self.next).min(200);
            if self.send(resp, count).await.is_none() {
                connection = None;
                failures += 1;
            }
        }
        self.numbers
    }

    /// What was sent and not answered may have been taken or not; it is not sent again.
    async fn send(&mut self, resp: &mut Resp, count: u64) -> Option<()> {
        let channel = channel();
        let mut bytes = Vec::new();
        let first = self.next;
        self.next += count;
        for number in first..self.next {
            let payload = candle(usize::try_from(number).expect("a small number"));
            bytes.extend(encode(&[
                b"PUBLISH",
                channel.as_bytes(),
                payload.as_bytes(),
            ]));
        }
        let patience = Duration::from_secs(1);
        tokio::time::timeout(patience, resp.send_raw(&bytes))
            .await
            .ok()?
            .ok()?;
        for number in first..self.next {
            let reply = tokio::time::timeout(patience, resp.reply())
                .await
                .ok()?
                .ok()?;
            if !matches!(reply, crate::resp::Reply::Integer(_)) {
                return None;
            }
            let number = usize::try_from(number).expect("a small number");
            self.numbers.0.push(number);
            self.taken.fetch_add(1, Ordering::SeqCst);
        }
        Some(())
    }
}

fn local(ports: &[u16]) -> Vec<ServerPlace> {
    let ports = ports.iter();
    ports.map(|port| ("127.0.0.1".to_owned(), *port)).collect()
}

fn channel() -> String {
    candle_channel(1, "BTC-USD", "1h")
}

/// What one client gets of a publisher's events.
#[derive(Debug)]
pub struct Account {
    inner: Arc<Mutex<Entries>>,
    reading: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Entries {
    last: Option<usize>,
    /// A gap was told since the last event.
    gap: bool,
    received: u64,
    missing: u64,
    gaps: u64,
    wrong: Vec<String>,
    /// Numbers that did not come, from the first to before the last, of which nothing was told.
    untold: Vec<(usize, usize)>,
}

/// The end of an account.
#[derive(Debug, Clone, Copy)]
pub struct DeliverySum {
    pub received: u64,
    /// Numbers that did not come, and were told as missed.
    pub missing: u64,
    pub gaps: u64,
}

impl Account {
    /// Of a client that has subscribed.
    pub fn of(mut client: Client) -> Self {
        let inner = Arc::new(Mutex::new(Entries::default()));
        let into = inner.clone();
        let reading = tokio::spawn(async move {
            loop {
                let text = client.text_within(crate::secs(600)).await;
                let message = text.expect("a message within ten minutes");
                let message: Value = serde_json::from_str(&message).expect("a message is JSON");
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .note(&message);
            }
        });
        Self { inner, reading }
    }

    fn look<T>(&self, at: impl FnOnce(&Entries) -> T) -> T {
        at(&self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last number that came.
    pub fn last(&self) -> Option<usize> {
        self.look(|entries| entries.last)
    }

    /// Waits until an event comes that is newer than all that came.
    pub async fn goes_on(&self, within: Duration) {
        let last = self.last();
        until("another event", within, async || self.last() > last).await;
    }

    /// Waits until the last number that was taken is there; fails where anything came twice, out of
    /// order, or is missing without a word.
    pub async fn is_even(self, taken: Taken, within: Duration) -> DeliverySum {
        let last = taken.last();
        until("the last event that Redis took", within, async || {
            self.last() >= last
        })
        .await;
        self.look(|entries| {
            assert!(entries.wrong.is_empty(), "{:#?}", entries.wrong);
            for (from, to) in &entries.untold {
                // What Redis did not answer may be there or not.
                let lost = taken.0.iter().find(|number| (from..to).contains(number));
                assert_eq!(lost, None, "of {from} to {to}, and nothing told");
            }
            DeliverySum {
                received: entries.received,
                missing: entries.missing,
                gaps: entries.gaps,
            }
        })
    }

    /// The same, and nothing is missing, so that there is nothing to tell.
    pub async fn is_whole(self, taken: &Taken, within: Duration) -> DeliverySum {
        let sum = self.is_even(taken.clone(), within).await;
        assert_eq!((sum.missing, sum.gaps), (0, 0), "{sum:?}");
        sum
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Entries {
    fn note(&mut self, message: &Value) {
        if message["type"] == "gap" {
            self.gaps += 1;
            self.gap = true;
            // Shown where the test fails.
            println!("after {:?}: {message}", self.last);
            if message["reason"] != "upstream" {
                self.wrong.push(format!("another loss: {message}"));
            }
            return;
        }
        if message.get("data").is_none() {
            return;
        }
        let number = number_of(message);
        let due = self.last.map_or(number, |last| last + 1);
        if number < due {
            let seq = &message["seq"];
            self.wrong
                .push(format!("{number} where {due} was due, with number {seq}"));
        } else if number > due {
            self.missing += u64::try_from(number - due).expect("a small number");
            if !self.gap {
                self.untold.push((due, number));
            }
        }
        self.gap = false;
        self.received += 1;
        self.last = Some(number.max(self.last.unwrap_or_default()));
    }
}
