//! A task of the host that dies: it is seen, counted, and started again. What kills it here is
//! a clock at the end of all years; its other ways are tests of the unit.

use std::time::SystemTime;

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Redis, Tidegate, WallClock, secs, until};

/// How far it is to the last day that HTTP has a name for; the calendar of the keys ends
/// some hours before.
fn to_the_last_day() -> i64 {
    const NOON_OF_9999_12_31: u64 = 253_402_257_600;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("this machine's clock is later").as_secs();
    i64::try_from(NOON_OF_9999_12_31 - now).expect("eight thousand years are few seconds")
}

#[tokio::test]
async fn a_task_that_dies_is_shown_and_started_again_and_clients_lose_nothing() {
    let (redis, clock) = (Redis::start().await, WallClock::new());
    let tidegate = Tidegate::on(&redis).clock(&clock).start().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    // Whoever asks what day it is panics: the task that ends keys does, twice a second.
    clock.set(to_the_last_day());
    let reasons = tidegate.becomes_unready(secs(10)).await;
    assert!(
        reasons.contains("key_expiry ended: it panicked at "),
        "{reasons}"
    );
    let ends = ("tidegate_task_ends_total", [("task", "key_expiry")]);
    until("it to be tried again in vain", secs(10), async || {
        tidegate.metric(ends.0, &ends.1).await >= 3.0
    })
    .await;
    until("it to be down", secs(10), async || {
        tidegate.metric("tidegate_tasks_down", &[]).await == 1.0
    })
    .await;
    assert!(tidegate.stderr().lines_with("task=key_expiry reason=") >= 3);
    for number in 0..10 {
        redis.publish(&channel, candle(number)).await;
        assert_eq!(number_of(&client.next_json().await), number);
    }
    clock.set(0);
    tidegate.becomes_ready(secs(15)).await;
    until("it to run again", secs(10), async || {
        tidegate.metric("tidegate_tasks_down", &[]).await == 0.0
    })
    .await;
    assert!(
        tidegate
            .stderr()
            .lines_with("started again task=key_expiry")
            > 0
    );
    client.expect_nothing_before_pong().await;
}
