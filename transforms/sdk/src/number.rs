//! Decimal numbers as text, without loss: prices are never turned into floating point.
//!
//! Reads JSON's number grammar and nothing else, writes plain notation, and compares with
//! whole numbers. No arithmetic.

/// The most characters that [`Number::plain`] writes. More than any price has, and far less
/// than `1e999999999` would need.
pub const MAX_PLAIN: usize = 64;

/// What [`Number::plain`] writes, as a pattern.
pub const PATTERN: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$";

/// An exponent beyond this is as good as infinite: no payload holds so many digits.
const MAX_EXPONENT: i64 = 1 << 40;

/// A decimal number: `0.DIGITS × 10^point`, with a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    /// Significant digits, without zeros at either end. Empty for zero.
    digits: String,
    /// Where the decimal point is, counted from the first digit.
    point: i64,
}

impl Number {
    /// Reads `text` if it is a JSON number from its first character to its last.
    pub fn parse(text: &str) -> Option<Self> {
        let (minus, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }

        let all = [whole, fraction].concat();
        let without_front = all.trim_start_matches('0');
        let leading_zeros = all.len() - without_front.len();
        let digits = without_front.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                point: 0,
            });
        }
        Some(Self {
            negative: minus,
            digits: digits.to_owned(),
            point: length(whole) - i64::try_from(leading_zeros).ok()? + exponent,
        })
    }

    /// Plain notation: no exponent, no zeros that say nothing, no negative zero. `None` where
    /// that takes more than [`MAX_PLAIN`] characters.
    pub fn plain(&self) -> Option<String> {
        let digits = self.digits.as_str();
        if digits.is_empty() {
            return Some("0".to_owned());
        }
        let count = length(digits);
        let unsigned = if self.point <= 0 {
            count - self.point + 2
        } else if self.point < count {
            count + 1
        } else {
            self.point
        };
        // Checked before anything is written: the exponent may ask for gigabytes.
        if unsigned + i64::from(self.negative) > length_limit() {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        match usize::try_from(self.point) {
            Ok(point @ 1..) => match digits.split_at_checked(point) {
                Some((whole, "")) => Some([sign, whole].concat()),
                Some((whole, fraction)) => Some([sign, whole, ".", fraction].concat()),
                None => Some(format!("{sign}{digits:0<point$}")),
            },
            _ => {
                let zeros = usize::try_from(-self.point).ok()?;
                Some(format!("{sign}0.{:0<zeros$}{digits}", ""))
            }
        }
    }

    /// Whether the number is less than zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether the number, without its sign, is `bound` or more.
    pub fn magnitude_is_at_least(&self, bound: u32) -> bool {
        let bound = bound.to_string();
        if bound == "0" {
            return true;
        }
        if self.digits.is_empty() {
            return false;
        }
        // Without leading zeros the point tells the order of magnitude, and digits of the same
        // order compare as text.
        match self.point.cmp(&length(&bound)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => self.digits.as_str() >= bound.trim_end_matches('0'),
        }
    }
}

/// Whether `text` is a number already as [`Number::plain`] writes it: most of them are, and
/// need not be taken apart.
pub fn is_plain(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let begins_well = is_digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
    let ends_well = match fraction {
        Some(fraction) => is_digits(fraction) && !fraction.ends_with('0'),
        None => text != "-0",
    };
    begins_well && ends_well && text.len() <= MAX_PLAIN
}

fn read_exponent(text: &str) -> Option<i64> {
    let (minus, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if !is_digits(digits) {
        return None;
    }
    // Digits that do not fit an integer are an exponent beyond the bound too.
    let size = digits
        .parse::<i64>()
        .map_or(MAX_EXPONENT, |size| size.min(MAX_EXPONENT));
    Some(if minus { -size } else { size })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn length_limit() -> i64 {
    i64::try_from(MAX_PLAIN).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
