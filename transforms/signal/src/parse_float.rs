//! Numbers in text as JavaScript's `parseFloat` reads them: the longest number that the text
//! begins with, whatever comes after it.

/// The number, or NaN where the text begins with none.
pub(crate) fn parse_float(text: &str) -> f64 {
    let text = text.trim_start_matches(is_space);
    let number = length(text);
    text[..number].parse().unwrap_or(f64::NAN)
}

/// What JavaScript takes for white space. Rust's own set has U+0085 and not U+FEFF.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// The bytes of the number that the text begins with; 0 where it begins with none.
fn length(text: &str) -> usize {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    if unsigned.starts_with("Infinity") {
        return sign + "Infinity".len();
    }
    let whole = digits(unsigned);
    let fraction = match unsigned[whole..].strip_prefix('.') {
        Some(rest) => digits(rest),
        None => 0,
    };
    if whole + fraction == 0 {
        return 0;
    }
    let point = usize::from(unsigned[whole..].starts_with('.'));
    let mantissa = whole + point + fraction;
    sign + mantissa + exponent(&unsigned[mantissa..])
}

/// The bytes of an exponent; 0 where no digit is in it.
fn exponent(text: &str) -> usize {
    let Some(signed) = text.strip_prefix(['e', 'E']) else {
        return 0;
    };
    let unsigned = signed.strip_prefix(['+', '-']).unwrap_or(signed);
    match digits(unsigned) {
        0 => 0,
        digits => text.len() - unsigned.len() + digits,
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What JavaScript says, written by `vectors.mjs`.
    const VECTORS: &str = include_str!("parse_float/vectors.json");

    #[test]
    fn every_form_is_read_as_javascript_reads_it() {
        let vectors: Vec<(String, String)> = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.len() > 500, "{}", vectors.len());
        for (text, said) in vectors {
            let expected: f64 = said.parse().unwrap();
            let read = parse_float(&text);
            let same = read.to_bits() == expected.to_bits() || read.is_nan() && expected.is_nan();
            assert!(same, "{text:?}: {read}, JavaScript says {said}");
        }
    }
}
