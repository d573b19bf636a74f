//! The clock of the machine is set, forward and back: keys with an end are judged by what it
//! says now, and nothing else notices.

use std::time::Duration;

use serde_json::json;
use tidegate_tests::settings::OPERATOR;
use tidegate_tests::{Client, Connect, Redis, Tidegate, WallClock, eventually, keys, millis, secs};

const HOUR: i64 = 3_600;

/// A host with a clock of its own, and the way in with a key that ends in an hour.
async fn with_a_key_for_an_hour() -> (Redis, Tidegate, WallClock, Connect) {
    let (redis, clock) = (Redis::start().await, WallClock::new());
    let setup = Tidegate::on(&redis).clock(&clock);
    let key = keys::create(&setup.keys_file(), "expiring", &["--expires", "1h"]);
    let tidegate = setup.start().await;
    let connect = tidegate.connect().key(&key);
    (redis, tidegate, clock, connect)
}

async fn enters(connect: &Connect) -> Client {
    eventually("the key to be in force", secs(5), async || {
        connect.open().await.let_in().await.ok()
    })
    .await
}

async fn is_invalid(connect: &Connect) {
    let mut client = connect.open().await;
    client.expect_close(4001, "Invalid API key").await;
}

#[tokio::test]
async fn a_key_that_a_wrong_clock_ended_works_again_when_the_clock_is_right() {
    let (_redis, _tidegate, clock, connect) = with_a_key_for_an_hour().await;
    let mut inside = enters(&connect).await;
    for ahead in [2 * HOUR, 720 * HOUR] {
        clock.set(ahead);
        let close = inside.closed_within(secs(5)).await;
        assert_eq!(close, (4001, "Invalid API key".to_owned()));
        is_invalid(&connect).await;
        clock.set(0);
        inside = enters(&connect).await;
    }
    clock.set(-2 * HOUR);
    tokio::time::sleep(secs(1)).await;
    inside.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_key_whose_end_was_moved_works_again() {
    let (_redis, tidegate, clock, connect) = with_a_key_for_an_hour().await;
    let mut inside = enters(&connect).await;
    clock.set(2 * HOUR);
    let close = inside.closed_within(secs(5)).await;
    assert_eq!(close, (4001, "Invalid API key".to_owned()));
    keys::edit(&tidegate.keys_file(), |keys| {
        keys::record(keys, "expiring")["expires"] = json!("2999-01-01T00:00:00Z");
    });
    enters(&connect).await;
}

#[tokio::test]
async fn a_clock_that_jumps_ends_no_other_session_and_no_token() {
    let (redis, clock) = (Redis::start().await, WallClock::new());
    let heartbeat = millis(300);
    let tidegate = Tidegate::on(&redis)
        .clock(&clock)
        .setting("heartbeat-interval", "300ms")
        .admin_token(OPERATOR)
        .start()
        .await;
    let record = tidegate.subscriber(["candles:*:*"]).await.record();
    for ahead in [2 * HOUR, -2 * HOUR, 9_600 * HOUR, 0] {
        clock.set(ahead);
        tokio::time::sleep(heartbeat * 2 + Duration::from_millis(100)).await;
        tidegate.client().await.expect_nothing_before_pong().await;
        tidegate.admin_api().get("/v1/sessions").await.done();
    }
    assert_eq!(record.close(), None);
    let closed = tidegate.metrics().await;
    for reason in ["dead_peer", "invalid_key", "slow_consumer", "rate_limited"] {
        let counted = closed.sum("tidegate_sessions_closed_total", &[("reason", reason)]);
        assert_eq!(counted, 0.0, "{reason}");
    }
}
