//! A transform that fails in three ways, for tests of what is told of it: it panics where it is
//! configured, at an event, and reads beyond the end of a list.

use std::collections::BTreeMap;

use tidegate_sdk::contract::{AllowedValues, Delivery, Family, Message, Parameter};
use tidegate_sdk::{
    Configuration, Descriptor, Event, Publication, Rejection, Transform, publish, sample,
};

tidegate_sdk::export!(Panics);

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["calm"],
    "properties":{"calm":{"type":"boolean"}}}"#;

struct Panics;

impl Transform for Panics {
    fn describe() -> Descriptor {
        Descriptor {
            name: "panics".into(),
            version: "1.0.0".into(),
            summary: "Panics where it is asked to.".into(),
            settings_schema: r#"{"type":"object","properties":{"panic":{"type":"string"}}}"#.into(),
            families: vec![Family {
                name: "panics".into(),
                parameters: vec![Parameter {
                    name: "symbol".into(),
                    allowed: AllowedValues::Pattern("^[a-z]{1,8}$".into()),
                }],
                messages: vec![Message {
                    message_type: "calm".into(),
                    data_schema: SCHEMA.into(),
                }],
                delivery: Delivery::Every,
                snapshot_on_subscribe: false,
            }],
        }
    }

    fn configure(settings: &str) -> Result<(Self, Configuration), String> {
        if settings.contains("configure") {
            refuse_settings();
        }
        let samples = vec![sample::published(
            "panics:calm",
            "",
            "panics:calm",
            "calm",
            r#"{"calm":true}"#,
        )];
        let upstream_patterns = vec!["panics:{symbol}".into()];
        let configuration = Configuration {
            upstream_patterns,
            samples,
        };
        Ok((Self, configuration))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let symbol = event.capture("symbol")?;
        match symbol {
            "panic" => refuse(symbol),
            "index" => read_beyond(&event.payload),
            _ => {}
        }
        Ok(vec![publish(
            format!("panics:{symbol}"),
            "calm",
            &BTreeMap::from([("calm", true)]),
        )?])
    }
}

#[inline(never)]
fn refuse_settings() {
    panic!("these settings\nare too much");
}

#[inline(never)]
fn refuse(symbol: &str) {
    panic!("{symbol} is no symbol");
}

#[inline(never)]
fn read_beyond(payload: &[u8]) {
    let _beyond = payload[payload.len() + 1];
}
