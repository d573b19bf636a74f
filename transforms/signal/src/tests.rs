//! The signal as plain Rust: the example it was specified with, what it refuses, and that
//! nothing else gets out. Labels and figures are tested in `rating`.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_sdk::sample;
use tidegate_sdk::{Publication, Rejection, RejectionReason, Transform};

use super::Signal;

const CHANNEL: &str = "channel:alerts:exchange:1";
const PAYLOAD: &str = r#"{"id":123,"symbol":"BTC-USD","alertType":"macdv","timeframe":"15m","price":42350.5,"triggerValue":85.3,"signalDelta":12.4,"triggeredAt":"2026-02-19T12:00:00.000Z","sourceExchangeId":1,"sourceExchangeName":"coinbase","triggerLabel":"level_3"}"#;
const NEEDED: [&str; 5] = [
    "symbol",
    "timeframe",
    "price",
    "triggeredAt",
    "sourceExchangeName",
];

/// None where the host would not hand the event over.
fn tried(channel: &str, payload: &str) -> Option<Result<Vec<Publication>, Rejection>> {
    let (signal, configuration) = Signal::configure("{}").unwrap();
    let patterns = &configuration.upstream_patterns;
    let event = sample::event(patterns, channel, payload.as_bytes())?;
    Some(signal.transform(&event))
}

fn answer(channel: &str, payload: &str) -> Result<Vec<Publication>, Rejection> {
    tried(channel, payload).unwrap()
}

fn reason(channel: &str, payload: &str) -> Option<RejectionReason> {
    answer(channel, payload)
        .err()
        .map(|rejection| rejection.reason)
}

fn object() -> Map<String, Value> {
    serde_json::from_str(PAYLOAD).unwrap()
}

/// The example with one field set to something else.
fn with(name: &str, value: Value) -> String {
    let mut payload = object();
    payload.insert(name.to_owned(), value);
    Value::from(payload).to_string()
}

fn data(payload: &str) -> Value {
    let publications = answer(CHANNEL, payload).unwrap();
    serde_json::from_str(&publications[0].data).unwrap()
}

#[test]
fn the_example_becomes_the_public_message() {
    let publications = answer(CHANNEL, PAYLOAD).unwrap();
    assert_eq!(publications.len(), 1);
    assert_eq!(publications[0].channel, "signals:BTC-USD:15m");
    assert_eq!(publications[0].message_type, "trade_signal");
    assert_eq!(
        publications[0].data,
        r#"{"symbol":"BTC-USD","exchange":"coinbase","timeframe":"15m","signal_type":"momentum_signal","direction":"bullish","strength":"strong","price":"42350.5","timestamp":"2026-02-19T12:00:00.000Z"}"#
    );
}

#[test]
fn its_own_samples_are_true() {
    for settings in ["{}", r#"{"exchange":7}"#] {
        assert_eq!(sample::check::<Signal>(settings), Ok(()));
    }
}

#[test]
fn what_it_listens_to_follows_the_exchange() {
    let (_, configuration) = Signal::configure(r#"{"exchange":42}"#).unwrap();
    assert_eq!(
        configuration.upstream_patterns,
        ["channel:alerts:exchange:42"]
    );
    assert!(Signal::configure(r#"{"exchange":"1"}"#).is_err());
    assert!(Signal::configure("[]").is_err());
}

/// To the word: clients have built on it.
#[test]
fn the_schema_is_the_one_that_was_published() {
    let descriptor = Signal::describe();
    let schema = &descriptor.families[0].messages[0].data_schema;
    let schema: Value = serde_json::from_str(schema).unwrap();
    let published: Value = serde_json::from_str(include_str!("schema.json")).unwrap();
    assert_eq!(schema, published);
}

#[test]
fn internal_fields_never_leave() {
    let mut payload = object();
    for name in [
        "macdV",
        "fastEMA",
        "atr",
        "direction",
        "strength",
        "signal_type",
        "timestamp",
    ] {
        payload.insert(name.to_owned(), json!("SECRET"));
    }
    let payload = Value::from(payload).to_string();
    assert_eq!(
        answer(CHANNEL, &payload).unwrap()[0].data,
        answer(CHANNEL, PAYLOAD).unwrap()[0].data
    );
}

#[test]
fn label_and_figure_decide_direction_and_strength() {
    assert_eq!(
        data(&with("triggerLabel", json!("level_-3")))["direction"],
        "bearish"
    );
    assert_eq!(
        data(&with("triggerLabel", json!("reversal_oversold")))["direction"],
        "bullish"
    );
    assert_eq!(
        data(&with("triggerLabel", Value::Null))["direction"],
        "bearish"
    );
    assert_eq!(
        data(&with("triggerValue", json!("-150")))["strength"],
        "extreme"
    );
    assert_eq!(data(&with("triggerValue", json!(29.9)))["strength"], "weak");
    assert_eq!(
        data(&with("triggerValue", Value::Null))["strength"],
        "moderate"
    );
    let mut bare = object();
    bare.remove("triggerLabel");
    bare.remove("triggerValue");
    let bare = data(&Value::from(bare).to_string());
    assert_eq!(
        (&bare["direction"], &bare["strength"]),
        (&json!("bearish"), &json!("moderate"))
    );
}

#[test]
fn only_the_alerts_of_its_own_exchange_pass() {
    for channel in [
        "channel:alerts:exchange:2",
        "channel:alerts:exchange:11",
        "",
        "channel:alerts",
        "channel:alerts:exchange:1:x",
        "alerts:exchange:1",
    ] {
        assert_eq!(tried(channel, PAYLOAD), None, "{channel}");
    }
}

#[test]
fn an_event_without_a_needed_field_is_refused_whole() {
    for name in NEEDED {
        let mut payload = object();
        payload.remove(name);
        let without = Value::from(payload).to_string();
        assert_eq!(
            reason(CHANNEL, &without),
            Some(RejectionReason::Missing),
            "{name}"
        );
        let null = with(name, Value::Null);
        assert_eq!(
            reason(CHANNEL, &null),
            Some(RejectionReason::Missing),
            "{name}"
        );
        for wrong in [
            json!(true),
            json!(""),
            json!([1]),
            json!({"a": 1}),
            json!("{x}"),
        ] {
            let invalid = with(name, wrong.clone());
            assert_eq!(
                reason(CHANNEL, &invalid),
                Some(RejectionReason::Invalid),
                "{name}: {wrong}"
            );
        }
    }
    for payload in ["", "ping", "[]", "\"x\"", "{\"symbol\":", "{}{}"] {
        assert_eq!(
            reason(CHANNEL, payload),
            Some(RejectionReason::Malformed),
            "{payload}"
        );
    }
}

#[test]
fn symbols_and_timeframes_are_checked() {
    for symbol in ["BTCUSD", "BTC-USD-X", "*-USD", "BTC-USD:1h", "BTC-USD\n"] {
        assert_eq!(
            reason(CHANNEL, &with("symbol", json!(symbol))),
            Some(RejectionReason::Invalid),
            "{symbol}"
        );
    }
    for timeframe in ["2h", "1H", "*", "15", " 15m"] {
        assert_eq!(
            reason(CHANNEL, &with("timeframe", json!(timeframe))),
            Some(RejectionReason::Invalid),
            "{timeframe}"
        );
    }
}

#[test]
fn an_exchange_name_is_plain_text() {
    for name in [
        "coinbase",
        "Binance.US",
        "OKX 2",
        "a",
        "0x_-.",
        &"a".repeat(64),
    ] {
        assert_eq!(
            data(&with("sourceExchangeName", json!(name)))["exchange"],
            name
        );
    }
    for name in [
        " coinbase",
        "-a",
        "<b>",
        "coin\nbase",
        "börse",
        "a:b",
        &"a".repeat(65),
    ] {
        assert_eq!(
            reason(CHANNEL, &with("sourceExchangeName", json!(name))),
            Some(RejectionReason::Invalid),
            "{name}"
        );
    }
}

#[test]
fn a_rejection_names_fields_and_never_values() {
    let rejection = answer(CHANNEL, &with("price", json!("SECRET"))).unwrap_err();
    assert!(rejection.detail.contains("`price`"), "{}", rejection.detail);
    assert!(!rejection.detail.contains("SECRET"), "{}", rejection.detail);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(channel in ".{0,60}", payload in ".{0,200}", text in ".{0,40}") {
        let _ = tried(&channel, &payload);
        let _ = answer(CHANNEL, &payload);
        for name in NEEDED.iter().chain(&["triggerLabel", "triggerValue"]) {
            let _ = answer(CHANNEL, &with(name, json!(text)));
        }
    }
}
