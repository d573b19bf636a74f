//! What a client may say, and what it hears: requests, answers, ids, the six errors.

use serde_json::{Value, json};
use tidegate_tests::client::expect_subscribed;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Redis, Tidegate};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_candle_reaches_its_subscriber_as_the_public_message_and_nothing_more() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:BTC-USD:1h"]).await;
    redis
        .publish(
            &candle_channel(1, "BTC-USD", "1h"),
            tidegate_tests::Payload::candle().text(),
        )
        .await;
    let text = client.next_text().await;
    let expected = concat!(
        r#"{"type":"candle_close","channel":"candles:BTC-USD:1h","seq":1,"data":{"#,
        r#""timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5","high":"42450.75","#,
        r#""low":"42300.25","close":"42400","volume":"123.456"}}"#
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn an_alert_reaches_its_subscriber_as_a_signal_and_nothing_more() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["signals:*:*"]).await;
    redis
        .publish(
            "channel:alerts:exchange:1",
            tidegate_tests::Payload::alert().text(),
        )
        .await;
    let expected = json!({"type": "trade_signal", "channel": "signals:BTC-USD:15m", "seq": 1, "data": {
        "symbol": "BTC-USD", "exchange": "coinbase", "timeframe": "15m",
        "signal_type": "momentum_signal", "direction": "bullish", "strength": "strong",
        "price": "42350.5", "timestamp": "2026-02-19T12:00:00.000Z"}});
    assert_eq!(client.next_json().await, expected);
}

#[tokio::test]
async fn each_answer_repeats_the_id_of_its_request() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    let longest = "x".repeat(64);
    for id in [json!("a"), json!(longest), json!(7), json!(-1), json!(0)] {
        let pong = client.ask(json!({"action": "ping", "id": id})).await;
        assert_eq!(pong, json!({"type": "pong", "id": id}));
        let request = json!({"action": "subscribe", "channels": ["candles:*:*", "x"], "id": id});
        assert_eq!(client.ask(request).await["id"], id);
        assert_eq!(client.expect_error("INVALID_CHANNEL").await["id"], id);
        let request = json!({"action": "unsubscribe", "channels": ["candles:*:*"], "id": id});
        assert_eq!(client.ask(request).await["id"], id);
        client.send(json!({"action": "sing", "id": id})).await;
        assert_eq!(client.expect_error("INVALID_MESSAGE").await["id"], id);
    }
}

#[tokio::test]
async fn an_id_of_another_form_is_an_invalid_message() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    for id in [
        json!("x".repeat(65)),
        json!(1.5),
        json!(true),
        json!({}),
        json!([1]),
    ] {
        client.send(json!({"action": "ping", "id": id})).await;
        client.expect_error("INVALID_MESSAGE").await;
    }
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn what_is_not_json_is_a_parse_error_and_the_session_goes_on() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    for text in [
        "",
        "hello",
        "{",
        r#"{"action":"ping"}}"#,
        "{'action':'ping'}",
        "\u{feff}{}",
    ] {
        client.send_text(text).await;
        client.expect_error("PARSE_ERROR").await;
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn json_that_is_no_request_is_an_invalid_message_and_the_session_goes_on() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    let twenty_one: Vec<_> = (0..21).map(|n| format!("candles:A{n}-USD:1h")).collect();
    let wrong: [Value; 14] = [
        json!(null),
        json!(1),
        json!("ping"),
        json!([]),
        json!({}),
        json!({"action": 1}),
        json!({"action": "sing"}),
        json!({"action": "subscribe"}),
        json!({"action": "subscribe", "channels": "candles:*:*"}),
        json!({"action": "subscribe", "channels": [1]}),
        json!({"action": "subscribe", "channels": []}),
        json!({"action": "unsubscribe", "channels": []}),
        json!({"action": "subscribe", "channels": twenty_one}),
        json!({"action": "unsubscribe", "channels": twenty_one}),
    ];
    for message in wrong {
        client.send(message).await;
        client.expect_error("INVALID_MESSAGE").await;
    }
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_binary_frame_is_an_invalid_message_and_the_session_goes_on() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    client
        .send_frame(Message::binary(br#"{"action":"ping"}"#.to_vec()))
        .await;
    client.expect_error("INVALID_MESSAGE").await;
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn json_nested_seven_thousand_deep_is_refused_and_the_session_goes_on() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    client
        .send_text(&format!("{}{}", "[".repeat(7000), "]".repeat(7000)))
        .await;
    let error = client.next_json().await;
    assert_eq!(error["type"], "error", "{error}");
    client.send_text(&r#"{"a":"#.repeat(2000)).await;
    client.expect_error("PARSE_ERROR").await;
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn the_valid_channels_are_confirmed_first_and_each_bad_one_is_named_after() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    let bad = [
        "",
        "candles",
        "candles:BTC-USD",
        "candles:BTC-USD:1h:x",
        "candles:BTCUSD:1h",
        "*:*:*",
        "candles:BTC-USD:2h",
        "candles:BTC-*:1h",
        "orders:BTC-USD:1h",
        "candles:BTC-USD:1h ",
        "CANDLES:BTC-USD:1h",
        "channel:exchange:1:candle:close:BTC-USD:1h",
        "tidegate:probe",
    ];
    let mut channels = bad.to_vec();
    channels.insert(3, "candles:BTC-USD:1h");
    channels.push("signals:*:5m");
    let answer = client
        .ask(json!({"action": "subscribe", "channels": channels}))
        .await;
    expect_subscribed(&answer, &["candles:BTC-USD:1h", "signals:*:5m"]);
    for channel in bad {
        let error = client.expect_error("INVALID_CHANNEL").await;
        assert_eq!(error["channel"], channel);
    }
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn if_no_channel_is_valid_there_are_only_errors() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    client
        .send(json!({"action": "subscribe", "channels": ["a", "b"]}))
        .await;
    assert_eq!(client.expect_error("INVALID_CHANNEL").await["channel"], "a");
    assert_eq!(client.expect_error("INVALID_CHANNEL").await["channel"], "b");
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_key_with_narrow_channels_is_refused_the_others_by_name() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let narrow = ["--channels", "candles:BTC-USD:*"];
    let key = tidegate_tests::keys::create(&setup.keys_file(), "narrow", &narrow);
    let tidegate = setup.start().await;
    let mut client = tidegate.connect().key(&key).open().await;
    let asked = [
        "candles:BTC-USD:1h",
        "candles:*:*",
        "candles:ETH-USD:1h",
        "signals:BTC-USD:1h",
    ];
    let answer = client
        .ask(json!({"action": "subscribe", "channels": asked}))
        .await;
    expect_subscribed(&answer, &["candles:BTC-USD:1h"]);
    for channel in &asked[1..] {
        let error = client.expect_error("FORBIDDEN_CHANNEL").await;
        assert_eq!(error["channel"], *channel);
    }
    redis
        .publish(&candle_channel(1, "ETH-USD", "1h"), candle(1))
        .await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(2))
        .await;
    assert_eq!(number_of(&client.next_json().await), 2);
}
