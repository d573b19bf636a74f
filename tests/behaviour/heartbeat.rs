//! The server's pings: they come, and who gives no sign of life from one to the next is cut.
//! Any byte is a sign, in either direction: a pong may have to wait. A client's own ping is
//! answered before what waits for it.

use std::time::{Duration, Instant};

use tidegate_tests::raw::frame;
use tidegate_tests::tape::ALL;
use tidegate_tests::{Raw, Redis, Setup, Tape, Tide, Tidegate, millis, secs};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

async fn fast() -> (Redis, Tidegate) {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("heartbeat-interval", "300ms")
        .start()
        .await;
    (redis, tidegate)
}

#[tokio::test]
async fn a_ping_comes_each_interval() {
    let (_redis, tidegate) = fast().await;
    let mut client = tidegate.client().await;
    let started = Instant::now();
    for _ in 0..5 {
        let frame = client.frame(secs(2)).await;
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    }
    let took = started.elapsed();
    assert!(
        (millis(1100)..millis(2500)).contains(&took),
        "five pings in {took:?}"
    );
}

#[tokio::test]
async fn a_peer_that_never_answers_is_cut_at_the_second_beat() {
    let (_redis, tidegate) = fast().await;
    let mut raw = Raw::upgrade(&tidegate.connect(), tidegate.key()).await;
    let took = raw.ended(secs(3)).await;
    assert!((millis(280)..millis(1000)).contains(&took), "{took:?}");
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
}

#[tokio::test]
async fn a_peer_that_sends_is_alive_though_it_answers_no_ping() {
    let (_redis, tidegate) = fast().await;
    let mut raw = Raw::upgrade(&tidegate.connect(), tidegate.key()).await;
    // Whole messages, a message in pieces, and pongs that nobody asked for.
    let message = frame(0x81, br#"{"action":"ping"}"#);
    let pieces = [frame(0x01, br#"{"action":"#), frame(0x80, br#""ping"}"#)];
    let bytes = [&message, &pieces[0], &pieces[1], &frame(0x8a, b"")];
    let started = Instant::now();
    for round in 0.. {
        raw.write(bytes[round % 4]).await;
        sleep(millis(150)).await;
        if started.elapsed() > secs(3) {
            break;
        }
    }
    assert_eq!(tidegate.metric("tidegate_connections", &[]).await, 1.0);
    // And when it sends no more, it is cut as any other.
    let took = raw.ended(secs(3)).await;
    assert!(took < millis(1000), "{took:?}");
}

/// A host with a log for all of a long backlog.
async fn tide(heartbeat: &str) -> Tide {
    let bounds = |setup: Setup| {
        setup
            .setting("heartbeat-interval", heartbeat)
            .setting("log-size", "1GiB")
            .setting("lag-limit", "1h")
            .setting("stall-limit", "1h")
    };
    Tide::on(Tape::of(2), bounds).await
}

#[tokio::test]
async fn a_peer_that_reads_slowly_is_alive_though_it_answers_no_ping() {
    let mut tide = tide("3s").await;
    let connect = tide.tidegate.connect().receive_buffer(4096);
    let mut raw = Raw::subscriber(&connect, tide.tidegate.key(), ALL).await;
    tide.tidegate
        .metric_becomes("tidegate_subscriptions", &[], 2.0)
        .await;
    tide.rise_everywhere(700).await;
    let started = Instant::now();
    // Three beats and more.
    while started.elapsed() < secs(11) {
        raw.sip(4000).await.expect("alive");
        sleep(millis(40)).await;
    }
    let name = "tidegate_connections";
    assert_eq!(tide.tidegate.metric(name, &[]).await, 2.0);
    // And when it reads no more either, it is cut as any other.
    tide.tidegate.metric_becomes(name, &[], 1.0).await;
    let dead = [("reason", "dead_peer")];
    let closed = "tidegate_sessions_closed_total";
    assert_eq!(tide.tidegate.metric(closed, &dead).await, 1.0);
}

#[tokio::test]
async fn a_ping_is_answered_before_the_megabytes_that_wait() {
    let mut tide = tide("30s").await;
    let mut reader = tide.reader([ALL]).await;
    tide.rise_everywhere(400).await;
    for round in 0..3 {
        let before = reader.messages;
        reader.client.send_text(r#"{"action":"ping"}"#).await;
        sleep(millis(300)).await;
        reader.answer("pong").await;
        let waited = reader.messages - before;
        // What the kernel had already, in messages of a quarter of a KiB.
        assert!(waited < 1000, "turn {round}: after {waited} messages");
    }
    assert!(reader.messages < 3000, "{}", reader.messages);
    reader.catch_up().await;
}

#[tokio::test]
async fn in_a_steady_backlog_a_ping_is_answered_at_once() {
    let mut tide = tide("30s").await;
    let connect = tide.tidegate.connect().receive_buffer(4096);
    let mut raw = Raw::subscriber(&connect, tide.tidegate.key(), ALL).await;
    let (opcode, _) = raw.frame().await.expect("an answer");
    assert_eq!(opcode, 1);
    tide.rise_everywhere(2000).await;
    let (mut pongs, mut longest) = (0, Duration::ZERO);
    let mut asked = Instant::now();
    raw.write(&frame(0x89, b"p")).await;
    while pongs < 20 {
        let (opcode, _) = raw.frame().await.expect("no end");
        if opcode == 10 {
            longest = longest.max(asked.elapsed());
            pongs += 1;
            asked = Instant::now();
            raw.write(&frame(0x89, b"p")).await;
        }
        // Some 250 KB a second: four megabytes last longer than the test.
        sleep(Duration::from_micros(500)).await;
    }
    assert!(longest < millis(1000), "{longest:?}");
    let behind = tide.tidegate.metric("tidegate_sessions_behind", &[]).await;
    assert_eq!(behind, 1.0, "the backlog was to last");
}

#[tokio::test]
async fn a_client_that_answers_lives() {
    let (_redis, tidegate) = fast().await;
    let record = tidegate.client().await.record();
    tokio::time::sleep(secs(2)).await;
    assert_eq!(record.close(), None);
    assert_eq!(tidegate.metric("tidegate_connections", &[]).await, 1.0);
}
