//! Candle closes become `candles:{symbol}:{timeframe}`.
//!
//! What is public about a candle: when it began, four prices and a volume. Symbol and
//! timeframe come from the upstream channel, whatever the payload says of them. How it is
//! described to the host is in `descriptor`.

mod descriptor;

use std::borrow::Cow;

use serde::Serialize;
use tidegate_sdk::{
    Configuration, Descriptor, Event, Payload, Publication, Rejection, Transform, market, publish,
};

tidegate_sdk::export!(Candle);

/// The transform for candles. Of which exchange they are is in what it listens to.
pub struct Candle;

/// A message's `data`. Every field is the one way to write what was read.
#[derive(Serialize)]
struct Data<'a> {
    timestamp: String,
    open: Cow<'a, str>,
    high: Cow<'a, str>,
    low: Cow<'a, str>,
    close: Cow<'a, str>,
    volume: Cow<'a, str>,
}

impl Transform for Candle {
    fn describe() -> Descriptor {
        descriptor::descriptor()
    }

    fn configure(settings: &str) -> Result<(Self, Configuration), String> {
        let exchange = market::exchange(settings)?;
        Ok((Self, descriptor::configuration(exchange)))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let (symbol, timeframe) = (event.capture("symbol")?, event.capture("timeframe")?);
        let channel = market::channel(descriptor::FAMILY, symbol, timeframe)?;
        let payload = Payload::parse(&event.payload)?;
        let data = Data {
            timestamp: payload.milliseconds("timestamp")?,
            open: payload.decimal("open")?,
            high: payload.decimal("high")?,
            low: payload.decimal("low")?,
            close: payload.decimal("close")?,
            volume: payload.decimal("volume")?,
        };
        Ok(vec![publish(channel, descriptor::MESSAGE_TYPE, &data)?])
    }
}

#[cfg(test)]
mod tests;
