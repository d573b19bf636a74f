//! A host that has nothing to do does nothing. What wakes it, wakes it at once: also the clock
//! that ends calls which take too long.

use std::time::Instant;

use tidegate_tests::guest::FEED;
use tidegate_tests::{Client, Guest, Redis, Tidegate, Transform, millis, secs, until};

/// A host wakes for its timers some ten times a second. A clock of 2 ms alone takes 500.
const QUIET: u64 = 100;

/// Deadlines are 10 ms; this is for a machine that is busy with other things.
const IN_TIME: std::time::Duration = millis(500);

/// A host whose component runs for ever on one symbol, and a client of it.
async fn stage() -> (Redis, Tidegate, Client) {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let guest = Guest::ticks().when_bad("(loop $l (br $l))");
    let file = guest.write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    let client = tidegate.subscriber(["ticks:*"]).await;
    (redis, tidegate, client)
}

async fn tick(redis: &Redis, symbol: &str) {
    let channel = format!("{FEED}{symbol}");
    redis.publish(&channel, r#"{"price":"1.5"}"#).await;
}

/// The next one; that one before it was lost to its loop is told in between.
async fn next_tick(client: &mut Client) {
    while client.next_json().await["type"] != "tick" {}
}

async fn becomes_quiet(tidegate: &Tidegate) {
    until("a second in which nothing wakes it", secs(20), async || {
        let before = tidegate.process.context_switches();
        tokio::time::sleep(secs(1)).await;
        tidegate.process.context_switches() - before < QUIET
    })
    .await;
}

#[tokio::test]
async fn an_idle_host_is_woken_by_nothing_and_uses_no_processor() {
    let (redis, tidegate, mut client) = stage().await;
    becomes_quiet(&tidegate).await;
    tick(&redis, "ABC").await;
    next_tick(&mut client).await;
    // After its work too.
    becomes_quiet(&tidegate).await;
}

#[tokio::test]
async fn an_endless_loop_is_ended_in_time_also_after_a_long_sleep() {
    let (redis, tidegate, mut client) = stage().await;
    for round in 1..=3 {
        becomes_quiet(&tidegate).await;
        // The first wakes the clock, the second finds it awake.
        for _ in 0..2 {
            let started = Instant::now();
            tick(&redis, "XX").await;
            tick(&redis, "ABC").await;
            next_tick(&mut client).await;
            let took = started.elapsed();
            assert!(took >= millis(10), "ended after {took:?}");
            assert!(took < IN_TIME, "ended after {took:?}");
        }
        let labels = [("kind", "deadline")];
        let ended = tidegate
            .metric("tidegate_transform_faults_total", &labels)
            .await;
        assert_eq!(ended, f64::from(2 * round));
    }
}
