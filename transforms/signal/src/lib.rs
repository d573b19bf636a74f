//! Alerts become `signals:{symbol}:{timeframe}`.
//!
//! What is public about an alert: which market, where to, how strong, at which price and when.
//! Which indicator raised it, and its figures, stay inside: `rating` turns them into words.
//! How the component is described to the host is in `descriptor`.

mod descriptor;
mod parse_float;
mod rating;

use std::borrow::Cow;

use serde::Serialize;
use tidegate_sdk::{
    Configuration, Descriptor, Event, Payload, Publication, Rejection, Transform, market, publish,
    reject,
};

use rating::{Direction, Strength};

tidegate_sdk::export!(Signal);

/// The transform for alerts. Of which exchange they are is in what it listens to.
pub struct Signal;

/// A message's `data`. Every field is either one of a few words or text of a checked form.
#[derive(Serialize)]
struct Data<'a> {
    symbol: &'a str,
    exchange: &'a str,
    timeframe: &'a str,
    signal_type: &'static str,
    direction: Direction,
    strength: Strength,
    price: Cow<'a, str>,
    timestamp: String,
}

impl Transform for Signal {
    fn describe() -> Descriptor {
        descriptor::descriptor()
    }

    fn configure(settings: &str) -> Result<(Self, Configuration), String> {
        let exchange = market::exchange(settings)?;
        Ok((Self, descriptor::configuration(exchange)))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let payload = Payload::parse(&event.payload)?;
        let symbol = payload.text("symbol")?;
        let timeframe = payload.text("timeframe")?;
        let channel = market::channel(descriptor::FAMILY, &symbol, &timeframe)?;
        let data = Data {
            symbol: &symbol,
            exchange: &exchange_name(&payload)?,
            timeframe: &timeframe,
            signal_type: "momentum_signal",
            direction: Direction::of(payload.field("triggerLabel")),
            strength: Strength::of(payload.field("triggerValue")),
            price: payload.decimal("price")?,
            timestamp: payload.instant("triggeredAt")?,
        };
        Ok(vec![publish(channel, descriptor::MESSAGE_TYPE, &data)?])
    }
}

/// The exchange's name, which is free text upstream and must not smuggle anything out.
fn exchange_name<'a>(payload: &Payload<'a>) -> Result<Cow<'a, str>, Rejection> {
    let name = payload.text("sourceExchangeName")?;
    let mut bytes = name.bytes();
    let begins_well = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    let goes_on_well =
        bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'_' | b'-'));
    if begins_well && goes_on_well && name.len() <= 64 {
        Ok(name)
    } else {
        Err(reject::invalid(
            "sourceExchangeName",
            "1 to 64 letters, digits, spaces, dots, underscores and hyphens, \
             the first a letter or a digit",
        ))
    }
}

#[cfg(test)]
mod tests;
