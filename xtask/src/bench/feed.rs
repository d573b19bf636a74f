//! The messages of the benchmark, on both sides of the host: numbered candles, whose public
//! form is known but for `seq`, so that readers can check everything that they get.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::frames::{self, Frame};

/// All numbers have as many digits.
const FIRST: usize = 1_000_000;

const TIMEFRAMES: [&str; 6] = ["1h", "1m", "5m", "15m", "4h", "1d"];

const HEAD: &[u8] = br#"{"type":"candle_close","channel":"candles:M"#;
const DATA: &[u8] = br#""data":{"timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5312475","high":"42450.7531247","low":"42300.2531247","close":"42400.1312475","volume":""#;
const TAIL: &[u8] = br#""}}"#;

/// Everything that there is.
pub(crate) const EVERYTHING: &str = "candles:*:*";

/// Events go to so many channels in turn, at most 60,000: event `n` to that of market
/// `n % markets`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Markets(pub(crate) usize);

impl Markets {
    /// The market of a message, or of a session where these are spread in the same way.
    pub(crate) fn of(self, number: usize) -> usize {
        number % self.0
    }
}

/// Symbol and timeframe: all timeframes of a symbol, then those of the next.
fn name(market: usize) -> String {
    let timeframe = TIMEFRAMES[market % TIMEFRAMES.len()];
    format!("M{:04}-USD:{timeframe}", market / TIMEFRAMES.len())
}

/// What sessions subscribe to.
pub(crate) fn public_channel(market: usize) -> String {
    format!("candles:{}", name(market))
}

/// A pattern that nothing which is published matches.
pub(crate) fn foreign_pattern(number: usize) -> String {
    format!("candles:F{number:05}-USD:*")
}

/// Where the events come from.
pub(crate) fn upstream_channel(market: usize) -> String {
    format!("channel:exchange:1:candle:close:{}", name(market))
}

/// The event with this number, in the volume. The fields that are not public are of the usual
/// number.
pub(crate) fn payload(number: usize, market: usize) -> String {
    let name = name(market);
    let (symbol, timeframe) = name.split_once(':').unwrap_or_default();
    format!(
        r#"{{"timestamp":1708264800000,"open":42350.5312475,"high":42450.7531247,"low":42300.2531247,"close":42400.1312475,"volume":{},"symbol":"{symbol}","timeframe":"{timeframe}","exchange":"coinbase","isSynthetic":false,"sequenceNum":42,"macdV":85.3,"fastEMA":42390.1,"slowEMA":42310.7,"atr":120.4,"informativeATR":118.9}}"#,
        FIRST + number
    )
}

/// `PUBLISH` of such an event, as Redis is told.
pub(crate) fn publish(number: usize, markets: Markets) -> Vec<u8> {
    let market = markets.of(number);
    let (channel, payload) = (upstream_channel(market), payload(number, market));
    let (a, b) = (channel.len(), payload.len());
    format!("*3\r\n$7\r\nPUBLISH\r\n${a}\r\n{channel}\r\n${b}\r\n{payload}\r\n").into_bytes()
}

/// The whole WebSocket frame for it, as the host would number it.
pub(crate) fn frame(number: usize, markets: Markets) -> Vec<u8> {
    let mut text = HEAD.to_vec();
    let name = name(markets.of(number));
    text.extend(name[1..].bytes());
    text.extend(format!(r#"","seq":{},"#, number / markets.0 + 1).bytes());
    text.extend(DATA);
    text.extend((FIRST + number).to_string().bytes());
    text.extend(TAIL);
    let length = u16::try_from(text.len()).expect("a candle has some 230 bytes");
    let mut frame = vec![0x81, 126];
    frame.extend(length.to_be_bytes());
    frame.extend(text);
    frame
}

/// Reads a frame of the host; none where it ends the connection.
///
/// # Errors
/// It is not what the host may send.
pub(crate) fn read_frame(frame: Frame<'_>) -> Result<Option<Message>> {
    match frame.opcode {
        frames::CLOSE => Ok(None),
        frames::PING => Ok(Some(Message::Notice)),
        frames::TEXT => read(frame.payload).map(Some),
        unknown => bail!("a frame of the kind {unknown}"),
    }
}

/// What a client is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Candle(Candle),
    /// So many messages that the client did not get, by count.
    Gap(u64),
    /// A message that says nothing of the stream, or not how much it is short.
    Notice,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Candle {
    pub(crate) number: usize,
    pub(crate) market: usize,
    /// Hosts of before this was numbered have none.
    pub(crate) seq: Option<u64>,
}

/// Reads a text that a client got.
///
/// # Errors
/// It is not what the host may say.
fn read(text: &[u8]) -> Result<Message> {
    if let Some(rest) = text.strip_prefix(HEAD) {
        let candle = candle(rest).with_context(|| format!("not as sent: {}", shown(text)))?;
        return Ok(Message::Candle(candle));
    }
    let value: Value = serde_json::from_slice(text).context("no JSON")?;
    match value["type"].as_str() {
        Some("gap") => Ok(gap(&value)),
        Some("status" | "subscribed" | "unsubscribed") => Ok(Message::Notice),
        _ => bail!("the host says {}", shown(text)),
    }
}

fn gap(value: &Value) -> Message {
    let number = |name: &str| value[name].as_u64();
    let missed = match (number("count"), number("from"), number("to")) {
        (Some(count), ..) => Some(count),
        (None, Some(from), Some(to)) => (to + 1).checked_sub(from),
        _ => None,
    };
    missed.map_or(Message::Notice, Message::Gap)
}

/// Whether it is a message of a channel, which need not be looked at closely.
pub(crate) fn is_message(text: &[u8]) -> bool {
    text.starts_with(HEAD)
}

/// What follows `HEAD`, compared byte for byte.
fn candle(rest: &[u8]) -> Option<Candle> {
    let (symbol, rest) = digits(rest.split_at_checked(4)?)?;
    let rest = rest.strip_prefix(b"-USD:")?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let (timeframe, rest) = rest.split_at(end);
    let timeframe = TIMEFRAMES
        .iter()
        .position(|name| name.as_bytes() == timeframe)?;
    let mut rest = rest.strip_prefix(b"\",")?;
    let mut seq = None;
    if let Some(numbered) = rest.strip_prefix(br#""seq":"#) {
        let end = numbered.iter().position(|byte| *byte == b',')?;
        let (number, after) = digits(numbered.split_at(end))?;
        (seq, rest) = (Some(number as u64), &after[1..]);
    }
    let rest = rest.strip_prefix(DATA)?;
    let (number, rest) = digits(rest.split_at_checked(7)?)?;
    (rest == TAIL).then_some(Candle {
        number: number.checked_sub(FIRST)?,
        market: symbol * TIMEFRAMES.len() + timeframe,
        seq,
    })
}

/// The first half as a number.
fn digits<'a>((digits, rest): (&[u8], &'a [u8])) -> Option<(usize, &'a [u8])> {
    let mut number: usize = 0;
    for digit in digits {
        let digit = usize::from(digit.checked_sub(b'0')?);
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some((number, rest))
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_made_with_and_without_a_seq() {
        for (number, markets, seq) in [(0, 1, 1), (17, 7, 3), (8_999_999, 60_000, 150)] {
            let markets = Markets(markets);
            let frame = frame(number, markets);
            let candle = |seq| {
                let market = markets.of(number);
                Message::Candle(Candle {
                    number,
                    market,
                    seq,
                })
            };
            assert_eq!(read(&frame[4..]).expect("as made"), candle(Some(seq)));
            let text = String::from_utf8(frame[4..].to_vec()).expect("text");
            let older = text.replace(&format!(r#""seq":{seq},"#), "");
            assert_eq!(read(older.as_bytes()).expect("an older one"), candle(None));
            assert!(read(text.replace("42400", "42401").as_bytes()).is_err());
        }
    }

    #[test]
    fn a_gap_counts_what_it_says_and_nothing_where_nobody_knows() {
        let gap = |text: &str| read(text.as_bytes()).expect("a gap");
        let exact = r#"{"type":"gap","channel":"c","from":3,"to":5,"reason":"slow"}"#;
        assert_eq!(gap(exact), Message::Gap(3));
        let many =
            r#"{"type":"gap","channel":"c:*","from":null,"to":null,"count":1234,"reason":"slow"}"#;
        assert_eq!(gap(many), Message::Gap(1234));
        let unknown = r#"{"type":"gap","channel":"c","from":null,"to":null,"reason":"upstream"}"#;
        assert_eq!(gap(unknown), Message::Notice);
        assert!(read(br#"{"type":"error","code":"rate"}"#).is_err());
    }

    #[test]
    fn a_burst_of_three_thousand_has_some_690_kilobytes() {
        let bytes: usize = (0..3_000).map(|n| frame(n, Markets(3_000)).len()).sum();
        assert!((660_000..720_000).contains(&bytes), "{bytes}");
    }
}
