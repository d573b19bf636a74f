//! Requests cost those who make them: a client that subscribes to a thousand channels at a
//! time, or hundreds that come and subscribe, hold up nobody's messages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_tests::guest::FEED;
use tidegate_tests::{Client, Guest, Setup, Stage, Tidegate, millis, secs};
use tokio::task::JoinHandle;
use tokio::time::interval;

fn wide(setup: Setup) -> Setup {
    setup
        .setting("max-channels-per-message", "1000")
        .setting("max-subscriptions", "100000")
        .setting("max-message-size", "64KiB")
        .setting("client-message-rate", "100000")
        .setting("client-message-burst", "100000")
}

/// So many different channels.
fn channels(count: usize) -> Vec<String> {
    let symbol = |mut number: usize| {
        let mut letters = String::new();
        for _ in 0..4 {
            letters.push(char::from(b"ABCDEFGHIJKLMNOPQRST"[number % 20]));
            number /= 20;
        }
        format!("ticks:{letters}")
    };
    (0..count).map(symbol).collect()
}

/// How long each of so many messages took from Redis to a client, with 10 ms between them.
async fn delays(stage: &Stage, client: &mut Client, count: u64) -> Vec<Duration> {
    let mut delays = Vec::new();
    let mut ticks = interval(millis(10));
    for number in 0..count {
        ticks.tick().await;
        let started = Instant::now();
        let payload = format!(r#"{{"n":{number}}}"#);
        stage.redis.publish(&format!("{FEED}ZZ"), payload).await;
        let message = client.next_json().await;
        assert_eq!(message["data"]["tick"]["n"], number);
        delays.push(started.elapsed());
    }
    delays.sort_unstable();
    delays
}

fn assert_held_up_by_nobody(delays: &[Duration]) {
    let late = delays[delays.len() * 9 / 10];
    assert!(late < millis(60), "one in ten took more than {late:?}");
}

/// Takes and leaves a thousand channels, again and again.
fn takes_and_leaves(tidegate: &Tidegate) -> JoinHandle<()> {
    let connect = tidegate.connect();
    tokio::spawn(async move {
        let mut client = connect.open().await;
        let channels = channels(1000);
        loop {
            for (action, kind) in [("subscribe", "subscribed"), ("unsubscribe", "unsubscribed")] {
                let answer = client
                    .ask(json!({"action": action, "channels": channels}))
                    .await;
                assert_eq!(answer["type"], kind);
                assert_eq!(answer["channels"].as_array().map(Vec::len), Some(1000));
                if kind == "subscribed" {
                    assert_eq!(answer["seq"].as_object().map(|seq| seq.len()), Some(1000));
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_thousand_channels_hold_up_nobody() {
    let stage = Stage::set(&Guest::stamped("a"), wide).await;
    let mut client = stage.tidegate.subscriber(["ticks:ZZ"]).await;
    // There are many who hold many, too.
    let mut holders = Vec::new();
    for _ in 0..50 {
        let mut holder = stage.tidegate.client().await;
        let request = json!({"action": "subscribe", "channels": channels(500)});
        assert_eq!(holder.ask(request).await["type"], "subscribed");
        holders.push(holder);
    }
    let busy = [(); 3].map(|()| takes_and_leaves(&stage.tidegate));
    assert_held_up_by_nobody(&delays(&stage, &mut client, 300).await);
    for task in busy {
        assert!(!task.is_finished(), "it was answered wrongly");
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_that_come_subscribe_and_go_hold_up_nobody() {
    let stage = Stage::set(&Guest::stamped("a"), wide).await;
    let mut client = stage.tidegate.subscriber(["ticks:ZZ"]).await;
    let connect = stage.tidegate.connect();
    let coming = tokio::spawn(async move {
        let mut number = 0;
        loop {
            let several = (0..5).map(|_| async {
                let mut newcomer = connect.open().await;
                newcomer.subscribe(["ticks:*", "ticks:ZZ"]).await;
                newcomer.reset();
            });
            futures_util::future::join_all(several).await;
            number += 5;
            tokio::time::sleep(millis(if number % 50 == 0 { 30 } else { 3 })).await;
        }
    });
    assert_held_up_by_nobody(&delays(&stage, &mut client, 300).await);
    assert!(!coming.is_finished(), "a newcomer was answered wrongly");
    coming.abort();
    let _ = coming.await;
    stage
        .tidegate
        .metric_becomes("tidegate_connections", &[], 1.0)
        .await;
}

#[tokio::test]
async fn a_request_for_a_thousand_channels_gets_only_what_there_is_room_for() {
    let few = |setup: Setup| wide(setup).setting("max-subscriptions", "600");
    let stage = Stage::set(&Guest::stamped("a"), few).await;
    let mut client = stage.tidegate.client().await;
    let request = json!({"action": "subscribe", "channels": channels(1000)});
    let answer = client.ask(request).await;
    assert_eq!(answer["channels"].as_array().map(Vec::len), Some(600));
    let mut refused = Vec::<Value>::new();
    while refused.len() < 400 {
        refused.push(client.expect_error("SUBSCRIPTION_LIMIT").await["channel"].clone());
    }
    let expected: Vec<_> = channels(1000)[600..]
        .iter()
        .map(|name| json!(name))
        .collect();
    assert_eq!(refused, expected);
    assert_eq!(client.text_within(secs(1)).await, None);
}
