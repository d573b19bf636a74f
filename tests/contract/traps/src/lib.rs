//! A transform that ends in traps of the machine itself, which no panic tells of: for tests of
//! what is told of them from its debug information.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use tidegate_sdk::contract::{AllowedValues, Delivery, Family, Message, Parameter};
use tidegate_sdk::{
    Configuration, Descriptor, Event, Publication, Rejection, Transform, publish, sample,
};

tidegate_sdk::export!(Traps);

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["calm"],
    "properties":{"calm":{"type":"boolean"}}}"#;

struct Traps;

impl Transform for Traps {
    fn describe() -> Descriptor {
        Descriptor {
            name: "traps".into(),
            version: "1.0.0".into(),
            summary: "Traps where it is asked to.".into(),
            settings_schema: r#"{"type":"object","properties":{"trap":{"type":"string"}}}"#.into(),
            families: vec![Family {
                name: "traps".into(),
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
            stop();
        }
        let samples = vec![sample::published(
            "traps:calm",
            "",
            "traps:calm",
            "calm",
            r#"{"calm":true}"#,
        )];
        let configuration = Configuration {
            upstream_patterns: vec!["traps:{symbol}".into()],
            samples,
        };
        Ok((Self, configuration))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let symbol = event.capture("symbol")?;
        match symbol {
            "stop" => stop(),
            "inlined" => stop_inlined(&event.payload),
            "beyond" => read_beyond(&event.payload),
            "divide" => divide(&event.payload),
            "endless" => go_on(&event.payload),
            _ => {}
        }
        Ok(vec![publish(
            format!("traps:{symbol}"),
            "calm",
            &BTreeMap::from([("calm", true)]),
        )?])
    }
}

#[inline(never)]
fn stop() {
    core::arch::wasm32::unreachable()
}

/// The line of the trap is one of the standard library's, within a function of this file.
#[inline(never)]
fn stop_inlined(payload: &[u8]) {
    let mut bytes = payload.iter();
    bytes.by_ref().for_each(|byte| {
        if std::hint::black_box(*byte) == b'p' {
            std::process::abort();
        }
    });
}

#[inline(never)]
fn read_beyond(payload: &[u8]) {
    let beyond = std::hint::black_box(payload.len() | 0xffff_ff00) as *const u8;
    std::hint::black_box(unsafe { beyond.read_volatile() });
}

/// What the language checks before a division, the machine checks too.
#[inline(never)]
fn divide(payload: &[u8]) {
    let none = std::hint::black_box(payload.len() - payload.len());
    // It is a trap and not undefined, as the machine defines it.
    let none = unsafe { NonZeroUsize::new_unchecked(none) };
    std::hint::black_box(std::hint::black_box(payload.len()) / none);
}

#[inline(never)]
fn go_on(payload: &[u8]) {
    while std::hint::black_box(payload.len()) > 0 {}
}
