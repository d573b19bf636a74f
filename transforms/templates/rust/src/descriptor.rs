//! What the transform says of itself, with samples that a host runs before it trusts it.

use tidegate_sdk::sample::{published, rejected};
use tidegate_sdk::{
    AllowedValues, Configuration, Delivery, Descriptor, Family, Parameter, RejectionReason, market,
    schema,
};

use crate::Public;

/// The first part of every public channel.
pub(crate) const FAMILY: &str = "example_stream";

/// The `type` of its messages.
pub(crate) const MESSAGE_TYPE: &str = "example_stream_update";

pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Each trade of a symbol.".to_owned(),
        settings_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
        families: vec![Family {
            name: FAMILY.to_owned(),
            parameters: vec![Parameter {
                name: "symbol".to_owned(),
                allowed: AllowedValues::Pattern(market::SYMBOL_PATTERN.to_owned()),
            }],
            messages: vec![schema::message::<Public>(MESSAGE_TYPE)],
            delivery: Delivery::Every,
            snapshot_on_subscribe: false,
        }],
    }
}

pub(crate) fn configuration() -> Configuration {
    Configuration {
        upstream_patterns: vec!["feed:example-stream:{symbol}".to_owned()],
        samples: vec![
            published(
                "feed:example-stream:BTC-USD",
                r#"{"price":42350.50,"side":"buy","time":1708264800000,"desk":"x7"}"#,
                "example_stream:BTC-USD",
                MESSAGE_TYPE,
                r#"{"price":"42350.5","side":"buy","time":"2024-02-18T14:00:00.000Z"}"#,
            ),
            rejected(
                "feed:example-stream:BTC-USD",
                r#"{"side":"buy","time":1708264800000}"#,
                RejectionReason::Missing,
            ),
        ],
    }
}
