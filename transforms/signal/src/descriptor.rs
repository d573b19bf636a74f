//! What the component says of itself, with samples that the host runs before it trusts it.

use tidegate_sdk::sample::{published, rejected};
use tidegate_sdk::{
    Configuration, Delivery, Descriptor, Family, RejectionReason, Sample, market, schema,
};

use super::Data;

/// The first part of every public channel of this component.
pub(crate) const FAMILY: &str = "signals";

/// The only kind of message.
pub(crate) const MESSAGE_TYPE: &str = "trade_signal";

/// The signals of any exchange.
pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        name: "signal".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "A signal for a symbol and timeframe, sent when its momentum stands out."
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

/// What is listened to for the signals of `exchange`.
pub(crate) fn configuration(exchange: u32) -> Configuration {
    let upstream = format!("channel:alerts:exchange:{exchange}");
    Configuration {
        samples: samples(&upstream),
        upstream_patterns: vec![upstream],
    }
}

fn samples(upstream: &str) -> Vec<Sample> {
    vec![
        published(
            upstream,
            r#"{"id":123,"symbol":"BTC-USD","alertType":"macdv","timeframe":"15m","price":42350.5,"triggerValue":85.3,"signalDelta":12.4,"triggeredAt":"2026-02-19T12:00:00.000Z","sourceExchangeId":1,"sourceExchangeName":"coinbase","triggerLabel":"level_3"}"#,
            "signals:BTC-USD:15m",
            MESSAGE_TYPE,
            r#"{"symbol":"BTC-USD","exchange":"coinbase","timeframe":"15m","signal_type":"momentum_signal","direction":"bullish","strength":"strong","price":"42350.5","timestamp":"2026-02-19T12:00:00.000Z"}"#,
        ),
        published(
            upstream,
            r#"{"symbol":"ETH-USD","timeframe":"4h","price":"3100.50","triggerValue":"-151","triggeredAt":"2026-02-19T13:00:00.1239+01:00","sourceExchangeName":"kraken","triggerLabel":"reversal_overbought"}"#,
            "signals:ETH-USD:4h",
            MESSAGE_TYPE,
            r#"{"symbol":"ETH-USD","exchange":"kraken","timeframe":"4h","signal_type":"momentum_signal","direction":"bearish","strength":"extreme","price":"3100.5","timestamp":"2026-02-19T12:00:00.123Z"}"#,
        ),
        rejected(
            upstream,
            r#"{"symbol":"BTC-USD","timeframe":"1d","price":42350.5,"triggerValue":null,"triggeredAt":"2026-02-19T12:00:00Z","triggerLabel":"reversal_oversold"}"#,
            RejectionReason::Missing,
        ),
        rejected(
            upstream,
            r#"{"symbol":"BTC-USD","timeframe":"1w","price":42350.5,"triggerValue":20,"triggeredAt":"2026-02-19T12:00:00Z","sourceExchangeName":"coinbase","triggerLabel":"level_-1"}"#,
            RejectionReason::Invalid,
        ),
        rejected(upstream, "ping", RejectionReason::Malformed),
    ]
}
