//! How much a client may say: the rate, the burst, the end of patience.

use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_tests::raw::frame;
use tidegate_tests::{Raw, Redis, Setup, Tidegate, eventually, millis, secs};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

fn slow(redis: &Redis) -> Setup {
    Tidegate::on(redis)
        .setting("client-message-rate", "1")
        .setting("client-message-burst", "10")
}

#[tokio::test]
async fn within_the_burst_everything_is_answered() {
    let redis = Redis::start().await;
    let tidegate = slow(&redis).start().await;
    let mut client = tidegate.client().await;
    for _ in 0..10 {
        client.send(json!({"action": "ping"})).await;
    }
    for _ in 0..10 {
        assert_eq!(client.next_json().await["type"], "pong");
    }
}

#[tokio::test]
async fn above_the_burst_each_message_is_refused_and_the_session_goes_on() {
    let redis = Redis::start().await;
    let tidegate = slow(&redis)
        .setting("client-message-rate", "4")
        .start()
        .await;
    let mut client = tidegate.client().await;
    for _ in 0..16 {
        client.send(json!({"action": "ping"})).await;
    }
    let (mut pongs, mut refused) = (0, 0);
    for _ in 0..16 {
        let answer = client.next_json().await;
        match answer["type"].as_str() {
            Some("pong") => pongs += 1,
            _ => {
                assert_eq!(answer["code"], "RATE_LIMITED");
                refused += 1;
            }
        }
    }
    // A moment may pass on a busy machine, and bring some more.
    assert!(
        (10..=13).contains(&pongs),
        "{pongs} pongs, {refused} refused"
    );
    let labels = [("code", "RATE_LIMITED")];
    let counted = tidegate
        .metric("tidegate_client_errors_total", &labels)
        .await;
    assert_eq!(counted, f64::from(refused));
    // What was refused counts too, so patience is asked for.
    eventually("an answer again", secs(10), async || {
        sleep(millis(500)).await;
        let answer = client.ask(json!({"action": "ping"})).await;
        (answer["type"] == "pong").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_at_the_allowed_rate_is_never_refused() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("client-message-rate", "50")
        .setting("client-message-burst", "5")
        .start()
        .await;
    let mut client = tidegate.client().await;
    for _ in 0..40 {
        client.expect_nothing_before_pong().await;
        sleep(millis(25)).await;
    }
}

#[tokio::test]
async fn a_flood_is_closed_with_1008() {
    let redis = Redis::start().await;
    let tidegate = slow(&redis).start().await;
    let mut client = tidegate.client().await;
    for _ in 0..60 {
        if client.try_send_text(r#"{"action":"ping"}"#).await.is_err() {
            break;
        }
    }
    client.expect_close(1008, "rate limit exceeded").await;
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
}

#[tokio::test]
async fn websocket_pings_count_against_the_rate_too() {
    let redis = Redis::start().await;
    let tidegate = slow(&redis).start().await;
    let mut client = tidegate.client().await;
    for _ in 0..60 {
        let ping = tokio_tungstenite::tungstenite::Message::Ping(Vec::new().into());
        if client.try_send(ping).await.is_err() {
            break;
        }
    }
    let (code, reason) = client.closed_within(secs(5)).await;
    assert_eq!((code, reason.as_str()), (1008, "rate limit exceeded"));
}

#[tokio::test]
async fn a_message_in_empty_pieces_without_end_is_closed_with_1008() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = Raw::upgrade(&tidegate.connect(), tidegate.key()).await;
    client.write(&frame(0x01, br#"{"action":"#)).await;
    let pieces = frame(0x00, b"").repeat(2000);
    let started = Instant::now();
    let close = loop {
        assert!(started.elapsed() < secs(8), "still open");
        // The close is read before a further write can meet a reset.
        if let Ok(close) = timeout(millis(5), client.closed()).await {
            break close;
        }
        let written = timeout(secs(8), client.try_write(&pieces)).await;
        if !matches!(written, Ok(Ok(()))) {
            break client.closed().await;
        }
    };
    assert_eq!(close, (1008, "rate limit exceeded".to_owned()));
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
}

#[tokio::test]
async fn messages_of_the_largest_size_within_the_rate_are_answered_whole_and_in_pieces() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = Raw::upgrade(&tidegate.connect(), tidegate.key()).await;
    let text = format!("{:<1$}", r#"{"action":"ping"}"#, 16 * 1024);
    let (first, rest) = text.as_bytes().split_at(4096);
    for number in 0..120 {
        if number % 2 == 0 {
            client.write(&frame(0x81, text.as_bytes())).await;
        } else {
            client.write(&frame(0x01, first)).await;
            client.write(&frame(0x00, &rest[..4096])).await;
            client.write(&frame(0x80, &rest[4096..])).await;
        }
        let pong = br#"{"type":"pong"}"#.to_vec();
        assert_eq!(client.frame().await, Some((1, pong)), "message {number}");
        // A little below the allowed twenty a second, after the burst.
        sleep(millis(if number < 80 { 5 } else { 55 })).await;
    }
}

#[tokio::test]
async fn the_frames_around_the_largest_messages_are_not_held_against_a_client() {
    let redis = Redis::start().await;
    // Small ones, where the header and the mask weigh most.
    let tidegate = Tidegate::on(&redis)
        .setting("max-message-size", "128B")
        .setting("client-message-rate", "400")
        .setting("client-message-burst", "40")
        .start()
        .await;
    let mut client = Raw::upgrade(&tidegate.connect(), tidegate.key()).await;
    let message = frame(0x81, format!("{:<128}", r#"{"action":"ping"}"#).as_bytes());
    let mut ticks = interval(Duration::from_micros(2525));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let started = Instant::now();
    while started.elapsed() < secs(6) {
        ticks.tick().await;
        client.write(&message).await;
        // On a busy machine one may come too early and be refused; none ends the session.
        let (opcode, payload) = client.frame().await.expect("an answer");
        let after = started.elapsed();
        assert_eq!(
            opcode,
            1,
            "{:?} after {after:?}",
            payload.escape_ascii().to_string()
        );
    }
}
