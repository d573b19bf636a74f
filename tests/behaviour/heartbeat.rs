//! The server's pings: they come, they are expected back, and who is silent is cut.

use std::time::Instant;

use tidegate_tests::{Raw, Redis, Tidegate, millis, secs};
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
async fn a_peer_that_sends_but_never_answers_a_ping_is_cut_too() {
    let (_redis, tidegate) = fast().await;
    let mut raw = Raw::upgrade(&tidegate.connect(), tidegate.key()).await;
    let message = tidegate_tests::raw::frame(0x81, br#"{"action":"ping"}"#);
    let started = Instant::now();
    while raw.try_write(&message).await.is_ok() {
        tokio::time::sleep(millis(100)).await;
        assert!(started.elapsed() < secs(3), "still open");
    }
}

#[tokio::test]
async fn a_client_that_answers_lives() {
    let (_redis, tidegate) = fast().await;
    let record = tidegate.client().await.record();
    tokio::time::sleep(secs(2)).await;
    assert_eq!(record.close(), None);
    assert_eq!(tidegate.metric("tidegate_connections", &[]).await, 1.0);
}
