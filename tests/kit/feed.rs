//! A steady stream of upstream ticks: so many a second, numbered for each symbol from zero.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::guest::FEED;
use crate::redis::Redis;
use crate::resp::{Resp, encode};

/// How often a batch is sent.
const BEAT: Duration = Duration::from_millis(5);

/// A feed that runs until it is stopped.
#[derive(Debug)]
pub struct Feed {
    ending: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    sending: JoinHandle<BTreeMap<String, u64>>,
}

impl Feed {
    /// So many events a second on the ticks of these symbols, in turn.
    pub async fn start(redis: &Redis, symbols: &[&str], rate: u32) -> Self {
        Self::on(redis, FEED, symbols, rate).await
    }

    /// The same on upstream channels that begin otherwise.
    pub async fn on(redis: &Redis, begin: &str, symbols: &[&str], rate: u32) -> Self {
        let connection = Resp::connect(redis.port())
            .await
            .expect("redis-server listens");
        let ending = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let channels = symbols.iter().map(|symbol| {
            let channel = format!("{begin}{symbol}").into_bytes();
            ((*symbol).to_owned(), channel, 0)
        });
        let line = Line {
            connection,
            channels: channels.collect(),
            next: 0,
        };
        let sending = tokio::spawn(line.send_until(ending.clone(), sent.clone(), rate));
        Self {
            ending,
            sent,
            sending,
        }
    }

    /// How many events were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many more are sent.
    pub async fn sends(&self, more: u64) {
        let goal = self.sent() + more;
        crate::wait::until("events to be sent", crate::secs(60), async || {
            self.sent() >= goal
        })
        .await;
    }

    /// Ends it, and says how many events each symbol had.
    pub async fn stop(self) -> BTreeMap<String, u64> {
        self.ending.store(true, Ordering::Relaxed);
        self.sending.await.expect("the feed does not fail")
    }
}

struct Line {
    connection: Resp,
    /// Symbol, upstream channel, the next number.
    channels: Vec<(String, Vec<u8>, u64)>,
    next: usize,
}

impl Line {
    async fn send_until(
        mut self,
        ending: Arc<AtomicBool>,
        sent: Arc<AtomicU64>,
        rate: u32,
    ) -> BTreeMap<String, u64> {
        let started = Instant::now();
        let mut beat = tokio::time::interval(BEAT);
        while !ending.load(Ordering::Relaxed) {
            beat.tick().await;
            let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            // After a stall the feed catches up in pieces, as a bus would.
            let count = due.saturating_sub(sent.load(Ordering::Relaxed)).min(500);
            self.send(count).await;
            sent.fetch_add(count, Ordering::Relaxed);
        }
        let counts = self.channels.into_iter();
        counts.map(|(symbol, _, count)| (symbol, count)).collect()
    }

    async fn send(&mut self, count: u64) {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let place = self.next % self.channels.len();
            let (_, channel, number) = &mut self.channels[place];
            let payload = format!(r#"{{"n":{number}}}"#);
            bytes.extend(encode(&[b"PUBLISH", channel, payload.as_bytes()]));
            *number += 1;
            self.next += 1;
        }
        self.connection
            .send_raw(&bytes)
            .await
            .expect("redis-server reads");
        for _ in 0..count {
            self.connection.reply().await.expect("redis-server answers");
        }
    }
}
