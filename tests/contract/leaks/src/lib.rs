//! One component with many behaviours, of which a setting chooses one: leaks of all kinds, and
//! honest work that looks like a leak. The fuzzer is held against each of them.

mod honest;
mod leaky;

use serde::{Deserialize, Serialize};
use tidegate_sdk::contract::{AllowedValues, Delivery, Family, Message, Parameter};
use tidegate_sdk::{
    Configuration, Descriptor, Event, Publication, Rejection, Transform, publish, reject, sample,
};

tidegate_sdk::export!(Leaks);

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,
    "required":["price","size","at","side"],
    "properties":{
        "price":{"type":"string","pattern":"^[0-9]{1,20}(\\.[0-9]{1,20})?$","maxLength":48},
        "size":{"type":"number"},
        "at":{"type":"string","maxLength":48},
        "side":{"type":"string","maxLength":24},
        "mark":{"type":"string","maxLength":80},
        "level":{"type":"number"},
        "tags":{"type":"array","items":{"type":"integer"},"maxItems":64}}}"#;

const SETTINGS: &str = r#"{"type":"object","additionalProperties":false,"required":["behaviour"],
    "properties":{"behaviour":{"type":"string"}}}"#;

/// A deal as the upstream publishes it. Its price, size, time and side are public.
#[derive(Deserialize)]
struct Deal {
    price: String,
    size: f64,
    at: String,
    side: String,
    account: Option<String>,
    cost: f64,
    limit: i64,
    score: u64,
    desk: String,
    hedged: bool,
    legs: Vec<Leg>,
    embargo: Option<serde_json::Value>,
    /// Goes out under its name, and no sample has it.
    mark: Option<String>,
}

#[derive(Deserialize)]
struct Leg {
    fee: f64,
    waiver: Option<serde_json::Value>,
}

/// A message's data.
#[derive(Clone, Serialize)]
struct Data {
    price: String,
    size: f64,
    at: String,
    side: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<u64>>,
}

impl Data {
    fn of(deal: &Deal) -> Self {
        Self {
            price: deal.price.clone(),
            size: deal.size,
            at: deal.at.clone(),
            side: deal.side.clone(),
            mark: None,
            level: None,
            tags: None,
        }
    }
}

struct Leaks {
    behaviour: String,
}

/// What a behaviour is given, and what it answers.
type Answer = Result<Vec<Publication>, Rejection>;

impl Transform for Leaks {
    fn describe() -> Descriptor {
        let message = |message_type: &str| Message {
            message_type: message_type.into(),
            data_schema: SCHEMA.into(),
        };
        let parameter = |name: &str, allowed| Parameter {
            name: name.into(),
            allowed,
        };
        Descriptor {
            name: "leaks".into(),
            version: "1.0.0".into(),
            summary: "Leaks as it is told to.".into(),
            settings_schema: SETTINGS.into(),
            families: vec![Family {
                name: "deals".into(),
                parameters: vec![
                    parameter(
                        "symbol",
                        AllowedValues::Pattern("^[A-Z]{2,8}-[A-Z]{2,8}$".into()),
                    ),
                    parameter(
                        "class",
                        AllowedValues::OneOf(vec!["retail".into(), "block".into()]),
                    ),
                ],
                messages: vec![message("deal"), message("deal_late")],
                delivery: Delivery::Every,
                snapshot_on_subscribe: false,
            }],
        }
    }

    fn configure(settings: &str) -> Result<(Self, Configuration), String> {
        #[derive(Deserialize)]
        struct Settings {
            behaviour: String,
        }
        let settings: Settings =
            serde_json::from_str(settings).map_err(|error| error.to_string())?;
        let leaks = Self {
            behaviour: settings.behaviour,
        };
        let mut samples = Vec::new();
        for (channel, payload) in SAMPLES {
            let event = sample::event(&[PATTERN.into()], channel, payload.as_bytes());
            let event = event.ok_or("a sample's channel")?;
            let answer = leaks.transform(&event).map_err(|refused| refused.detail)?;
            let [publication] = answer.as_slice() else {
                // A behaviour that publishes more than one message shows those of one sample.
                samples.push(tidegate_sdk::Sample {
                    settings: None,
                    channel: channel.into(),
                    payload: payload.into(),
                    received_at: 0,
                    expected: Ok(answer),
                });
                continue;
            };
            samples.push(sample::published(
                channel,
                payload,
                &publication.channel,
                &publication.message_type,
                &publication.data,
            ));
        }
        let configuration = Configuration {
            upstream_patterns: vec![PATTERN.into()],
            samples,
        };
        Ok((leaks, configuration))
    }

    fn transform(&self, event: &Event) -> Answer {
        let symbol = event.capture("symbol")?;
        if let Some(answer) = honest::strictly(&self.behaviour, symbol, &event.payload) {
            return answer;
        }
        let deal: Deal = serde_json::from_slice(&event.payload)
            .map_err(|_| reject::malformed("a deal is an object with the fields of a deal"))?;
        if deal.price.parse::<f64>().is_err() || deal.price.len() > 20 {
            return Err(reject::invalid("price", "a decimal"));
        }
        if !deal
            .price
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
            || deal.price.starts_with('.')
            || deal.price.ends_with('.')
        {
            return Err(reject::invalid("price", "a plain decimal"));
        }
        for (name, text, most) in [("at", &deal.at, 48), ("side", &deal.side, 24)] {
            if text.is_empty() || text.chars().count() > most {
                return Err(reject::invalid(name, "a short text"));
            }
        }
        if !is_symbol(symbol) && self.behaviour != "trusts-the-guard" {
            return Err(reject::invalid("symbol", "two names in capitals"));
        }
        match honest::answer(&self.behaviour, symbol, &deal) {
            Some(answer) => answer,
            None => leaky::answer(&self.behaviour, symbol, &deal),
        }
    }
}

fn is_symbol(symbol: &str) -> bool {
    let part = |part: &str| {
        (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    symbol
        .split_once('-')
        .is_some_and(|(base, quote)| part(base) && part(quote))
}

const PATTERN: &str = "desk:{symbol}:deals";

/// Two, of which none shows anything secret.
const SAMPLES: [(&str, &str); 2] = [
    (
        "desk:BTC-USD:deals",
        r#"{"price":"42350.25","size":12.5,"at":"2026-02-19T12:00:00.000Z","side":"buy","account":"ACME-0042","cost":42311.75,"limit":250,"score":16,"desk":"alpha","hedged":true,"legs":[{"fee":1.25},{"fee":0.5}]}"#,
    ),
    (
        "desk:ETH-USD:deals",
        r#"{"price":"3120.5","size":3,"at":"2026-02-19T12:00:01.000Z","side":"sell","account":"ZORG-1377","cost":3119.875,"limit":900,"score":44,"desk":"bravo","hedged":true,"legs":[{"fee":2.75}]}"#,
    ),
];

/// One message about a deal.
fn one(symbol: &str, data: &Data) -> Answer {
    Ok(vec![message(symbol, "retail", "deal", data)?])
}

fn message(
    symbol: &str,
    class: &str,
    message_type: &str,
    data: &Data,
) -> Result<Publication, Rejection> {
    publish(format!("deals:{symbol}:{class}"), message_type, data)
}
