//! The messages of the benchmark, on both sides of the host: numbered candles, whose public
//! form is known to the byte, so that readers can check everything that they get.

/// What all sessions of the fan-out subscribe to.
pub(crate) const PUBLIC_CHANNEL: &str = "candles:BTC-USD:1h";

/// Where the events come from.
pub(crate) const UPSTREAM_CHANNEL: &str = "channel:exchange:1:candle:close:BTC-USD:1h";

/// All numbers have as many digits, so all frames are of one length.
const FIRST: usize = 1_000_000;

/// The event with this number, in the volume. The fields that are not public are of the usual
/// number.
pub(crate) fn payload(number: usize) -> String {
    format!(
        r#"{{"timestamp":1708264800000,"open":42350.5,"high":42450.75,"low":42300.25,"close":42400.0,"volume":{},"symbol":"BTC-USD","timeframe":"1h","exchange":"coinbase","isSynthetic":false,"sequenceNum":42,"macdV":85.3,"fastEMA":42390.1,"slowEMA":42310.7,"atr":120.4,"informativeATR":118.9}}"#,
        FIRST + number
    )
}

/// The whole WebSocket frame that a client must get for it.
pub(crate) fn frame(number: usize) -> Vec<u8> {
    let text = format!(
        r#"{{"type":"candle_close","channel":"{PUBLIC_CHANNEL}","data":{{"timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5","high":"42450.75","low":"42300.25","close":"42400","volume":"{}"}}}}"#,
        FIRST + number
    );
    let length = u16::try_from(text.len()).expect("a candle has some 200 bytes");
    let mut frame = vec![0x81, 126];
    frame.extend(length.to_be_bytes());
    frame.extend(text.into_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_frames_are_of_one_length_and_need_two_bytes_for_it() {
        let length = frame(0).len();
        assert!((126 + 4..65_536).contains(&length));
        assert_eq!(frame(8_999_999).len(), length);
    }
}
