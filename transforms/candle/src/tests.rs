//! The candle as plain Rust: the example it was specified with, what it refuses, and that
//! nothing else gets out.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_sdk::sample;
use tidegate_sdk::{Publication, Rejection, RejectionReason, Transform, market};

use super::Candle;

const CHANNEL: &str = "channel:exchange:1:candle:close:BTC-USD:1h";
const PAYLOAD: &str = r#"{"timestamp":1708264800000,"open":42350.5,"high":42450.75,"low":42300.25,"close":42400.0,"volume":123.456,"symbol":"BTC-USD","timeframe":"1h","exchange":"coinbase","isSynthetic":false,"sequenceNum":42}"#;
const FIELDS: [&str; 6] = ["timestamp", "open", "high", "low", "close", "volume"];

/// None where the host would not hand the event over.
fn tried(channel: &str, payload: &str) -> Option<Result<Vec<Publication>, Rejection>> {
    let (candle, configuration) = Candle::configure("{}").unwrap();
    let patterns = &configuration.upstream_patterns;
    let event = sample::event(patterns, channel, payload.as_bytes())?;
    Some(candle.transform(&event))
}

fn answer(channel: &str, payload: &str) -> Result<Vec<Publication>, Rejection> {
    tried(channel, payload).unwrap()
}

fn schema() -> Value {
    let descriptor = Candle::describe();
    serde_json::from_str(&descriptor.families[0].messages[0].data_schema).unwrap()
}

fn reason(channel: &str, payload: &str) -> Option<RejectionReason> {
    answer(channel, payload)
        .err()
        .map(|rejection| rejection.reason)
}

fn object() -> Map<String, Value> {
    serde_json::from_str(PAYLOAD).unwrap()
}

#[test]
fn the_example_becomes_the_public_message() {
    let publications = answer(CHANNEL, PAYLOAD).unwrap();
    assert_eq!(publications.len(), 1);
    assert_eq!(publications[0].channel, "candles:BTC-USD:1h");
    assert_eq!(publications[0].message_type, "candle_close");
    assert_eq!(
        publications[0].data,
        r#"{"timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5","high":"42450.75","low":"42300.25","close":"42400","volume":"123.456"}"#
    );
}

#[test]
fn its_own_samples_are_true() {
    for settings in ["{}", r#"{"exchange":7}"#] {
        assert_eq!(sample::check::<Candle>(settings), Ok(()));
    }
}

#[test]
fn what_it_listens_to_follows_the_exchange() {
    let (_, configuration) = Candle::configure(r#"{"exchange":42}"#).unwrap();
    assert_eq!(
        configuration.upstream_patterns,
        ["channel:exchange:42:candle:close:{symbol}:{timeframe}"]
    );
    assert!(Candle::configure(r#"{"exchange":0}"#).is_err());
    assert!(Candle::configure(r#"{"venue":1}"#).is_err());
}

/// To the word: clients have built on it.
#[test]
fn the_schema_is_the_one_that_was_published() {
    let published: Value = serde_json::from_str(include_str!("schema.json")).unwrap();
    assert_eq!(schema(), published);
    assert_eq!(published["required"], json!(FIELDS));
}

#[test]
fn internal_fields_never_leave() {
    let mut payload = object();
    for name in [
        "macdV",
        "fastEMA",
        "slowEMA",
        "atr",
        "informativeATR",
        "id",
        "channel",
        "type",
    ] {
        payload.insert(name.to_owned(), json!(85.3));
    }
    payload.insert("data".to_owned(), json!({"open": "1", "secret": [1, 2, 3]}));
    let payload = Value::from(payload).to_string();
    assert_eq!(
        answer(CHANNEL, &payload).unwrap()[0].data,
        answer(CHANNEL, PAYLOAD).unwrap()[0].data
    );
}

#[test]
fn the_channel_says_which_market_whatever_the_payload_says() {
    let publications = answer("channel:exchange:1:candle:close:ETH-EUR:1d", PAYLOAD).unwrap();
    assert_eq!(publications[0].channel, "candles:ETH-EUR:1d");
    for timeframe in market::TIMEFRAMES {
        let channel = format!("channel:exchange:1:candle:close:BTC-USD:{timeframe}");
        assert!(answer(&channel, PAYLOAD).is_ok(), "{timeframe}");
    }
}

#[test]
fn a_channel_of_another_form_is_no_event() {
    for channel in [
        "",
        "channel:exchange:1:candle:close",
        "channel:exchange:1:candle:close:BTC-USD",
        "channel:exchange:1:candle:close:BTC-USD:1h:x",
        "channel:exchange:1:candle:open:BTC-USD:1h",
        "xchannel:exchange:1:candle:close:BTC-USD:1h",
        "channel:exchange:2:candle:close:BTC-USD:1h",
        "channel:exchange:11:candle:close:BTC-USD:1h",
        "channel:alerts:exchange:1",
    ] {
        assert_eq!(tried(channel, PAYLOAD), None, "{channel}");
    }
}

#[test]
fn a_market_that_is_none_is_refused() {
    for (market, field) in [
        ("BTCUSD:1h", "symbol"),
        ("BTC-USD-X:1h", "symbol"),
        (":1h", "symbol"),
        ("*:1h", "symbol"),
        ("BTC-USD :1h", "symbol"),
        ("BTC-ÜSD:1h", "symbol"),
        ("BTC-USD:", "timeframe"),
        ("BTC-USD:2h", "timeframe"),
        ("BTC-USD:1H", "timeframe"),
        ("BTC-USD:*", "timeframe"),
    ] {
        let channel = format!("channel:exchange:1:candle:close:{market}");
        let rejection = answer(&channel, PAYLOAD).unwrap_err();
        assert_eq!(rejection.reason, RejectionReason::Invalid, "{channel}");
        assert_eq!(rejection.field.as_deref(), Some(field), "{channel}");
    }
}

#[test]
fn an_event_without_a_needed_field_is_refused_whole() {
    for name in FIELDS {
        let mut payload = object();
        payload.remove(name);
        let without = Value::from(payload.clone()).to_string();
        assert_eq!(
            reason(CHANNEL, &without),
            Some(RejectionReason::Missing),
            "{name}"
        );
        payload.insert(name.to_owned(), Value::Null);
        let null = Value::from(payload.clone()).to_string();
        assert_eq!(
            reason(CHANNEL, &null),
            Some(RejectionReason::Missing),
            "{name}"
        );
        for wrong in [
            json!(true),
            json!("x"),
            json!(""),
            json!([1]),
            json!({"a": 1}),
        ] {
            payload.insert(name.to_owned(), wrong.clone());
            let invalid = Value::from(payload.clone()).to_string();
            assert_eq!(
                reason(CHANNEL, &invalid),
                Some(RejectionReason::Invalid),
                "{name}: {wrong}"
            );
        }
    }
    for payload in ["", "ping", "[]", "1", "{\"timestamp\":", "{}{}"] {
        assert_eq!(
            reason(CHANNEL, payload),
            Some(RejectionReason::Malformed),
            "{payload}"
        );
    }
}

#[test]
fn a_rejection_names_fields_and_never_values() {
    let payload = PAYLOAD.replace("42350.5", "\"SECRET\"");
    let rejection = answer(CHANNEL, &payload).unwrap_err();
    assert!(rejection.detail.contains("`open`"), "{}", rejection.detail);
    assert_eq!(rejection.field.as_deref(), Some("open"));
    assert!(!rejection.detail.contains("SECRET"), "{}", rejection.detail);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(channel in ".{0,80}", payload in ".{0,200}") {
        let _ = tried(&channel, &payload);
        let _ = answer(CHANNEL, &payload);
    }
}
