//! Candle closes become `candles:{symbol}:{timeframe}`.
//!
//! What is public about a candle: when it began, four prices and a volume. Symbol and
//! timeframe come from the upstream channel, whatever the payload says of them. How it is
//! described to the host is in `descriptor`.

mod descriptor;

use std::borrow::Cow;

use serde::Serialize;
use tidegate_sdk::market;
use tidegate_sdk::{
    Descriptor, Event, Payload, Publication, Rejection, Transform, publish, reject,
};

tidegate_sdk::export!(Candle);

/// The transform for the candles of one exchange.
pub struct Candle {
    /// The exchange's number, as upstream channels name it.
    exchange: String,
}

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
    fn configure(settings: &str) -> Result<(Self, Descriptor), String> {
        let exchange = market::exchange(settings)?;
        let candle = Self {
            exchange: exchange.to_string(),
        };
        Ok((candle, descriptor::descriptor(exchange)))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let (symbol, timeframe) = self.market(&event.channel)?;
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
        Ok(vec![publish(channel, &data)?])
    }
}

impl Candle {
    /// Symbol and timeframe of `channel:exchange:{exchange}:candle:close:{symbol}:{timeframe}`.
    fn market<'a>(&self, channel: &'a str) -> Result<(&'a str, &'a str), Rejection> {
        let mut parts = channel.split(':');
        let mut next = || parts.next();
        let (Some("channel"), Some("exchange"), Some(exchange), Some("candle"), Some("close")) =
            (next(), next(), next(), next(), next())
        else {
            return Err(reject::malformed("not a candle close channel"));
        };
        let (Some(symbol), Some(timeframe), None) = (next(), next(), next()) else {
            return Err(reject::malformed("not a candle close channel"));
        };
        if exchange != self.exchange {
            return Err(reject::unwanted("a candle of another exchange"));
        }
        Ok((symbol, timeframe))
    }
}

#[cfg(test)]
mod tests;
