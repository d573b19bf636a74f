//! Upstream events for tickers: the usual ones, and each oddity that languages read
//! differently when nobody has thought of it. The same seed gives the same events.

use crate::dice::Dice;

/// An upstream channel and a payload.
pub type Quote = (String, Vec<u8>);

const SYMBOLS: [&str; 5] = ["BTC-USD", "ETH-USD", "1000SHIB-USDT", "A-B", "SOL-EUR"];

/// Captures that are no symbol, or of an exchange that nobody has set.
const ODD_CHANNELS: [&str; 12] = [
    "1:ticker:",
    ":ticker:BTC-USD",
    ":ticker:",
    "2:ticker:BTC-USD",
    "constructor:ticker:BTC-USD",
    "__proto__:ticker:BTC-USD",
    "１:ticker:BTC-USD",
    "1:ticker:btc-usd",
    "1:ticker:BTC-USD\n",
    "1:ticker:BTC-ÜSD",
    "1:ticker:ＢＴＣ-USD",
    "1:ticker:BTC-USD-X",
];

/// Payloads that are no JSON object.
const MALFORMED: [&[u8]; 25] = [
    b"",
    b" ",
    b"ping",
    b"null",
    b"true",
    b"42",
    b"\"42\"",
    b"[]",
    br#"[{"last":"1","time":"2026-02-19T12:00:00Z"}]"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z""#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z"}}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z",}"#,
    br#"{"last":"1";"time":"2026-02-19T12:00:00Z"}"#,
    br#"{'last':'1','time':'2026-02-19T12:00:00Z'}"#,
    br#"{last:"1",time:"2026-02-19T12:00:00Z"}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z","desk":NaN}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z","desk":-Infinity}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z","desk":01}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z","desk":.5}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z","desk":"\x41"}"#,
    br#"{"last":"1","time":"2026-02-19T12:00:00Z"} // x"#,
    b"\xef\xbb\xbf{\"last\":\"1\",\"time\":\"2026-02-19T12:00:00Z\"}",
    b"{\"last\":\"1\",\"time\":\"2026-02-19T12:00:00Z\",\"desk\":\"\xff\"}",
    b"{\"last\":\"1\",\"time\":\"2026-02-19T12:00:00Z\",\"desk\":\"\xed\xa0\x80\"}",
    b"{\"last\":\"1\",\"time\":\"2026-02-19T12:00:00Z\",\"desk\":\"a\nb\"}",
];

/// JSON values in the place of a decimal; what is no decimal as text is refused.
const ODD_DECIMALS: [&str; 26] = [
    "null",
    "42350.5",
    "0",
    "true",
    "[]",
    r#"{"last":"1"}"#,
    r#""""#,
    r#"" 1""#,
    r#""1 ""#,
    r#""1\n""#,
    r#""-1""#,
    r#""-0""#,
    r#""+1""#,
    r#""1e3""#,
    r#""01""#,
    r#"".5""#,
    r#""5.""#,
    r#""1,5""#,
    r#""１""#,
    r#""\ud800""#,
    r#""0""#,
    r#""0.000000000000000001""#,
    r#""999999999999999999.999999999999999999""#,
    r#""9999999999999999999""#,
    r#""0.0000000000000000001""#,
    r#""\u0034\u0032.50""#,
];

const ODD_TIMES: [&str; 9] = [
    "null",
    "1771502400000",
    r#""""#,
    r#""2026-02-19 12:00:00Z""#,
    r#""2026-02-19T12:00:00""#,
    r#""2026-02-19T12:00:00+01:00""#,
    r#""2026-02-19T12:00:00.1234Z""#,
    r#""２026-02-19T12:00:00Z""#,
    r#""2026-02-19T12:00:00.5Z""#,
];

/// Fields that nobody reads.
const IGNORED: [&str; 12] = [
    r#""desk":"x7""#,
    r#""desk":"Zürich 🏦 ﷽ desk""#,
    r#""desk":"\ud83c\udfe6 \ud800""#,
    r#""desk":1e999"#,
    r#""desk":123456789012345678901234567890"#,
    r#""desk":-0.0"#,
    r#""__proto__":{"last":"666"}"#,
    r#""constructor":null"#,
    r#""":"no name""#,
    r#""last":"7","last":"8.25""#,
    r#""LAST":"9""#,
    r#""desk":{"book":[[["1"],{"bid":"2"}]]}"#,
];

/// So many events, always the same.
pub fn quotes(count: usize) -> Vec<Quote> {
    let mut dice = Dice::new(9);
    (0..count).map(|_| quote(&mut dice)).collect()
}

fn quote(dice: &mut Dice) -> Quote {
    let channel = match dice.once_in(8) {
        true => dice.pick(&ODD_CHANNELS).to_owned(),
        false => format!("1:ticker:{}", dice.pick(&SYMBOLS)),
    };
    let payload = match dice.below(20) {
        0..=2 => MALFORMED[dice.index(MALFORMED.len())].to_vec(),
        3 => nested(60).into_bytes(),
        _ => object(dice).into_bytes(),
    };
    (format!("channel:exchange:{channel}"), payload)
}

/// An object whose fields come in any order, some of them odd or not there.
fn object(dice: &mut Dice) -> String {
    let mut fields = Vec::new();
    for name in ["last", "bid", "ask"] {
        if !dice.once_in(12) {
            let value = match dice.once_in(6) {
                true => dice.pick(&ODD_DECIMALS).to_owned(),
                false => decimal(dice),
            };
            fields.push(format!("\"{name}\":{value}"));
        }
    }
    if !dice.once_in(20) {
        let value = match dice.once_in(10) {
            true => dice.pick(&ODD_TIMES).to_owned(),
            false => time(dice),
        };
        fields.push(format!("\"time\":{value}"));
    }
    for _ in 0..dice.below(3) {
        fields.push(dice.pick(&IGNORED).to_owned());
    }
    dice.shuffle(&mut fields);
    let [begin, between, end] = match dice.once_in(5) {
        true => ["\r\n{ ", " ,\t", " }\n"],
        false => ["{", ",", "}"],
    };
    format!("{begin}{}{end}", fields.join(between))
}

fn decimal(dice: &mut Dice) -> String {
    let places = 1 + u32::try_from(dice.below(17)).expect("small");
    let whole = dice.below(10_u64.pow(places));
    let digits = dice.below(19);
    if digits == 0 {
        return format!("\"{whole}\"");
    }
    let fraction: String = (0..digits).map(|_| dice.below(10).to_string()).collect();
    format!("\"{whole}.{fraction}\"")
}

fn time(dice: &mut Dice) -> String {
    let (minute, second, milli) = (dice.below(60), dice.below(60), dice.below(1000));
    format!("\"2026-02-19T12:{minute:02}:{second:02}.{milli:03}Z\"")
}

/// Lists in lists, beside what is read.
fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"desk":{open}{close},"last":"1.50","time":"2026-02-19T12:00:00Z"}}"#)
}
