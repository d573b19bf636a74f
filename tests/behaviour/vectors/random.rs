//! Random events: mostly good ones in every form that JSON allows, and some with one field
//! spoilt, always among fields that are nobody's business.

use tidegate_tests::payloads::{alert_channel, candle_channel};

use super::oracle::{self, Alert, Candle, Raw, Reason, Verdict};
use tidegate_tests::dice::Dice;

/// What is published.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) channel: String,
    pub(super) payload: String,
}

const SYMBOLS: [&str; 6] = [
    "BTC-USD",
    "ETH-USD",
    "1INCH-USDT",
    "a-b",
    "Sol-eUr",
    "X9-9X",
];
const TIMEFRAMES: [&str; 6] = ["1m", "5m", "15m", "1h", "4h", "1d"];
const HIDDEN: [&str; 12] = [
    r#""macdV":777.125"#,
    r#""fastEMA":777.125"#,
    r#""atr":{"atr":[777.125,null]}"#,
    r#""informativeATR":"777.125""#,
    r#""sequenceNum":31337"#,
    r#""isSynthetic":true"#,
    r#""hidden":"hidden \"open\":\"1\" hidden""#,
    r#""type":"hidden""#,
    r#""channel":"channel:exchange:1:hidden""#,
    r#""data":{"hidden":"hidden"}"#,
    r#""Open":"31337""#,
    r#""__proto__":{"hidden":1}"#,
];
const NO_DECIMAL: [&str; 22] = [
    "null",
    "true",
    "{}",
    "[]",
    "[1]",
    r#""""#,
    r#""abc""#,
    r#""1,5""#,
    r#"" 1""#,
    r#""1 ""#,
    r#""+1""#,
    r#"".5""#,
    r#""1.""#,
    r#""01""#,
    r#""0x10""#,
    r#""NaN""#,
    r#""Infinity""#,
    "1e999999999",
    r#""1e999999999""#,
    "1e-999999999",
    r#""-""#,
    r#""1e""#,
];

/// An object of these fields in any order, with others between them; sometimes a field is
/// there twice, and the last one counts.
fn object(dice: &mut Dice, fields: &[(&str, Raw<'_>)]) -> String {
    let mut written: Vec<String> = Vec::new();
    for (name, raw) in fields {
        if let Some(raw) = raw {
            written.push(format!("\"{name}\":{raw}"));
        }
    }
    for hidden in HIDDEN {
        if dice.once_in(2) {
            written.push(hidden.to_owned());
        }
    }
    dice.shuffle(&mut written);
    if let (true, Some((name, Some(_)))) = (dice.once_in(8), fields.first()) {
        written.insert(0, format!("\"{name}\":\"hidden\""));
    }
    format!("{{{}}}", written.join(dice.pick(&[",", " ,\n", ", "])))
}

/// A good decimal, as a number or as a string.
fn decimal(dice: &mut Dice) -> String {
    let number = dice.number();
    if dice.once_in(3) {
        format!("\"{number}\"")
    } else {
        number
    }
}

fn spoilt(dice: &mut Dice) -> Option<String> {
    (!dice.once_in(4)).then(|| dice.pick(&NO_DECIMAL).to_owned())
}

/// Texts that are no object at all.
fn no_object(dice: &mut Dice) -> String {
    let texts = [
        "",
        "{",
        "null",
        "[]",
        "1",
        "\"x\"",
        r#"{"timestamp":1,}"#,
        "{'a':1}",
        "{} {}",
    ];
    dice.pick(&texts).to_owned()
}

pub(super) fn candles(seed: u64, count: usize) -> Vec<(Event, Verdict)> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| one_candle(&mut dice)).collect()
}

fn one_candle(dice: &mut Dice) -> (Event, Verdict) {
    let (mut symbol, mut timeframe) = (dice.pick(&SYMBOLS), dice.pick(&TIMEFRAMES));
    if dice.once_in(25) {
        symbol = dice.pick(&["BTCUSD", "BTC_USD", "-USD", "BTC-", "BTC-USD-X", "BTC USD"]);
    } else if dice.once_in(25) {
        timeframe = dice.pick(&["2h", "1H", "60", "", "1hh"]);
    }
    let channel = candle_channel(1, symbol, timeframe);
    if dice.once_in(20) {
        let bad_channel = oracle::candle(&Candle {
            symbol,
            timeframe,
            fields: [Some("0"); 6],
        });
        if bad_channel.is_ok() {
            let payload = no_object(dice);
            return (Event { channel, payload }, Err(Reason::Malformed));
        }
    }
    let time = match dice.below(8) {
        0 => "0".to_owned(),
        1 => "253402300799999".to_owned(),
        2 => format!("{}.0", dice.below(2_000_000_000_000)),
        3 => "1.7082648e12".to_owned(),
        _ => dice.below(4_000_000_000_000).to_string(),
    };
    let mut values: [Option<String>; 6] = std::array::from_fn(|_| Some(decimal(dice)));
    values[0] = Some(time);
    // One fault at a time: with two, the order in which they are found would matter.
    let channel_is_good = SYMBOLS.contains(&symbol) && TIMEFRAMES.contains(&timeframe);
    if channel_is_good && dice.once_in(4) {
        let which = usize::try_from(dice.below(6)).expect("small");
        values[which] = match which {
            0 => Some(
                dice.pick(&[
                    "null",
                    "-1",
                    "1.5",
                    "253402300800000",
                    r#""1708264800000""#,
                    "true",
                    "1e300",
                    "[]",
                ])
                .to_owned(),
            ),
            _ => spoilt(dice),
        };
    }
    let fields = values.each_ref().map(Option::as_deref);
    let names = ["timestamp", "open", "high", "low", "close", "volume"];
    let pairs: Vec<_> = names.into_iter().zip(fields).collect();
    let payload = object(dice, &pairs);
    let verdict = oracle::candle(&Candle {
        symbol,
        timeframe,
        fields,
    });
    (Event { channel, payload }, verdict)
}

pub(super) fn alerts(seed: u64, count: usize) -> Vec<(Event, Verdict)> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| one_alert(&mut dice)).collect()
}

const LABELS: [&str; 28] = [
    r#""reversal_oversold""#,
    r#""reversal_oversold_2""#,
    r#""reversal_overbought""#,
    r#""reversal_overbought_x""#,
    r#""reversal_""#,
    r#""level_3""#,
    r#""level_-3""#,
    r#""level_0""#,
    r#""level_-0""#,
    r#""level_-0.5""#,
    r#""level_""#,
    r#""level_abc""#,
    r#""level_-1e1""#,
    r#""level_-.5""#,
    r#""level_.5""#,
    r#""level_-2x""#,
    r#""level_2 -3""#,
    r#""level_-Infinity""#,
    r#""level_-inf""#,
    r#""level_ -1e""#,
    r#""level_-""#,
    r#""level_-0x10""#,
    r#""Level_3""#,
    r#""""#,
    r#""xlevel_3""#,
    "null",
    "3",
    "{}",
];
const VALUES: [&str; 24] = [
    "85.3",
    "-85.3",
    "150",
    "149.999",
    "-150",
    "80",
    "79.99999",
    "30",
    "-30",
    "29.9999",
    "0",
    "-0",
    "1e400",
    "1.5e2",
    r#""85.3""#,
    r#""-150.0""#,
    r#""29""#,
    r#""8e1""#,
    r#""abc""#,
    "null",
    "true",
    "{}",
    "[200]",
    r#""12 apples""#,
];
/// Good moments with their milliseconds, then bad ones.
const MOMENTS: [(&str, Option<i64>); 15] = [
    (r#""2026-02-19T12:00:00.000Z""#, Some(1_771_502_400_000)),
    (r#""2026-02-19T12:00:00Z""#, Some(1_771_502_400_000)),
    (r#""2026-02-19T14:00:00.5+02:00""#, Some(1_771_502_400_500)),
    (r#""2026-02-18T22:30:00-13:30""#, Some(1_771_502_400_000)),
    (r#""2026-02-19T12:00:00.123999Z""#, Some(1_771_502_400_123)),
    (r#""1970-01-01T00:00:00Z""#, Some(0)),
    (r#""2024-02-29T23:59:59.999Z""#, Some(1_709_251_199_999)),
    ("null", None),
    (r#""""#, None),
    (r#""yesterday""#, None),
    (r#""2026-02-19""#, None),
    (r#""2026-02-19T12:00:00""#, None),
    (r#""2026-02-30T12:00:00Z""#, None),
    (r#""2026-02-19T25:00:00Z""#, None),
    ("1771502400000", None),
];

fn one_alert(dice: &mut Dice) -> (Event, Verdict) {
    let channel = alert_channel(1);
    if dice.once_in(20) {
        let payload = no_object(dice);
        return (Event { channel, payload }, Err(Reason::Malformed));
    }
    let quoted = |text: &str| Some(format!("\"{text}\""));
    let mut symbol = quoted(dice.pick(&SYMBOLS));
    let mut timeframe = quoted(dice.pick(&TIMEFRAMES));
    let mut exchange = quoted(dice.pick(&["coinbase", "Kraken Pro", "x", "b.it_st-amp", "0x"]));
    let mut price = Some(decimal(dice));
    let mut moment = MOMENTS[usize::try_from(dice.below(7)).expect("small")];
    let wrong = [
        "null",
        "1",
        "{}",
        r#""""#,
        r#""<script>""#,
        r#""BTC-USD:1h""#,
        r#""a\u0000b""#,
    ];
    match dice.below(20) {
        0 => symbol = Some(dice.pick(&wrong).to_owned()),
        1 => timeframe = Some(dice.pick(&wrong).to_owned()),
        2 => exchange = Some(dice.pick(&wrong).to_owned()),
        3 => price = spoilt(dice),
        4 => moment = MOMENTS[7 + usize::try_from(dice.below(8)).expect("small")],
        5 => symbol = None,
        6 => exchange = None,
        _ => {}
    }
    let label = (!dice.once_in(12)).then(|| dice.pick(&LABELS));
    let value = (!dice.once_in(12)).then(|| dice.pick(&VALUES));
    let alert = Alert {
        symbol: symbol.as_deref(),
        timeframe: timeframe.as_deref(),
        exchange: exchange.as_deref(),
        price: price.as_deref(),
        triggered_at: (Some(moment.0), moment.1),
        label,
        value,
    };
    let pairs = [
        ("symbol", alert.symbol),
        ("timeframe", alert.timeframe),
        ("sourceExchangeName", alert.exchange),
        ("price", alert.price),
        ("triggeredAt", alert.triggered_at.0),
        ("triggerLabel", label),
        ("triggerValue", value),
    ];
    let payload = object(dice, &pairs);
    (Event { channel, payload }, oracle::alert(&alert))
}
