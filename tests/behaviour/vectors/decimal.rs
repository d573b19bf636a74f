//! Decimals by text, for the oracle: nothing here knows how the guests do it.

/// Plain notation without an exponent or needless zeros; nothing where the text is no JSON
/// number or its plain form is out of all proportion.
pub(super) fn plain(text: &str) -> Option<String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if digits(fraction) => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    if !digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if !(-100..=100).contains(&point) {
        return None;
    }
    // Zeros on both sides make room for the point wherever it goes.
    let padded = format!("{}{digits}{}", "0".repeat(100), "0".repeat(100));
    let at = usize::try_from(point + 100).ok()?.min(padded.len());
    let whole = padded[..at].trim_start_matches('0');
    let fraction = padded[at..].trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let text = match fraction {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    };
    let text = if negative && text != "0" {
        format!("-{text}")
    } else {
        text
    };
    (text.len() <= 64).then_some(text)
}

fn exponent_of(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits(unsigned) {
        return None;
    }
    text.parse().ok()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[test]
fn the_oracle_knows_its_decimals() {
    for (text, expected) in [
        ("42350.5", Some("42350.5")),
        ("42400.0", Some("42400")),
        ("-0", Some("0")),
        ("-0.0e5", Some("0")),
        ("1e3", Some("1000")),
        ("1.50E-3", Some("0.0015")),
        ("-12.5e+1", Some("-125")),
        ("1e400", None),
        ("1e-400", None),
        ("01", None),
        ("1.", None),
        (".5", None),
        ("+1", None),
        ("", None),
        ("1e", None),
        ("NaN", None),
    ] {
        assert_eq!(plain(text).as_deref(), expected, "{text}");
    }
}
