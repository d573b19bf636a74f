//! What should become of an event, said from its pieces by the words of the client
//! protocol. It works on raw JSON texts, with no code of the guests.

use serde_json::{Value, json};

use super::decimal::plain;
use super::moment::iso;

/// Why an event gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Malformed,
    Missing,
    Invalid,
}

impl Reason {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
        }
    }
}

/// The whole public message, or why there is none.
pub(super) type Verdict = Result<Value, Reason>;

/// A field's raw JSON text; nothing where the field is absent.
pub(super) type Raw<'a> = Option<&'a str>;

fn present(raw: Raw<'_>) -> Result<&str, Reason> {
    match raw {
        None | Some("null") => Err(Reason::Missing),
        Some(text) => Ok(text),
    }
}

/// A number, or a string that is one.
pub(super) fn decimal(raw: Raw<'_>) -> Result<String, Reason> {
    let text = present(raw)?;
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    plain(inner.unwrap_or(text)).ok_or(Reason::Invalid)
}

/// Milliseconds since 1970, as an integral number.
pub(super) fn timestamp(raw: Raw<'_>) -> Result<String, Reason> {
    let number = plain(present(raw)?).ok_or(Reason::Invalid)?;
    match number.parse::<i64>() {
        Ok(milliseconds @ 0..=253_402_300_799_999) => Ok(iso(milliseconds)),
        _ => Err(Reason::Invalid),
    }
}

pub(super) struct Candle<'a> {
    pub(super) symbol: &'a str,
    pub(super) timeframe: &'a str,
    /// Timestamp, open, high, low, close, volume.
    pub(super) fields: [Raw<'a>; 6],
}

pub(super) fn candle(candle: &Candle<'_>) -> Verdict {
    if !symbol_is_good(candle.symbol) || !timeframe_is_good(candle.timeframe) {
        return Err(Reason::Invalid);
    }
    let [at, open, high, low, close, volume] = candle.fields;
    Ok(json!({
        "type": "candle_close",
        "channel": format!("candles:{}:{}", candle.symbol, candle.timeframe),
        "data": {
            "timestamp": timestamp(at)?, "open": decimal(open)?, "high": decimal(high)?,
            "low": decimal(low)?, "close": decimal(close)?, "volume": decimal(volume)?,
        },
    }))
}

pub(super) struct Alert<'a> {
    pub(super) symbol: Raw<'a>,
    pub(super) timeframe: Raw<'a>,
    pub(super) exchange: Raw<'a>,
    pub(super) price: Raw<'a>,
    /// The raw text, and what moment it is where it is a good one.
    pub(super) triggered_at: (Raw<'a>, Option<i64>),
    pub(super) label: Raw<'a>,
    pub(super) value: Raw<'a>,
}

pub(super) fn alert(alert: &Alert<'_>) -> Verdict {
    let text = |raw, good: fn(&str) -> bool| {
        let text = present(raw)?;
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        inner.filter(|text| good(text)).ok_or(Reason::Invalid)
    };
    let symbol = text(alert.symbol, symbol_is_good)?;
    let timeframe = text(alert.timeframe, timeframe_is_good)?;
    let exchange = text(alert.exchange, exchange_is_good)?;
    let price = decimal(alert.price)?;
    present(alert.triggered_at.0)?;
    let at = alert.triggered_at.1.ok_or(Reason::Invalid)?;
    Ok(json!({
        "type": "trade_signal",
        "channel": format!("signals:{symbol}:{timeframe}"),
        "data": {
            "symbol": symbol, "exchange": exchange, "timeframe": timeframe,
            "signal_type": "momentum_signal", "direction": direction(alert.label),
            "strength": strength(alert.value), "price": price, "timestamp": iso(at),
        },
    }))
}

fn direction(label: Raw<'_>) -> &'static str {
    let Some(label) = label.and_then(|raw| raw.strip_prefix('"')?.strip_suffix('"')) else {
        return "bearish";
    };
    if label.starts_with("reversal_oversold") {
        return "bullish";
    }
    match label.strip_prefix("level_").map(leading_number) {
        Some(Some(level)) if level < 0.0 => "bearish",
        Some(_) => "bullish",
        None => "bearish",
    }
}

/// The longest number that the text begins with.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let of_number = |text: &str| {
        let digits = text.trim_start_matches(['+', '-']);
        digits == "Infinity"
            || digits
                .chars()
                .all(|c| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'))
    };
    let ends = (1..=text.len())
        .rev()
        .filter(|end| text.is_char_boundary(*end));
    let mut beginnings = ends.map(|end| &text[..end]);
    beginnings.find_map(|beginning| beginning.parse().ok().filter(|_| of_number(beginning)))
}

fn strength(value: Raw<'_>) -> &'static str {
    let number = value.and_then(|raw| {
        let inner = raw
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        inner.unwrap_or(raw).trim().parse::<f64>().ok()
    });
    match number.map(f64::abs) {
        None => "moderate",
        Some(size) if size >= 150.0 => "extreme",
        Some(size) if size >= 80.0 => "strong",
        Some(size) if size >= 30.0 => "moderate",
        Some(_) => "weak",
    }
}

fn symbol_is_good(symbol: &str) -> bool {
    let side = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    symbol
        .split_once('-')
        .is_some_and(|(base, quote)| side(base) && side(quote))
}

fn timeframe_is_good(timeframe: &str) -> bool {
    ["1m", "5m", "15m", "1h", "4h", "1d"].contains(&timeframe)
}

fn exchange_is_good(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" ._-".contains(&b))
}
