//! Alerts become `signals:{symbol}:{timeframe}`.
//!
//! What is public about an alert: which market, where to, how strong, at which price and when.
//! Which indicator raised it, and its figures, stay inside: `rating` turns them into words.
//! How the component is described to the host is in `descriptor`.

mod descriptor;
mod parse_float;
mod rating;

use std::borrow::Cow;

use tidegate_sdk::{
    Configuration, Descriptor, Event, Payload, PublicData, Publication, Rejection, Transform,
    market, publish, reject,
};

use rating::{Direction, Strength};

tidegate_sdk::export!(Signal);

/// The transform for alerts. Of which exchange they are is in what it listens to.
pub struct Signal;

/// A momentum signal: where a market is expected to go, and how pronounced the momentum is. Not
/// advice to trade.
#[derive(PublicData)]
#[public(title = "Trade signal")]
struct Data<'a> {
    /// The market, as base and quote currency.
    #[public(max_length = 65, pattern = market::SYMBOL_PATTERN, example = "BTC-USD")]
    symbol: &'a str,
    /// Name of the exchange whose prices gave the signal.
    #[public(max_length = 64, pattern = EXCHANGE_NAME, example = "coinbase")]
    exchange: &'a str,
    /// Period of the candles that gave the signal.
    #[public(one_of = market::TIMEFRAMES)]
    timeframe: &'a str,
    /// The kind of signal. There is one so far; others may follow.
    #[public(constant = "momentum_signal")]
    signal_type: &'static str,
    /// Where the price is expected to go: up (`bullish`) or down (`bearish`).
    direction: Direction,
    /// How pronounced the momentum is, weakest first.
    strength: Strength,
    /// Price when the signal was given, in the quote currency: a decimal string, exact to the
    /// last digit.
    #[public(decimal, example = "42350.5")]
    price: Cow<'a, str>,
    /// When the signal was given, in UTC with milliseconds.
    #[public(timestamp, example = "2026-02-19T12:00:00.000Z")]
    timestamp: String,
}

/// What [`exchange_name`] lets pass.
const EXCHANGE_NAME: &str = "^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$";

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
