//! More than can be worked off: what is dropped, that it is counted, and that order holds.

use std::collections::HashMap;

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Payload, Redis, Tidegate, Transform, secs, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beyond_the_queue_drops_the_oldest_and_memory_stays_bounded() {
    let redis = Redis::builder()
        .config("client-output-buffer-limit pubsub 0 0 0")
        .start()
        .await;
    let tidegate = Tidegate::on(&redis)
        .setting("lane-queue-size", "256KiB")
        .setting("max-event-size", "128KiB")
        .start()
        .await;
    let record = tidegate.subscriber(["candles:*:*"]).await.record();
    let channel = candle_channel(1, "BTC-USD", "1h");
    let padding = r#"{"a":[1,2,3]},"#.repeat(4000);
    let heavy = |number| {
        let text = candle(number);
        text.replacen('{', &format!("{{\"hiddenList\":[{padding}0],"), 1)
    };
    redis.publish(&channel, heavy(0)).await;
    record.reaches(1, secs(10)).await;
    let before = tidegate.process.resident_bytes();
    let count = 2000;
    redis
        .publish_all((1..count).map(|n| (channel.clone(), heavy(n))))
        .await;
    let (mut numbers, mut gaps) = (Vec::new(), 0);
    until("the last of the burst", secs(30), async || {
        let (lost, messages): (Vec<_>, Vec<_>) = record
            .messages()
            .into_iter()
            .partition(|message| message["type"] == "gap");
        numbers = messages.iter().map(number_of).collect();
        gaps = lost.len();
        numbers.last() == Some(&(count - 1)) && gaps > 0
    })
    .await;
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order or twice");
    let dropped = tidegate
        .metric(
            "tidegate_events_dropped_total",
            &[("transform", "candle"), ("reason", "queue_full")],
        )
        .await;
    assert!(
        dropped > 0.0,
        "a burst of {count} should have been too much"
    );
    assert_eq!(numbers.len() + dropped as usize, count);
    let grown = tidegate.process.resident_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{} MiB more memory", grown >> 20);
    tidegate
        .metric_becomes("tidegate_lane_queue_bytes", &[], 0.0)
        .await;
    assert_eq!(
        tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await,
        0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_four_lanes_each_channel_keeps_its_order() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .transform(Transform::builtin("candle").set("lanes", "4"))
        .start()
        .await;
    let record = tidegate.subscriber(["candles:*:*"]).await.record();
    let (channels, each) = (20, 300);
    let events = (0..each).flat_map(|number| {
        (0..channels).map(move |channel| {
            let symbol = format!("S{channel}-USD");
            // Payloads of unequal weight, so that lanes would overtake each other.
            let weight = "x".repeat((number * 7 + channel * 13) % 50 * 40);
            let payload = Payload::candle()
                .numbered(number)
                .with("hiddenText", weight)
                .text();
            (candle_channel(1, &symbol, "1h"), payload)
        })
    });
    redis.publish_all(events).await;
    record.reaches(channels * each, secs(30)).await;
    let mut next: HashMap<String, usize> = HashMap::new();
    for message in record.messages() {
        let channel = message["channel"].as_str().expect("a channel").to_owned();
        let expected = next.entry(channel).or_default();
        assert_eq!(number_of(&message), *expected);
        *expected += 1;
    }
    assert_eq!(next.len(), channels);
    assert_eq!(tidegate.metric("tidegate_missed_total", &[]).await, 0.0);
}

#[tokio::test]
async fn the_way_from_redis_to_a_publication_is_measured() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    for number in 0..20 {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(number))
            .await;
        client.next_json().await;
    }
    let metrics = tidegate.metrics().await;
    assert_eq!(
        metrics.sum("tidegate_upstream_lag_seconds_count", &[]),
        20.0
    );
    let lag = metrics.sum("tidegate_upstream_lag_seconds_sum", &[]);
    assert!(lag > 0.0 && lag < 2.0, "{lag} s for twenty events");
    let calls = metrics.sum(
        "tidegate_transform_seconds_count",
        &[("transform", "candle")],
    );
    assert_eq!(calls, 20.0);
}
