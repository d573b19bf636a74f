//! The last price of each symbol, from `channel:exchange:{exchange}:ticker:{symbol}`.
//!
//! Nothing of an event goes out but what is named in [`Data`]. Decimals are text from end to
//! end: a JSON number may have been rounded by whoever wrote it, so it is refused. What the
//! component says of itself is in `descriptor`, what text must look like in `form`.

mod descriptor;
mod form;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_sdk::{
    Configuration, Descriptor, Event, Payload, PublicData, Publication, Rejection, Transform,
    publish, reject,
};

tidegate_sdk::export!(Ticker);

/// The transform, with its settings.
#[derive(Deserialize)]
pub struct Ticker {
    /// The public name of each exchange, by the number it has upstream.
    #[serde(default = "coinbase")]
    exchanges: BTreeMap<String, String>,
}

// A message's `data`.
#[derive(PublicData)]
struct Data<'a> {
    #[public(pattern = form::NAME)]
    exchange: &'a str,
    #[public(pattern = form::DECIMAL)]
    last: Cow<'a, str>,
    #[public(pattern = form::DECIMAL)]
    bid: Option<Cow<'a, str>>,
    #[public(pattern = form::DECIMAL)]
    ask: Option<Cow<'a, str>>,
    #[public(pattern = form::TIME)]
    time: Cow<'a, str>,
}

impl Transform for Ticker {
    fn describe() -> Descriptor {
        descriptor::descriptor()
    }

    fn configure(settings: &str) -> Result<(Self, Configuration), String> {
        let ticker: Self = serde_json::from_str(settings).map_err(|error| error.to_string())?;
        let mut names: Vec<_> = ticker.exchanges.values().collect();
        names.sort();
        if let Some(name) = names.windows(2).find_map(|pair| match pair {
            [name, next] => (name == next).then_some(name),
            _ => None,
        }) {
            return Err(format!(
                "setting `exchanges` has the name {name} twice: each exchange has a name of its own"
            ));
        }
        Ok((ticker, descriptor::configuration()))
    }

    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection> {
        let payload = Payload::parse(&event.payload)?;
        let exchange = self.exchanges.get(event.capture("exchange")?);
        let exchange = exchange.ok_or_else(|| reject::unwanted("an exchange of the settings"))?;
        let symbol = event.capture("symbol")?;
        if !form::is_symbol(symbol) {
            return Err(reject::invalid("symbol", "such as BTC-USD"));
        }
        let data = Data {
            exchange,
            last: required(&payload, "last", form::is_decimal)?,
            bid: optional(&payload, "bid", form::is_decimal)?,
            ask: optional(&payload, "ask", form::is_decimal)?,
            time: required(&payload, "time", form::is_time)?,
        };
        let channel = format!("{}:{symbol}", descriptor::FAMILY);
        Ok(vec![publish(channel, descriptor::MESSAGE_TYPE, &data)?])
    }
}

fn required<'a>(
    payload: &Payload<'a>,
    field: &str,
    is_form: fn(&str) -> bool,
) -> Result<Cow<'a, str>, Rejection> {
    let text = payload.text(field)?;
    if is_form(&text) {
        Ok(text)
    } else {
        Err(reject::invalid(field, "as the data-schema has it"))
    }
}

fn optional<'a>(
    payload: &Payload<'a>,
    field: &str,
    is_form: fn(&str) -> bool,
) -> Result<Option<Cow<'a, str>>, Rejection> {
    match payload.field(field) {
        Some(_) => required(payload, field, is_form).map(Some),
        None => Ok(None),
    }
}

fn coinbase() -> BTreeMap<String, String> {
    BTreeMap::from([("1".to_owned(), "coinbase".to_owned())])
}

#[cfg(test)]
mod tests;
