//! Candle closes become `candles:{symbol}:{timeframe}`.
//!
//! What is public about a candle: when it began, four prices and a volume. Symbol and
//! timeframe come from the upstream channel, whatever the payload says of them. How it is
//! described to the host is in `descriptor`.

mod descriptor;

use std::borrow::Cow;

use tidegate_sdk::{
    Configuration, Descriptor, Event, Payload, PublicData, Publication, Rejection, Transform,
    market, publish,
};

tidegate_sdk::export!(Candle);

/// The transform for candles. Of which exchange they are is in what it listens to.
pub struct Candle;

/// A candle that has closed: the prices and the volume of one period. Prices and volume are
/// decimal strings, exact to the last digit.
#[derive(PublicData)]
#[public(title = "Candle")]
struct Data<'a> {
    /// The candle's time as the exchange gives it, in UTC with milliseconds.
    #[public(timestamp, example = "2024-02-18T14:00:00.000Z")]
    timestamp: String,
    /// Price of the period's first trade, in the quote currency.
    #[public(decimal, example = "42350.5")]
    open: Cow<'a, str>,
    /// Highest price of the period, in the quote currency.
    #[public(decimal, example = "42450.75")]
    high: Cow<'a, str>,
    /// Lowest price of the period, in the quote currency.
    #[public(decimal, example = "42300.25")]
    low: Cow<'a, str>,
    /// Price of the period's last trade, in the quote currency.
    #[public(decimal, example = "42400")]
    close: Cow<'a, str>,
    /// Amount traded in the period, in the base currency.
    #[public(decimal, example = "123.456")]
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
