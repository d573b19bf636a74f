//! Trades from `feed:example-stream:{symbol}`, as much of them as is public.
//!
//! [`public`] is the function to fill in, and [`Public`] names all that may leave. Which
//! channels there are is in `descriptor`.

mod descriptor;

use std::borrow::Cow;

use tidegate_sdk::{
    Configuration, Descriptor, Event, Payload, PublicData, Publication, Rejection, Transform,
    market, publish, reject,
};

tidegate_sdk::export!(Stream);

/// The transform. What is set for it would be its fields.
struct Stream;

/// A trade.
#[derive(PublicData)]
struct Public<'a> {
    /// What was paid, exact to the last digit.
    #[public(decimal, example = "42350.5")]
    price: Cow<'a, str>,
    /// Who took the offer.
    side: Side,
    /// When, in UTC with milliseconds.
    #[public(timestamp)]
    time: String,
}

#[derive(PublicData)]
enum Side {
    Buy,
    Sell,
}

/// What is public of an event, or why nothing is: the part to fill in.
fn public<'a>(payload: &Payload<'a>) -> Result<Public<'a>, Rejection> {
    Ok(Public {
        price: payload.decimal("price")?,
        side: match &*payload.text("side")? {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            _ => return Err(reject::invalid("side", "buy or sell")),
        },
        time: payload.milliseconds("time")?,
    })
}

impl Transform for Stream {
    fn describe() -> Descriptor {
        descriptor::descriptor()
    }

    fn configure(_settings: &str) -> Result<(Self, Configuration), String> {
        Ok((Self, descriptor::configuration()))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let symbol = event.capture("symbol")?;
        if !market::is_symbol(symbol) {
            return Err(reject::invalid("symbol", "such as BTC-USD"));
        }
        let payload = Payload::parse(&event.payload)?;
        let channel = format!("{}:{symbol}", descriptor::FAMILY);
        let data = public(&payload)?;
        Ok(vec![publish(channel, descriptor::MESSAGE_TYPE, &data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_samples_are_true() {
        assert_eq!(tidegate_sdk::sample::check::<Stream>("{}"), Ok(()));
    }
}
