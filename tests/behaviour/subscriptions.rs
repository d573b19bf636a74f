//! Who receives what: wildcards, overlaps, leaving, and how much one session may hold.

use serde_json::json;
use tidegate_tests::client::expect_subscribed;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Redis, Tidegate};

async fn publish(redis: &Redis, symbol: &str, timeframe: &str, number: usize) {
    let channel = candle_channel(1, symbol, timeframe);
    assert_eq!(redis.publish(&channel, candle(number)).await, 1);
}

#[tokio::test]
async fn each_wildcard_stands_for_its_own_part() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut exact = tidegate.subscriber(["candles:BTC-USD:1h"]).await;
    let mut any_time = tidegate.subscriber(["candles:BTC-USD:*"]).await;
    let mut any_symbol = tidegate.subscriber(["candles:*:1h"]).await;
    let mut everything = tidegate.subscriber(["candles:*:*"]).await;
    let mut other_family = tidegate.subscriber(["signals:*:*"]).await;
    let published = [
        ("BTC-USD", "1h"),
        ("BTC-USD", "5m"),
        ("ETH-USD", "1h"),
        ("ETH-USD", "5m"),
    ];
    for (number, (symbol, timeframe)) in published.into_iter().enumerate() {
        publish(&redis, symbol, timeframe, number).await;
    }
    for (client, expected) in [
        (&mut exact, vec![0]),
        (&mut any_time, vec![0, 1]),
        (&mut any_symbol, vec![0, 2]),
        (&mut everything, vec![0, 1, 2, 3]),
    ] {
        for number in expected {
            assert_eq!(number_of(&client.next_json().await), number);
        }
    }
    for client in [
        &mut exact,
        &mut any_time,
        &mut any_symbol,
        &mut everything,
        &mut other_family,
    ] {
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn overlapping_subscriptions_deliver_once() {
    let (redis, tidegate) = Tidegate::plain().await;
    let overlapping = [
        "candles:BTC-USD:1h",
        "candles:BTC-USD:*",
        "candles:*:1h",
        "candles:*:*",
    ];
    let mut client = tidegate.subscriber(overlapping).await;
    client.subscribe(["candles:*:*"]).await;
    for number in 1..=3 {
        publish(&redis, "BTC-USD", "1h", number).await;
    }
    for number in 1..=3 {
        assert_eq!(number_of(&client.next_json().await), number);
    }
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_message_names_the_exact_channel_even_to_a_wildcard() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    publish(&redis, "SOL-EUR", "4h", 1).await;
    assert_eq!(client.next_json().await["channel"], "candles:SOL-EUR:4h");
}

#[tokio::test]
async fn unsubscribing_ends_delivery_and_leaves_the_rest() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate
        .subscriber(["candles:BTC-USD:1h", "candles:ETH-USD:*"])
        .await;
    let leave = json!({"action": "unsubscribe",
        "channels": ["candles:BTC-USD:1h", "candles:SOL-USD:1h", "nonsense"]});
    let answer = client.ask(leave).await;
    let expected = json!({"type": "unsubscribed",
        "channels": ["candles:BTC-USD:1h", "candles:SOL-USD:1h"]});
    assert_eq!(answer, expected);
    assert_eq!(
        client.expect_error("INVALID_CHANNEL").await["channel"],
        "nonsense"
    );
    publish(&redis, "BTC-USD", "1h", 1).await;
    publish(&redis, "ETH-USD", "1h", 2).await;
    assert_eq!(number_of(&client.next_json().await), 2);
}

#[tokio::test]
async fn leaving_one_of_two_overlapping_patterns_keeps_the_other() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate
        .subscriber(["candles:*:*", "candles:BTC-USD:1h"])
        .await;
    client
        .ask(json!({"action": "unsubscribe", "channels": ["candles:*:*"]}))
        .await;
    publish(&redis, "ETH-USD", "1h", 1).await;
    publish(&redis, "BTC-USD", "1h", 2).await;
    assert_eq!(number_of(&client.next_json().await), 2);
}

#[tokio::test]
async fn a_session_holds_two_hundred_subscriptions_and_not_one_more() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    let channel = |n: usize| format!("candles:S{n}-USD:1h");
    for batch in 0..10 {
        let channels: Vec<_> = (batch * 20..batch * 20 + 20).map(channel).collect();
        let answer = client
            .ask(json!({"action": "subscribe", "channels": channels}))
            .await;
        assert_eq!(answer["channels"].as_array().map(Vec::len), Some(20));
    }
    client.subscribe([channel(7).as_str()]).await; // Held already: takes no room.
    client
        .send(json!({"action": "subscribe", "channels": [channel(200)]}))
        .await;
    let error = client.expect_error("SUBSCRIPTION_LIMIT").await;
    assert_eq!(error["channel"], channel(200));
    client
        .ask(json!({"action": "unsubscribe", "channels": [channel(0)]}))
        .await;
    client.subscribe([channel(200).as_str()]).await;
    publish(&redis, "S0-USD", "1h", 1).await;
    publish(&redis, "S200-USD", "1h", 2).await;
    assert_eq!(number_of(&client.next_json().await), 2);
}

#[tokio::test]
async fn where_room_ends_within_a_request_the_first_channels_are_taken() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-subscriptions", "2")
        .start()
        .await;
    let mut client = tidegate.client().await;
    let asked = ["candles:A-B:1h", "candles:A-C:1h", "candles:A-D:1h"];
    let answer = client
        .ask(json!({"action": "subscribe", "channels": asked}))
        .await;
    expect_subscribed(&answer, &asked[..2]);
    assert_eq!(
        client.expect_error("SUBSCRIPTION_LIMIT").await["channel"],
        asked[2]
    );
}
