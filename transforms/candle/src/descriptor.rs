//! What the component says of itself, with samples that the host runs before it trusts it.

use tidegate_sdk::sample::{published, rejected};
use tidegate_sdk::{
    Configuration, Delivery, Descriptor, Family, RejectionReason, Sample, market, schema,
};

use super::Data;

/// The first part of every public channel of this component.
pub(crate) const FAMILY: &str = "candles";

/// The only kind of message.
pub(crate) const MESSAGE_TYPE: &str = "candle_close";

/// The candles of any exchange.
pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        name: "candle".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "A candle for each symbol and timeframe, sent when its period has closed."
            .to_owned(),
        settings_schema: market::SETTINGS_SCHEMA.to_owned(),
        families: vec![Family {
            name: FAMILY.to_owned(),
            parameters: market::parameters(),
            messages: vec![schema::message::<Data>(MESSAGE_TYPE)],
            delivery: Delivery::Every,
            snapshot_on_subscribe: false,
        }],
    }
}

/// What is listened to for the candles of `exchange`.
pub(crate) fn configuration(exchange: u32) -> Configuration {
    let upstream = |market: &str| format!("channel:exchange:{exchange}:candle:close:{market}");
    Configuration {
        upstream_patterns: vec![upstream("{symbol}:{timeframe}")],
        samples: samples(upstream),
    }
}

fn samples(upstream: impl Fn(&str) -> String) -> Vec<Sample> {
    vec![
        published(
            &upstream("BTC-USD:1h"),
            r#"{"timestamp":1708264800000,"open":42350.5,"high":42450.75,"low":42300.25,"close":42400.0,"volume":123.456,"symbol":"BTC-USD","timeframe":"1h","exchange":"coinbase","isSynthetic":false,"sequenceNum":42,"macdV":85.3,"fastEMA":42390.1}"#,
            "candles:BTC-USD:1h",
            MESSAGE_TYPE,
            r#"{"timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5","high":"42450.75","low":"42300.25","close":"42400","volume":"123.456"}"#,
        ),
        published(
            &upstream("SHIB-USD:1m"),
            r#"{"timestamp":1708264860123,"open":"0.00000951","high":9.51e-6,"low":"0.0000095100","close":"9.5e-6","volume":1e9}"#,
            "candles:SHIB-USD:1m",
            MESSAGE_TYPE,
            r#"{"timestamp":"2024-02-18T14:01:00.123Z","open":"0.00000951","high":"0.00000951","low":"0.00000951","close":"0.0000095","volume":"1000000000"}"#,
        ),
        rejected(
            &upstream("BTC-USD:1h"),
            r#"{"timestamp":1708264800000,"open":1,"high":2,"low":null,"close":1.5,"volume":3}"#,
            RejectionReason::Missing,
        ),
        rejected(
            &upstream("BTC-USD:2h"),
            r#"{"timestamp":1708264800000,"open":1,"high":2,"low":1,"close":1.5,"volume":3}"#,
            RejectionReason::Invalid,
        ),
        rejected(
            &upstream("BTC-USD:1h"),
            "[1708264800000]",
            RejectionReason::Malformed,
        ),
    ]
}
