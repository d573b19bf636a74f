//! The upstream of the demo: a small market that never closes, told as the internal bus
//! would tell it, proprietary fields and all, so that there is something to keep inside.
//!
//! The one file of the host that may know a family: it plays the platform, not the host.
//! The seed is fixed, so every demo walks the same way from the same start.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

/// A channel that something happens on every second.
pub const EXAMPLE_CHANNEL: &str = "candles:BTC-USD:1m";

const EXCHANGE: u32 = 1;
const SEED: u64 = 0x7469_6465_6761_7465;

/// Name and minutes. The first closes every second, the others take turns.
const TIMEFRAMES: [(&str, i64); 6] = [
    ("1m", 1),
    ("5m", 5),
    ("15m", 15),
    ("1h", 60),
    ("4h", 240),
    ("1d", 1440),
];

const LABELS: [&str; 5] = [
    "level_3",
    "reversal_oversold",
    "level_-2",
    "reversal_overbought",
    "level_0",
];

/// Offers events, as upstream channel and payload, every second for as long as it runs.
pub async fn run(offer: impl Fn(String, Vec<u8>)) {
    let mut market = Market::new(SEED);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        seconds.tick().await;
        for (channel, payload) in market.second(Timestamp::now()) {
            offer(channel, payload.to_string().into_bytes());
        }
    }
}

struct Market {
    random: SplitMix,
    symbols: [Symbol; 3],
    second: u64,
    next_alert: u64,
    alerts: usize,
}

struct Symbol {
    name: &'static str,
    price: f64,
    /// Where the present candle of each timeframe began.
    opens: [f64; TIMEFRAMES.len()],
    candles: u64,
}

impl Symbol {
    fn new(name: &'static str, price: f64) -> Self {
        Self {
            name,
            price,
            opens: [price; TIMEFRAMES.len()],
            candles: 0,
        }
    }
}

impl Market {
    fn new(seed: u64) -> Self {
        let symbols = [
            ("BTC-USD", 42_350.5),
            ("ETH-USD", 2_280.25),
            ("SOL-USD", 98.4),
        ];
        let symbols = symbols.map(|(name, price)| Symbol::new(name, price));
        Self {
            random: SplitMix(seed),
            symbols,
            second: 0,
            next_alert: 1,
            alerts: 0,
        }
    }

    /// All events of one second.
    fn second(&mut self, now: Timestamp) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        let timeframe_due = 1 + (self.second % (TIMEFRAMES.len() as u64 - 1)) as usize;
        for symbol in &mut self.symbols {
            symbol.price = cents(symbol.price * (1.0 + self.random.between(-0.002, 0.002)));
            for timeframe in [0, timeframe_due] {
                events.push(symbol.candle(timeframe, now, &mut self.random));
            }
        }
        if self.second == self.next_alert {
            events.push(self.alert(now));
            self.next_alert += 2 + self.random.next() % 2;
        }
        self.second += 1;
        events
    }

    fn alert(&mut self, now: Timestamp) -> (String, Value) {
        let symbol = &self.symbols[self.random.next() as usize % self.symbols.len()];
        let strength = cents(self.random.between(-200.0, 200.0));
        // The forms that the platform's own events have.
        let trigger = match self.alerts % 4 {
            0 | 2 => json!(strength),
            1 => json!(strength.to_string()),
            _ => Value::Null,
        };
        let price = match self.alerts % 3 {
            0 => json!(symbol.price.to_string()),
            _ => json!(symbol.price),
        };
        let payload = json!({
            "id": 1000 + self.alerts,
            "symbol": symbol.name,
            "alertType": "macdv",
            "timeframe": TIMEFRAMES[self.alerts % TIMEFRAMES.len()].0,
            "price": price,
            "triggerValue": trigger,
            "signalDelta": cents(self.random.between(-20.0, 20.0)),
            "triggeredAt": format!("{now:.3}"),
            "sourceExchangeId": EXCHANGE,
            "sourceExchangeName": "coinbase",
            "triggerLabel": LABELS[self.alerts % LABELS.len()],
            "macdV": cents(self.random.between(-150.0, 150.0)),
            "informativeATR": cents(symbol.price * self.random.between(0.001, 0.01)),
        });
        self.alerts += 1;
        (format!("channel:alerts:exchange:{EXCHANGE}"), payload)
    }
}

impl Symbol {
    /// The close of the present candle of that timeframe.
    fn candle(
        &mut self,
        timeframe: usize,
        now: Timestamp,
        random: &mut SplitMix,
    ) -> (String, Value) {
        let (label, minutes) = TIMEFRAMES[timeframe];
        let length = minutes * 60_000;
        let (open, close) = (self.opens[timeframe], self.price);
        self.opens[timeframe] = close;
        self.candles += 1;
        let atr = cents(close * random.between(0.001, 0.01));
        let payload = json!({
            "timestamp": now.as_millisecond().div_euclid(length) * length,
            "open": open,
            "high": cents(open.max(close) * (1.0 + random.between(0.0, 0.001))),
            "low": cents(open.min(close) * (1.0 - random.between(0.0, 0.001))),
            "close": close,
            "volume": (random.between(1.0, 250.0) * 1000.0).round() / 1000.0,
            "symbol": self.name,
            "timeframe": label,
            "exchange": "coinbase",
            "isSynthetic": random.next().is_multiple_of(20),
            "sequenceNum": self.candles,
            "macdV": cents(random.between(-150.0, 150.0)),
            "fastEMA": cents(close * random.between(0.99, 1.01)),
            "slowEMA": cents(close * random.between(0.98, 1.02)),
            "atr": atr,
            "informativeATR": cents(atr * random.between(0.8, 1.2)),
        });
        let name = self.name;
        (
            format!("channel:exchange:{EXCHANGE}:candle:close:{name}:{label}"),
            payload,
        )
    }
}

/// Rounding keeps order, so a rounded high is never below a rounded close.
fn cents(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// splitmix64: small, and good enough for prices that mean nothing.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        from + (to - from) * unit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    use super::*;

    fn now() -> Timestamp {
        "2026-02-19T12:34:56.789Z".parse().unwrap()
    }

    fn seconds(count: usize) -> Vec<Vec<(String, Value)>> {
        let mut market = Market::new(SEED);
        (0..count).map(|_| market.second(now())).collect()
    }

    #[test]
    fn the_same_seed_walks_the_same_way() {
        assert_eq!(seconds(20), seconds(20));
        let of_another_seed: Vec<_> = Market::new(SEED + 1).second(now());
        assert_ne!(seconds(1)[0], of_another_seed);
    }

    #[test]
    fn every_symbol_closes_a_minute_each_second_and_all_timeframes_within_five() {
        let batches = seconds(5);
        let mut seen = BTreeSet::new();
        for events in &batches {
            for symbol in ["BTC-USD", "ETH-USD", "SOL-USD"] {
                let channel = format!("channel:exchange:1:candle:close:{symbol}:1m");
                assert_eq!(
                    events.iter().filter(|(name, _)| *name == channel).count(),
                    1
                );
            }
            seen.extend(
                events
                    .iter()
                    .filter_map(|(name, _)| name.rsplit(':').next()),
            );
        }
        for (timeframe, _) in TIMEFRAMES {
            assert!(seen.contains(timeframe), "{timeframe}");
        }
    }

    #[test]
    fn candles_are_consistent_and_carry_what_must_stay_inside() {
        for (channel, candle) in seconds(300).concat() {
            if !channel.contains(":candle:") {
                continue;
            }
            let number = |field: &str| candle[field].as_f64().unwrap();
            let (open, high, low, close) = (
                number("open"),
                number("high"),
                number("low"),
                number("close"),
            );
            assert!(
                low > 0.0 && low <= open.min(close) && high >= open.max(close),
                "{candle}"
            );
            let (symbol, timeframe) = (&candle["symbol"], &candle["timeframe"]);
            let end = format!(
                "{}:{}",
                symbol.as_str().unwrap(),
                timeframe.as_str().unwrap()
            );
            assert!(channel.ends_with(&end));
            for field in [
                "macdV",
                "fastEMA",
                "slowEMA",
                "atr",
                "informativeATR",
                "sequenceNum",
            ] {
                assert!(candle[field].is_number(), "{field}");
            }
        }
    }

    #[test]
    fn a_candle_begins_where_its_present_timeframe_does() {
        let events = seconds(1).concat();
        let (_, minute) = events
            .iter()
            .find(|(name, _)| name.ends_with("BTC-USD:1m"))
            .unwrap();
        let start: Timestamp = "2026-02-19T12:34:00Z".parse().unwrap();
        assert_eq!(minute["timestamp"], start.as_millisecond());
    }

    #[test]
    fn an_alert_comes_every_two_or_three_seconds_in_all_forms() {
        let mut alerts = Vec::new();
        let mut quiet = 0;
        for events in seconds(120) {
            let found = events
                .into_iter()
                .find(|(name, _)| name == "channel:alerts:exchange:1");
            quiet = if found.is_some() { 0 } else { quiet + 1 };
            assert!(quiet <= 2);
            alerts.extend(found.map(|(_, alert)| alert));
        }
        assert!((40..=60).contains(&alerts.len()), "{}", alerts.len());
        let some = |test: fn(&Value) -> bool| alerts.iter().any(test);
        assert!(some(|alert| alert["triggerValue"].is_null()));
        assert!(some(|alert| alert["triggerValue"].is_number()));
        assert!(some(|alert| alert["triggerValue"].is_string()));
        assert!(some(|alert| alert["price"].is_string()));
        assert!(
            alerts
                .iter()
                .all(|alert| alert["triggeredAt"] == "2026-02-19T12:34:56.789Z")
        );
    }

    #[tokio::test]
    async fn it_offers_at_once() {
        let (send, events) = mpsc::channel();
        let demo = run(move |channel, payload| {
            let _: Value = serde_json::from_slice(&payload).unwrap();
            send.send(channel).unwrap();
        });
        // The sender goes with the feed.
        let _ = tokio::time::timeout(Duration::from_millis(500), demo).await;
        assert_eq!(events.iter().count(), 6);
    }
}
