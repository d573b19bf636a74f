//! Market data: the exchange that a transform serves, and the two parameters of its
//! channels, symbol and timeframe.

use crate::{AllowedValues, Parameter, Rejection, Settings, reject};

/// What a symbol looks like: base and quote, each of 1 to 32 letters and digits.
pub const SYMBOL_PATTERN: &str = "^[A-Za-z0-9]{1,32}-[A-Za-z0-9]{1,32}$";

/// The timeframes there are, shortest first.
pub const TIMEFRAMES: [&str; 6] = ["1m", "5m", "15m", "1h", "4h", "1d"];

/// The settings that there are: the exchange.
pub const SETTINGS_SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{"exchange":{"type":"integer","minimum":1,"maximum":4294967295,"default":1,"description":"The exchange's number, as upstream channels name it."}}}"#;

/// The exchange that the settings name. It is the only setting there is: 1 where it is left out.
pub fn exchange(settings: &str) -> Result<u32, String> {
    Settings::parse(settings, &["exchange"])?.integer("exchange", 1..=u32::MAX, 1)
}

/// The parameters of a channel such as `candles:BTC-USD:1h`.
pub fn parameters() -> Vec<Parameter> {
    vec![
        Parameter {
            name: "symbol".to_owned(),
            allowed: AllowedValues::Pattern(SYMBOL_PATTERN.to_owned()),
        },
        Parameter {
            name: "timeframe".to_owned(),
            allowed: AllowedValues::OneOf(TIMEFRAMES.map(str::to_owned).to_vec()),
        },
    ]
}

/// The public channel of `family` for a symbol and a timeframe that came from upstream.
pub fn channel(family: &str, symbol: &str, timeframe: &str) -> Result<String, Rejection> {
    if !is_symbol(symbol) {
        return Err(reject::invalid("symbol", "such as BTC-USD"));
    }
    if !TIMEFRAMES.contains(&timeframe) {
        return Err(reject::invalid("timeframe", "one of 1m 5m 15m 1h 4h 1d"));
    }
    Ok([family, ":", symbol, ":", timeframe].concat())
}

/// Whether `text` is what [`SYMBOL_PATTERN`] describes.
pub fn is_symbol(text: &str) -> bool {
    let is_side = |side: &str| {
        (1..=32).contains(&side.len()) && side.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.split_once('-')
        .is_some_and(|(base, quote)| is_side(base) && is_side(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_two_sides_of_letters_and_digits() {
        let longest = format!("{}-{}", "A".repeat(32), "9".repeat(32));
        for good in ["BTC-USD", "b-u", "1000SHIB-USDT", &longest] {
            assert!(is_symbol(good), "{good}");
        }
        let too_long = format!("{}-USD", "A".repeat(33));
        for bad in [
            "",
            "-",
            "BTC",
            "BTC-",
            "-USD",
            "BTC-USD-X",
            "BTC_USD",
            "BTC-USD ",
            "BTC-ÜSD",
            "*-USD",
            &too_long,
        ] {
            assert!(!is_symbol(bad), "{bad}");
        }
    }
}
