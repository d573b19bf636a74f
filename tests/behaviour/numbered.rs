//! The number of each message in its channel: from one, without a hole, the same for all
//! receivers of a host, and named by the answer to a subscription; and the epoch, by which a
//! client knows that it speaks to the same start of the same host.

use serde_json::{Value, json};
use tidegate_tests::guest::FEED;
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::{Client, Guest, Redis, Stage, Tape, Tidegate, secs, until};

fn epoch(answer: &Value) -> String {
    let epoch = answer["epoch"].as_str().expect("an epoch");
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    assert!(epoch.len() == 16 && epoch.bytes().all(is_hex), "{answer}");
    epoch.to_owned()
}

async fn publish(redis: &Redis, symbol: &str, count: usize) {
    for number in 0..count {
        redis
            .publish(&candle_channel(1, symbol, "1h"), candle(number))
            .await;
    }
}

/// Channel and number of the next messages.
async fn numbers(client: &mut Client, count: usize) -> Vec<(String, u64)> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let message = client.next_json().await;
        let channel = message["channel"].as_str().expect("a channel").to_owned();
        numbers.push((channel, message["seq"].as_u64().expect("a number")));
    }
    numbers
}

#[tokio::test]
async fn the_epoch_is_the_same_for_all_and_another_at_each_start() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut epochs = Vec::new();
    for _ in 0..2 {
        epochs.push(epoch(
            &tidegate.client().await.subscribe(["candles:*:*"]).await,
        ));
    }
    assert_eq!(epochs[0], epochs[1]);
    let tidegate = tidegate.kill_and_restart().await;
    let after = epoch(&tidegate.client().await.subscribe(["candles:*:*"]).await);
    assert_ne!(epochs[0], after);
}

#[tokio::test]
async fn each_channel_counts_from_one_and_all_receivers_have_the_same_numbers() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut clients = [
        tidegate.subscriber(["candles:*:*"]).await,
        tidegate.subscriber(["candles:*:*", "candles:A-B:1h"]).await,
        tidegate
            .subscriber(["candles:A-B:*", "candles:C-D:1h"])
            .await,
    ];
    for symbol in ["A-B", "C-D", "A-B", "A-B", "C-D"] {
        publish(&redis, symbol, 1).await;
    }
    let expected = [("A-B", 1), ("C-D", 1), ("A-B", 2), ("A-B", 3), ("C-D", 2)];
    let expected = expected.map(|(symbol, seq)| (format!("candles:{symbol}:1h"), seq));
    for client in &mut clients {
        assert_eq!(numbers(client, 5).await, expected);
    }
}

#[tokio::test]
async fn an_answer_says_the_last_number_of_each_plain_channel_and_none_of_a_wildcard() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut watching = tidegate.subscriber(["candles:*:*"]).await;
    publish(&redis, "A-B", 3).await;
    numbers(&mut watching, 3).await;
    let mut client = tidegate.client().await;
    let asked = ["candles:A-B:1h", "candles:*:1h", "candles:C-D:1h"];
    let request = json!({"action": "subscribe", "channels": asked, "id": 7});
    let answer = client.ask(request).await;
    let expected = json!({"type": "subscribed", "channels": asked, "epoch": epoch(&answer),
        "seq": {asked[0]: 3, asked[2]: 0}, "id": 7});
    assert_eq!(answer, expected);
    publish(&redis, "A-B", 1).await;
    assert_eq!(numbers(&mut client, 1).await, [(asked[0].to_owned(), 4)]);
    let wild = client.subscribe(["candles:*:*", "signals:*:*"]).await;
    assert_eq!(wild["seq"], json!({}));
}

#[tokio::test]
async fn the_numbers_go_on_while_nobody_listens_and_over_reconnects() {
    let (redis, tidegate) = Tidegate::plain().await;
    let channel = "candles:A-B:1h";
    let mut last = 0;
    for round in 0..3 {
        let mut client = tidegate.client().await;
        let answer = client.subscribe([channel]).await;
        assert_eq!(answer["seq"][channel], last, "turn {round}");
        publish(&redis, "A-B", 2).await;
        assert_eq!(
            numbers(&mut client, 2).await,
            [
                (channel.to_owned(), last + 1),
                (channel.to_owned(), last + 2)
            ]
        );
        client
            .send(json!({"action": "unsubscribe", "channels": [channel]}))
            .await;
        client.next_json().await;
        // Nobody holds it now.
        publish(&redis, "A-B", 1).await;
        last += 3;
        let published = ("transform", "candle");
        let name = "tidegate_publications_total";
        tidegate
            .metric_becomes(name, &[published], last as f64)
            .await;
        // What is counted gets its number in the same moment, or the next.
        until("the last number", secs(5), async || {
            let answer = tidegate.client().await.subscribe([channel]).await;
            answer["seq"][channel] == last
        })
        .await;
        let answer = client.subscribe([channel]).await;
        assert_eq!(answer["seq"][channel], last, "turn {round}");
        client.reset();
    }
}

#[tokio::test]
async fn a_number_stands_between_channel_and_data() {
    let stage = Stage::with(&Guest::ticks()).await;
    let mut client = stage.tidegate.subscriber(["ticks:ABC"]).await;
    for seq in 1..=2 {
        let payload = r#"{"price":"1.5"}"#;
        stage.redis.publish(&format!("{FEED}ABC"), payload).await;
        let expected =
            format!(r#"{{"type":"tick","channel":"ticks:ABC","seq":{seq},"data":{payload}}}"#);
        assert_eq!(client.next_text().await, expected);
    }
}

#[tokio::test]
async fn numbers_go_on_across_another_revision_and_a_return() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:AB"]).await;
    let mut expected = 0;
    for mark in ["a", "b", "a"] {
        match (mark, expected) {
            (_, 0) => {}
            ("b", _) => drop(stage.admin.push_and_apply(&Guest::stamped("b")).await),
            _ => drop(stage.admin.rollback("ticks", json!({})).await.done()),
        }
        for _ in 0..2 {
            expected += 1;
            stage.tick("AB", 1).await;
            let message = client.next_json().await;
            assert_eq!(
                (&message["seq"], &message["data"]["rev"]),
                (&json!(expected), &json!(mark))
            );
        }
    }
}

#[tokio::test]
async fn more_channels_than_can_be_numbered_are_not_published_and_that_is_told() {
    let redis = Redis::start().await;
    let tidegate = Tape::host(&redis, |setup| setup.setting("max-channels", "3")).await;
    let tape = Tape::of(2);
    let mut client = tidegate.subscriber(["ticks:*:*"]).await;
    let mut nobody = tidegate.client().await;
    for index in [0, 1, 2, 3, 0, 4, 1] {
        tape.publish(&redis, [index]).await;
    }
    let mut got = Vec::new();
    let mut gaps = Vec::new();
    while got.len() < 5 || gaps.is_empty() {
        let message = client.next_json().await;
        if message["type"] == "gap" {
            gaps.push(message);
        } else {
            got.push((message["channel"].clone(), message["seq"].clone()));
        }
    }
    let expected = [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2)];
    let expected = expected.map(|(index, seq)| (json!(tape.name(index)), json!(seq)));
    assert_eq!(got, expected);
    let gap = json!({"type": "gap", "channel": "ticks:*:*", "from": null, "to": null,
        "reason": "transform"});
    // The first loss is told at once, and those of the second after it together.
    while let Some(more) = client.text_within(secs(2)).await {
        gaps.push(serde_json::from_str(&more).expect("JSON"));
    }
    let are_of_it = gaps.iter().all(|notice| *notice == gap);
    assert!(gaps.len() <= 2 && are_of_it, "{gaps:?}");
    let name = "tidegate_channels_full_total";
    tidegate.metric_becomes(name, &[], 2.0).await;
    assert_eq!(tidegate.metric("tidegate_channels", &[]).await, 3.0);
    nobody.expect_nothing_before_pong().await;
    assert_eq!(client.text_within(secs(2)).await, None);
}
