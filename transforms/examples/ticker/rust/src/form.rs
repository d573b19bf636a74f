//! What text must look like, as patterns for the schemas and as functions for events: a
//! component that brings an engine for regular expressions is ten times as large.

/// Base and quote, each of 1 to 16 capitals and digits.
pub(crate) const SYMBOL: &str = "^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$";

/// A decimal that is not negative, with at most 18 digits on either side.
pub(crate) const DECIMAL: &str = r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$";

/// A moment in UTC, to the millisecond at most.
pub(crate) const TIME: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z$";

/// The public name of an exchange.
pub(crate) const NAME: &str = "^[a-z]{1,16}$";

/// Whether `text` is what [`SYMBOL`] describes.
pub(crate) fn is_symbol(text: &str) -> bool {
    let is_side = |side: &str| {
        let mut bytes = side.bytes();
        (1..=16).contains(&side.len())
            && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let sides = text.split_once('-');
    sides.is_some_and(|(base, quote)| is_side(base) && is_side(quote))
}

/// Whether `text` is what [`DECIMAL`] describes.
pub(crate) fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    is_digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(is_digits)
}

/// Whether `text` is what [`TIME`] describes.
pub(crate) fn is_time(text: &str) -> bool {
    let Some((second, rest)) = text.split_at_checked("2026-02-19T12:00:00".len()) else {
        return false;
    };
    let fits = |(byte, model): (u8, u8)| match model {
        b'0' => byte.is_ascii_digit(),
        sign => byte == sign,
    };
    let fraction = rest
        .strip_prefix('.')
        .and_then(|rest| rest.strip_suffix('Z'));
    second.bytes().zip(*b"0000-00-00T00:00:00").all(fits)
        && (rest == "Z" || fraction.is_some_and(|digits| digits.len() <= 3 && is_digits(digits)))
}

/// 1 to 18 of them.
fn is_digits(text: &str) -> bool {
    (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
