//! A client that takes nothing costs itself only: while something waits for it and not one
//! byte is taken for `stall-limit`, it is cut with 1013, after whole messages. Memory stays
//! within `log-size`, however many stall. What it is told when it reads again in time is in
//! `goodbye`.

use std::time::Instant;

use serde_json::json;
use tidegate_tests::raw::frame;
use tidegate_tests::tape::ALL;
use tidegate_tests::tide::Reader;
use tidegate_tests::{Raw, Setup, Tape, Tide, millis, secs};
use tokio::time::sleep;

const SLOW: (u16, &str) = (1013, "slow consumer");

fn stall_limit(limit: &'static str) -> impl FnOnce(Setup) -> Setup {
    move |setup| setup.setting("stall-limit", limit)
}

/// Waits until so many sessions are left.
async fn left(tide: &mut Tide, count: f64) {
    let started = Instant::now();
    while tide.tidegate.metric("tidegate_connections", &[]).await != count {
        assert!(started.elapsed() < secs(20), "not cut");
        tide.rise_everywhere(1).await;
    }
}

async fn assert_cut(reader: &mut Reader) {
    let (code, reason) = reader.close().await;
    assert_eq!((code, reason.as_str()), SLOW);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_after_the_limit_and_others_lose_nothing() {
    let mut tide = Tide::on(Tape::of(2), stall_limit("2s")).await;
    let mut reader = tide.reader([ALL]).await;
    let started = Instant::now();
    // More than the kernel takes: from now on something waits.
    tide.rise_everywhere(250).await;
    let waits = Instant::now();
    left(&mut tide, 1.0).await;
    let (most, least) = (started.elapsed(), waits.elapsed());
    assert!(most > millis(1900), "cut after {most:?} already");
    assert!(least < secs(4), "cut after {least:?} only");
    let closed = [("reason", "slow_consumer")];
    let metrics = tide.tidegate.metrics().await;
    assert_eq!(metrics.sum("tidegate_sessions_closed_total", &closed), 1.0);
    assert_eq!(metrics.sum("tidegate_cuts_total", &[]), 1.0);
    let cut = [("family", "ticks"), ("why", "cut")];
    assert!(metrics.sum("tidegate_family_missed_total", &cut) > 1000.0);
    assert_cut(&mut reader).await;
    assert!(reader.messages > 0 && reader.gaps.is_empty());
    tide.tidegate
        .metric_becomes("tidegate_log_bytes", &[], 0.0)
        .await;
    tide.rise_everywhere(5).await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_client_that_reads_nothing_while_nothing_waits_is_not_cut() {
    let mut tide = Tide::on(Tape::of(2), stall_limit("500ms")).await;
    let mut reader = tide.reader([ALL]).await;
    // The kernel takes these few.
    tide.rise_everywhere(2).await;
    sleep(secs(3)).await;
    reader.catch_up().await;
    assert_eq!(tide.tidegate.metric("tidegate_cuts_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_client_that_reads_on_before_the_limit_is_not_cut() {
    let mut tide = Tide::on(Tape::of(2), stall_limit("2s")).await;
    let mut reader = tide.reader([ALL]).await;
    for _ in 0..3 {
        tide.rise_everywhere(300).await;
        sleep(millis(1000)).await;
        reader.catch_up().await;
    }
    assert_eq!(reader.ledger.sum().received, 8 * 900);
    assert_eq!(tide.tidegate.metric("tidegate_cuts_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_client_that_only_sips_is_behind_all_the_time_and_never_cut() {
    let mut tide = Tide::on(Tape::of(2), stall_limit("2s")).await;
    let connect = tide.tidegate.connect().receive_buffer(4096);
    let mut sipping = Raw::subscriber(&connect, tide.tidegate.key(), ALL).await;
    tide.tidegate
        .metric_becomes("tidegate_subscriptions", &[], 2.0)
        .await;
    tide.rise_everywhere(500).await;
    let started = Instant::now();
    let mut sipped = 0;
    while started.elapsed() < secs(8) {
        sipped += sipping.sip(1500).await.expect("not cut");
        sleep(millis(50)).await;
    }
    let metrics = tide.tidegate.metrics().await;
    assert_eq!(metrics.sum("tidegate_connections", &[]), 2.0);
    assert_eq!(metrics.sum("tidegate_sessions_behind", &[]), 1.0);
    assert_eq!(metrics.sum("tidegate_cuts_total", &[]), 0.0);
    assert!(sipped < 4000 * 200, "it was to be behind: {sipped} bytes");
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_hundred_that_stall_share_one_log_and_its_bound() {
    const LOG: u64 = 4 << 20;
    let bounds = |setup: Setup| {
        setup
            .setting("log-size", "4MiB")
            .setting("stall-limit", "1h")
            .setting("lag-limit", "1h")
            .setting("heartbeat-interval", "1h")
    };
    let mut tide = Tide::on(Tape::of(2).heavy(), bounds).await;
    let mut stalled = Vec::new();
    for _ in 0..100 {
        stalled.push(tide.reader([ALL]).await);
    }
    let before = tide.tidegate.process.resident_bytes();
    let mut most = 0.0_f64;
    for _ in 0..12 {
        // A MiB or a little more.
        tide.rise_everywhere(75).await;
        let bytes = tide.tidegate.metric("tidegate_log_bytes", &[]).await;
        most = most.max(bytes);
    }
    assert!(most > 0.5 * LOG as f64, "{most} bytes: nobody was behind");
    assert!(most <= LOG as f64, "{most} bytes in the log");
    let grown = tide.tidegate.process.resident_bytes();
    let grown = grown.saturating_sub(before);
    assert!(grown < 24 << 20, "{} MiB more memory", grown >> 20);
    for reader in &mut stalled {
        reader.catch_up().await;
        assert_eq!(reader.gaps.len(), 8);
    }
    let last = "tidegate_log_bytes";
    tide.tidegate.metric_becomes(last, &[], 0.0).await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_costs_nothing() {
    let mut tide = Tide::on(Tape::of(2), |setup| setup).await;
    let mut uninvolved = tide.tidegate.subscriber(["ticks:AAA:north"]).await;
    tide.rise(&vec![1; 200]).await;
    uninvolved.expect_nothing_before_pong().await;
    let deliveries = tide.tidegate.metric("tidegate_deliveries_total", &[]);
    assert_eq!(deliveries.await, 200.0);
}

/// A ping that has its number in it.
fn ping(number: u64) -> Vec<u8> {
    frame(0x89, &[&number.to_be_bytes(), &[0; 92][..]].concat())
}

/// A request that is answered with twenty errors.
fn wrong_request(number: u64) -> Vec<u8> {
    let channels: Vec<_> = (0..20).map(|part| format!("x:{number}:{part}")).collect();
    let request = json!({"action": "subscribe", "channels": channels});
    frame(0x81, request.to_string().as_bytes())
}

/// Sends these without a look at the answers, until the host reads no more of them; how many
/// were taken whole.
async fn floods(client: &mut Raw, message: fn(u64) -> Vec<u8>) -> u64 {
    let mut sent = 0;
    loop {
        let batch: Vec<_> = (sent..sent + 20).flat_map(message).collect();
        if !client.write_within(&batch, secs(1)).await {
            return sent;
        }
        sent += 20;
        assert!(sent < 500_000, "the host reads on and on");
    }
}

#[tokio::test]
async fn a_client_that_floods_pings_is_not_read_from_until_it_reads_and_has_every_pong() {
    let bounds = |setup: Setup| setup.setting("stall-limit", "1h");
    let mut tide = Tide::on(Tape::of(2), bounds).await;
    let connect = tide.tidegate.connect().receive_buffer(4096);
    let mut flooding = Raw::upgrade(&connect, tide.tidegate.key()).await;
    let sent = floods(&mut flooding, ping).await;
    let replies = tide.tidegate.metric("tidegate_reply_bytes", &[]).await;
    assert!((1.0..256.0 * 1024.0).contains(&replies), "{replies} bytes");
    let started = Instant::now();
    let mut uninvolved = tide.tidegate.client().await;
    uninvolved.expect_nothing_before_pong().await;
    assert!(started.elapsed() < secs(1), "{:?}", started.elapsed());
    tide.rise_everywhere(10).await;
    for number in 0..sent {
        let (opcode, payload) = flooding.frame().await.expect("no end");
        let pong = u64::from_be_bytes(payload[..8].try_into().expect("eight bytes"));
        assert_eq!((opcode, pong), (10, number));
    }
    tide.tidegate
        .metric_becomes("tidegate_reply_bytes", &[], 0.0)
        .await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_after_the_limit() {
    for message in [ping, wrong_request] {
        let mut tide = Tide::on(Tape::of(2), stall_limit("1s")).await;
        let connect = tide.tidegate.connect().receive_buffer(4096);
        let mut flooding = Raw::upgrade(&connect, tide.tidegate.key()).await;
        floods(&mut flooding, message).await;
        left(&mut tide, 1.0).await;
        assert_eq!(tide.tidegate.metric("tidegate_cuts_total", &[]).await, 1.0);
        tide.tidegate
            .metric_becomes("tidegate_reply_bytes", &[], 0.0)
            .await;
        tide.assert_nothing_lost();
    }
}
