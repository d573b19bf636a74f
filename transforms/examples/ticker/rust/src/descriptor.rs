//! What the component says of itself, with samples that the host runs before it trusts it.

use serde_json::json;
use tidegate_sdk::sample::{published, rejected};
use tidegate_sdk::{
    AllowedValues, Configuration, Delivery, Descriptor, Family, Parameter, RejectionReason, Sample,
    schema,
};

use crate::{Data, form};

/// The first part of every public channel of this component.
pub(crate) const FAMILY: &str = "tickers";

/// The only kind of message.
pub(crate) const MESSAGE_TYPE: &str = "ticker";

pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        name: "ticker".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "The last price of each symbol, with the best bid and ask where there are any."
            .to_owned(),
        settings_schema: settings_schema(),
        families: vec![Family {
            name: FAMILY.to_owned(),
            parameters: vec![Parameter {
                name: "symbol".to_owned(),
                allowed: AllowedValues::Pattern(form::SYMBOL.to_owned()),
            }],
            messages: vec![schema::message::<Data>(MESSAGE_TYPE)],
            delivery: Delivery::Every,
            snapshot_on_subscribe: false,
        }],
    }
}

fn settings_schema() -> String {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "exchanges": {
                "description": "The public name of each exchange, by the number it has upstream.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "pattern": form::NAME},
            },
        },
    })
    .to_string()
}

pub(crate) fn configuration() -> Configuration {
    Configuration {
        upstream_patterns: vec!["channel:exchange:{exchange}:ticker:{symbol}".to_owned()],
        samples: samples().into_iter().map(with_settings).collect(),
    }
}

/// With settings of its own, so that it holds whatever an operator sets.
fn with_settings(sample: Sample) -> Sample {
    Sample {
        settings: Some(r#"{"exchanges":{"1":"coinbase"}}"#.to_owned()),
        ..sample
    }
}

fn samples() -> Vec<Sample> {
    let of = |exchange: u32| format!("channel:exchange:{exchange}:ticker:BTC-USD");
    vec![
        published(
            &of(1),
            r#"{"last":"42350.50","bid":"42350.4","ask":null,"time":"2026-02-19T12:00:00.123Z","desk":"x7"}"#,
            "tickers:BTC-USD",
            MESSAGE_TYPE,
            r#"{"exchange":"coinbase","last":"42350.50","bid":"42350.4","time":"2026-02-19T12:00:00.123Z"}"#,
        ),
        rejected(
            &of(1),
            r#"{"last":42350.5,"time":"2026-02-19T12:00:00Z"}"#,
            RejectionReason::Invalid,
        ),
        rejected(
            &of(1),
            r#"{"time":"2026-02-19T12:00:00Z"}"#,
            RejectionReason::Missing,
        ),
        rejected(
            &of(2),
            r#"{"last":"1","time":"2026-02-19T12:00:00Z"}"#,
            RejectionReason::Unwanted,
        ),
        rejected(&of(1), "ping", RejectionReason::Malformed),
    ]
}
