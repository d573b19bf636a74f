//! What the loss of the connection to Redis costs: the first attempt to win it back comes at
//! once, so as little is lost as can be.

use std::time::{Duration, Instant};

use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::{Redis, Tidegate, millis, secs};

/// How often a connection is killed; a busy machine may spoil some of them.
const ROUNDS: usize = 7;

/// No round of a host that waits for the shortest pause first takes less.
const SHORTEST_PAUSE: Duration = millis(50);

/// Between kills, more than the longest pause: a server that cuts without end gets pauses.
const REST: Duration = millis(2_200);

/// Kills the connection under a feed as fast as one publisher is: for how long nobody heard
/// it, and how many events that was.
async fn killed(redis: &Redis) -> (Duration, usize) {
    let channel = candle_channel(1, "BTC-USD", "1h");
    let payload = candle(1);
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let (since, mut lost) = (Instant::now(), 0);
    while redis.publish(&channel, &payload).await == 0 {
        assert!(since.elapsed() < secs(10), "nobody listens");
        lost += 1;
    }
    (since.elapsed(), lost)
}

/// The rounds, shortest first.
async fn rounds(redis: &Redis) -> Vec<(Duration, usize)> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        tokio::time::sleep(REST).await;
        rounds.push(killed(redis).await);
    }
    rounds.sort();
    println!("without a receiver, and events lost: {rounds:?}");
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_won_back_without_a_pause() {
    let (redis, tidegate) = Tidegate::plain().await;
    let rounds = rounds(&redis).await;
    let (middle, _) = rounds[ROUNDS / 2];
    assert!(middle < SHORTEST_PAUSE, "{rounds:?}");
    let outages = "tidegate_upstream_outages_total";
    assert_eq!(tidegate.metric(outages, &[]).await, ROUNDS as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_where_no_probe_can_prove_a_subscription() {
    // Without probes, and with a protocol that cannot publish beside a subscription.
    for (config, interval) in [("", "0s"), ("rename-command HELLO \"\"", "20s")] {
        let redis = Redis::builder().config(config).start().await;
        let _tidegate = Tidegate::on(&redis)
            .setting("probe-interval", interval)
            .start()
            .await;
        let rounds = rounds(&redis).await;
        let (middle, _) = rounds[ROUNDS / 2];
        assert!(middle < SHORTEST_PAUSE, "{interval}: {rounds:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_as_soon_as_it_stands_is_won_back_with_pauses() {
    let (redis, tidegate) = Tidegate::plain().await;
    let started = Instant::now();
    let mut kills = 0;
    while started.elapsed() < secs(4) {
        killed(&redis).await;
        kills += 1;
    }
    // One at once in two seconds, and some six between, whose pauses grow.
    assert!((3..=25).contains(&kills), "{kills} times won back");
    // Some never stood: they were killed before the host knew that they did.
    let outages = "tidegate_upstream_outages_total";
    let outages = tidegate.metric(outages, &[]).await;
    assert!(
        (1.0..=f64::from(kills)).contains(&outages),
        "{outages} of {kills}"
    );
}
