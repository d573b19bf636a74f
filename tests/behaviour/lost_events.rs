//! Events that never became messages: dropped before a transform, lost by its fault, stopped
//! by the guard, or published while it was paused. They have no number, so that numbers go on
//! without a hole; all who hold the family are told that something is missing.

use std::time::Instant;

use serde_json::{Value, json};
use tidegate_tests::guest::{FEED, Failing};
use tidegate_tests::{Client, Guest, Stage, millis, secs};
use tokio::time::sleep;

fn gap(pattern: &str, reason: &str) -> Value {
    json!({"type": "gap", "channel": pattern, "from": null, "to": null, "reason": reason})
}

/// Reads up to the tick of this number in its data: the gaps before it, and its `seq`.
async fn up_to(client: &mut Client, number: u64) -> (Vec<Value>, Value) {
    let mut gaps = Vec::new();
    loop {
        let message = client.next_json().await;
        match message["type"].as_str() {
            Some("gap") => gaps.push(message),
            Some("tick") if message["data"]["tick"]["n"] == number => {
                return (gaps, message["seq"].clone());
            }
            Some("tick") => {}
            _ => panic!("{message}"),
        }
    }
}

#[tokio::test]
async fn whatever_a_fault_or_the_guard_costs_is_told_to_all_who_hold_the_family() {
    for how in [
        Failing::Trap,
        Failing::Loop,
        Failing::Memory,
        Failing::Output,
        Failing::Guard,
    ] {
        let stage = Stage::with(&Guest::stamped("a").failing(how)).await;
        let mut wide = stage.tidegate.subscriber(["ticks:*", "ticks:AB"]).await;
        let mut narrow = stage.tidegate.subscriber(["ticks:AB"]).await;
        let mut nobody = stage.tidegate.client().await;
        stage.tick("AB", 1).await;
        stage.tick("XY", 2).await;
        stage.tick("AB", 3).await;
        for (client, patterns) in [
            (&mut wide, &["ticks:*", "ticks:AB"][..]),
            (&mut narrow, &["ticks:AB"]),
        ] {
            // Before what is newer; a message that is older may come after it.
            let (mut gaps, seq) = up_to(client, 3).await;
            assert_eq!(seq, 2, "{how:?}");
            let mut expected: Vec<_> = patterns.iter().map(|p| gap(p, "transform")).collect();
            expected.sort_by_key(Value::to_string);
            gaps.sort_by_key(Value::to_string);
            assert_eq!(gaps, expected, "{how:?}");
            client.expect_nothing_before_pong().await;
        }
        nobody.expect_nothing_before_pong().await;
        let metric = ("tidegate_gaps_total", [("reason", "transform")]);
        let counted = stage.tidegate.metric(metric.0, &metric.1).await;
        assert!(counted >= 1.0, "{how:?}: {counted}");
    }
}

#[tokio::test]
async fn while_faults_go_on_it_is_told_once_a_second() {
    let stage = Stage::with(&Guest::stamped("a").failing(Failing::Trap)).await;
    let client = stage.tidegate.subscriber(["ticks:*"]).await.record();
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < millis(3500) {
        stage.tick("XY", number).await;
        number += 1;
        sleep(millis(20)).await;
    }
    sleep(millis(1500)).await;
    let gaps = client.messages();
    assert!(
        gaps.iter()
            .all(|message| *message == gap("ticks:*", "transform")),
        "{gaps:?}"
    );
    assert!((3..=5).contains(&gaps.len()), "told {} times", gaps.len());
    // The last loss is told too, though the one before was a moment ago.
    let last = client.last_at().expect("it was told");
    let end = started + millis(3480);
    assert!(
        last > end - millis(300),
        "{:?} before the last fault",
        end - last
    );
}

#[tokio::test]
async fn what_a_full_lane_drops_is_told() {
    let slow = Guest::stamped("a").failing(Failing::Slow);
    let small = |setup: tidegate_tests::Setup| {
        setup
            .setting("lane-queue-size", "4KiB")
            .setting("max-event-size", "4KiB")
    };
    let stage = Stage::set(&slow, small).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    let events = (0..2000).map(|number| (format!("{FEED}XY"), format!(r#"{{"n":{number}}}"#)));
    stage.redis.publish_all(events).await;
    let mut gaps = 0;
    let mut next = 1;
    loop {
        let message = client.next_json().await;
        if message["type"] == "gap" {
            assert_eq!(message, gap("ticks:*", "transform"));
            gaps += 1;
            continue;
        }
        assert_eq!(message["seq"], next, "{message}");
        next += 1;
        if message["data"]["tick"]["n"] == 1999 {
            break;
        }
    }
    if gaps == 0 {
        assert_eq!(client.next_json().await, gap("ticks:*", "transform"));
    }
    let dropped = [("transform", "ticks"), ("reason", "queue_full")];
    let dropped = stage
        .tidegate
        .metric("tidegate_events_dropped_total", &dropped);
    assert_eq!(dropped.await, f64::from(2001 - next));
}

#[tokio::test]
async fn what_was_published_in_a_pause_is_told_when_it_ends() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*", "ticks:AB"]).await;
    stage.tick("AB", 0).await;
    client.next_json().await;
    stage.admin.pause("ticks").await;
    for number in 1..4 {
        stage.tick("AB", number).await;
    }
    let dropped = [("transform", "ticks"), ("reason", "paused")];
    let name = "tidegate_events_dropped_total";
    stage.tidegate.metric_becomes(name, &dropped, 3.0).await;
    stage.admin.resume("ticks").await;
    stage.tick("AB", 4).await;
    let mut notices = Vec::new();
    let last = loop {
        let message = client.next_json().await;
        if message["type"] == "tick" {
            break message;
        }
        notices.push(message);
    };
    assert_eq!(
        (&last["seq"], &last["data"]["tick"]["n"]),
        (&json!(2), &json!(4))
    );
    let status =
        |pattern: &str, state: &str| json!({"type": "status", "channel": pattern, "state": state});
    for pattern in ["ticks:*", "ticks:AB"] {
        let of: Vec<_> = notices
            .iter()
            .filter(|notice| notice["channel"] == pattern)
            .collect();
        let expected = [
            status(pattern, "paused"),
            status(pattern, "live"),
            gap(pattern, "paused"),
        ];
        assert_eq!(of, expected.iter().collect::<Vec<_>>());
    }
    // A pause in which nothing came is no gap.
    stage.admin.pause("ticks").await;
    stage.admin.resume("ticks").await;
    stage.tick("AB", 5).await;
    loop {
        let message = client.next_json().await;
        assert_ne!(message["type"], "gap", "{message}");
        if message["type"] == "tick" {
            break;
        }
    }
}

#[tokio::test]
async fn an_event_that_is_refused_for_what_it_is_is_no_gap() {
    let (redis, tidegate) = tidegate_tests::Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    let channel = tidegate_tests::payloads::candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, "nonsense").await;
    redis
        .publish(&channel, tidegate_tests::payloads::candle(1))
        .await;
    assert_eq!(client.next_json().await["seq"], 1);
    assert_eq!(client.text_within(secs(2)).await, None);
}
