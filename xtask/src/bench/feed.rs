//! The messages of the benchmark, on both sides of the host: numbered candles, whose public
//! form is known to the byte, so that readers can check everything that they get.

/// All numbers have as many digits, so all frames are of one length.
const FIRST: usize = 1_000_000;

/// Events go to so many channels in turn: event `n` to that of market `n % markets`, below a
/// hundred.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Markets(pub(crate) usize);

impl Markets {
    /// The one of a message, or of a session where these are spread in the same way.
    pub(crate) fn of(self, number: usize) -> usize {
        number % self.0
    }
}

/// What sessions subscribe to.
pub(crate) fn public_channel(market: usize) -> String {
    format!("candles:M{market:02}-USD:1h")
}

/// Where the events come from.
pub(crate) fn upstream_channel(market: usize) -> String {
    format!("channel:exchange:1:candle:close:M{market:02}-USD:1h")
}

/// The event with this number, in the volume. The fields that are not public are of the usual
/// number.
pub(crate) fn payload(number: usize, market: usize) -> String {
    format!(
        r#"{{"timestamp":1708264800000,"open":42350.5,"high":42450.75,"low":42300.25,"close":42400.0,"volume":{},"symbol":"M{market:02}-USD","timeframe":"1h","exchange":"coinbase","isSynthetic":false,"sequenceNum":42,"macdV":85.3,"fastEMA":42390.1,"slowEMA":42310.7,"atr":120.4,"informativeATR":118.9}}"#,
        FIRST + number
    )
}

/// The whole WebSocket frame that a client must get for it.
pub(crate) fn frame(number: usize, market: usize) -> Vec<u8> {
    let channel = public_channel(market);
    let text = format!(
        r#"{{"type":"candle_close","channel":"{channel}","data":{{"timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5","high":"42450.75","low":"42300.25","close":"42400","volume":"{}"}}}}"#,
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
        let length = frame(0, 0).len();
        assert!((126 + 4..65_536).contains(&length));
        assert_eq!(frame(8_999_999, 99).len(), length);
    }
}
