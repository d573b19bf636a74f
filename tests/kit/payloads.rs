//! Internal events as the platform publishes them, proprietary fields and all.

use serde_json::{Map, Value, json};

/// Names and values that belong to the platform. None may ever be seen by a client.
pub const SECRETS: [&str; 20] = [
    "macdV",
    "macdv",
    "fastEMA",
    "slowEMA",
    "atr",
    "informativeATR",
    "sequenceNum",
    "isSynthetic",
    "triggerValue",
    "triggerLabel",
    "signalDelta",
    "alertType",
    "sourceExchange",
    "triggeredAt",
    "level_",
    "reversal_",
    "channel:",
    "777.125",
    "31337",
    "hidden",
];

/// The upstream channel of a candle.
pub fn candle_channel(exchange: u32, symbol: &str, timeframe: &str) -> String {
    format!("channel:exchange:{exchange}:candle:close:{symbol}:{timeframe}")
}

/// The upstream channel of all alerts of an exchange.
pub fn alert_channel(exchange: u32) -> String {
    format!("channel:alerts:exchange:{exchange}")
}

/// A payload that can be changed field by field.
#[derive(Debug, Clone)]
pub struct Payload(Map<String, Value>);

impl Payload {
    /// A candle close with every field that was ever seen in one.
    pub fn candle() -> Self {
        let value = json!({
            "timestamp": 1_708_264_800_000_i64, "open": 42350.5, "high": 42450.75,
            "low": 42300.25, "close": 42400.0, "volume": 123.456, "symbol": "BTC-USD",
            "timeframe": "1h", "exchange": "coinbase", "isSynthetic": false, "sequenceNum": 31337,
            "macdV": 777.125, "fastEMA": 777.125, "slowEMA": 777.125, "atr": 777.125,
            "informativeATR": 777.125, "hiddenOfTomorrow": {"hidden": ["hidden"]},
        });
        Self::from(value)
    }

    /// An alert.
    pub fn alert() -> Self {
        let value = json!({
            "id": 31337, "symbol": "BTC-USD", "alertType": "macdv", "timeframe": "15m",
            "price": 42350.5, "triggerValue": 85.3, "signalDelta": 777.125,
            "triggeredAt": "2026-02-19T12:00:00.000Z", "sourceExchangeId": 1,
            "sourceExchangeName": "coinbase", "triggerLabel": "level_3", "hiddenNote": "hidden",
        });
        Self::from(value)
    }

    fn from(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self(fields),
            value => panic!("an object was written above, not {value}"),
        }
    }

    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    pub fn without(mut self, field: &str) -> Self {
        self.0.remove(field);
        self
    }

    /// A number that can be found again in the public message: the volume of a candle.
    pub fn numbered(self, number: usize) -> Self {
        self.with("volume", number)
    }

    pub fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// A candle whose public volume is `number`.
pub fn candle(number: usize) -> String {
    Payload::candle().numbered(number).text()
}

/// The number that `candle` put in.
pub fn number_of(message: &Value) -> usize {
    message["data"]["volume"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no number in {message}"))
}

/// Fails if anything proprietary is in what a client received.
pub fn assert_nothing_hidden(received: &str) {
    for secret in SECRETS {
        assert!(!received.contains(secret), "{secret} in {received}");
    }
}
