//! A client that stops reading costs itself only: first its messages are skipped, then it
//! is cut, and what the kernel holds for it counts.

use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::raw::frame;
use tidegate_tests::{Client, Raw, Record, Redis, Setup, Tidegate, millis, secs};

const BATCH: usize = 50;

/// Publishes in batches, each once the healthy have the one before: so they never wait.
struct Tide<'a> {
    redis: &'a Redis,
    healthy: Vec<Record>,
    sent: usize,
}

impl<'a> Tide<'a> {
    async fn new(redis: &'a Redis, tidegate: &Tidegate) -> Self {
        let mut healthy = Vec::new();
        for _ in 0..3 {
            healthy.push(tidegate.subscriber(["candles:*:*"]).await.record());
        }
        Self {
            redis,
            healthy,
            sent: 0,
        }
    }

    async fn rise(&mut self) {
        let channel = candle_channel(1, "BTC-USD", "1h");
        let batch = (self.sent..self.sent + BATCH).map(|n| (channel.clone(), candle(n)));
        self.redis.publish_all(batch).await;
        self.sent += BATCH;
        for record in &self.healthy {
            record.reaches(self.sent, secs(10)).await;
        }
    }

    /// Rises until `metric` moves; gives how many messages were sent by then.
    async fn until_moved(&mut self, tidegate: &Tidegate, metric: &str) -> usize {
        let started = Instant::now();
        while tidegate.metric(metric, &[]).await == 0.0 {
            assert!(
                started.elapsed() < secs(20),
                "{metric} stands still at {}",
                self.sent
            );
            self.rise().await;
        }
        self.sent
    }

    fn assert_nothing_lost(&self) {
        for record in &self.healthy {
            let numbers: Vec<_> = record.messages().iter().map(number_of).collect();
            assert_eq!(numbers, (0..self.sent).collect::<Vec<_>>());
            assert_eq!(record.close(), None);
        }
    }
}

async fn stalled(tidegate: &Tidegate) -> Client {
    let mut client = tidegate.connect().receive_buffer(4096).open().await;
    client.subscribe(["candles:*:*"]).await;
    client
}

fn impatient(redis: &Redis) -> Setup {
    Tidegate::on(redis).setting("cut-after", "2s")
}

#[tokio::test]
async fn a_stalled_client_is_skipped_then_cut_and_others_lose_nothing() {
    let redis = Redis::start().await;
    let tidegate = impatient(&redis).start().await;
    let mut client = stalled(&tidegate).await;
    let mut tide = Tide::new(&redis, &tidegate).await;
    tide.until_moved(&tidegate, "tidegate_skips_total").await;
    let skipped_at = Instant::now();
    assert_eq!(tidegate.metric("tidegate_cuts_total", &[]).await, 0.0);
    while tidegate.metric("tidegate_connections", &[]).await == 4.0 {
        assert!(skipped_at.elapsed() < secs(6), "not cut");
        tide.rise().await;
    }
    let patience = skipped_at.elapsed();
    assert!(
        (millis(1500)..secs(4)).contains(&patience),
        "cut after {patience:?}"
    );
    tidegate
        .metric_becomes("tidegate_connections", &[], 3.0)
        .await;
    tidegate
        .metric_becomes("tidegate_outbox_bytes", &[], 0.0)
        .await;
    let closed = [("reason", "slow_consumer")];
    let metrics = tidegate.metrics().await;
    assert_eq!(metrics.sum("tidegate_sessions_closed_total", &closed), 1.0);
    assert_eq!(metrics.sum("tidegate_cuts_total", &[]), 1.0);
    let (code, reason) = client.closed().await;
    assert!(
        matches!(
            (code, reason.as_str()),
            (1013, "slow consumer") | (1006, "")
        ),
        "{code} {reason}"
    );
    tide.rise().await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn what_the_kernel_took_for_a_stalled_client_counts() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("cut-after", "60s")
        .start()
        .await;
    let _client = stalled(&tidegate).await;
    let mut tide = Tide::new(&redis, &tidegate).await;
    let sent = tide.until_moved(&tidegate, "tidegate_skips_total").await;
    let size = tide.healthy[0].texts()[0].len();
    // 64 KiB of its own, 16 KiB unsent in the kernel, the client's window, a batch, and
    // what the loopback interface has on its way (one segment of 64 KiB).
    let bytes = sent * size;
    assert!(bytes < 256 * 1024, "first noticed after {bytes} bytes");
    assert!(bytes > 64 * 1024, "skipped after {bytes} bytes already");
}

#[tokio::test]
async fn a_client_that_comes_back_in_time_goes_on_and_lost_only_what_was_skipped() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("cut-after", "30s")
        .start()
        .await;
    let client = stalled(&tidegate).await;
    let mut tide = Tide::new(&redis, &tidegate).await;
    tide.until_moved(&tidegate, "tidegate_skips_total").await;
    tide.rise().await;
    let back = client.record();
    tidegate
        .metric_becomes("tidegate_outbox_bytes", &[], 0.0)
        .await;
    let skipped = tidegate.metric("tidegate_skips_total", &[]).await;
    for _ in 0..4 {
        tide.rise().await;
    }
    let last = tide.sent - 1;
    tidegate_tests::until("the last message", secs(10), async || {
        back.messages().last().map(number_of) == Some(last)
    })
    .await;
    assert_eq!(tidegate.metric("tidegate_skips_total", &[]).await, skipped);
    let numbers: Vec<_> = back.messages().iter().map(number_of).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order or twice");
    assert_eq!(numbers.len() + skipped as usize, tide.sent);
    assert_eq!(tidegate.metric("tidegate_cuts_total", &[]).await, 0.0);
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_client_that_only_sips_and_stays_behind_is_cut_too() {
    let redis = Redis::start().await;
    let tidegate = impatient(&redis).start().await;
    let how = tidegate.connect().receive_buffer(4096);
    let mut sipping = Raw::upgrade(&how, tidegate.key()).await;
    let request = br#"{"action":"subscribe","channels":["candles:*:*"]}"#;
    sipping.write(&frame(0x81, request)).await;
    let mut tide = Tide::new(&redis, &tidegate).await;
    tide.until_moved(&tidegate, "tidegate_skips_total").await;
    let behind = Instant::now();
    while tidegate.metric("tidegate_connections", &[]).await == 4.0 {
        assert!(
            behind.elapsed() < secs(10),
            "behind all the time, and not cut"
        );
        tide.rise().await;
        let _ = sipping.sip(1000).await;
    }
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_at_the_second_mark() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("client-message-rate", "100000")
        .setting("client-message-burst", "100000")
        .setting("cut-after", "60s")
        .start()
        .await;
    let mut client = tidegate.connect().receive_buffer(4096).open().await;
    let bad: Vec<_> = (0..20)
        .map(|n| format!("nothing:{n}:{}", "x".repeat(200)))
        .collect();
    let request = json!({"action": "subscribe", "channels": bad}).to_string();
    let asking = async { while client.try_send_text(&request).await.is_ok() {} };
    // The server stops reading or cuts; both end what it keeps for this client.
    let _ = tokio::time::timeout(secs(10), asking).await;
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
    tidegate
        .metric_becomes("tidegate_outbox_bytes", &[], 0.0)
        .await;
    assert!(tidegate.metric("tidegate_cuts_total", &[]).await >= 1.0);
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_costs_nothing() {
    let redis = Redis::start().await;
    let tidegate = impatient(&redis).start().await;
    let mut client = tidegate.subscriber(["signals:*:*"]).await;
    let mut tide = Tide::new(&redis, &tidegate).await;
    tide.rise().await;
    client.expect_nothing_before_pong().await;
    assert_eq!(
        tidegate.metric("tidegate_deliveries_total", &[]).await,
        (3 * BATCH) as f64
    );
    assert!(
        tide.healthy[0]
            .last_at()
            .is_some_and(|at| at.elapsed() < Duration::from_secs(30))
    );
}
