//! Numbers as the decimals that their text says, exactly.

use std::cmp::Ordering;

/// `digits × 10^exponent`, with a sign. No zero at either end of the digits; none for zero.
pub(super) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    pub(super) fn of(number: &serde_json::Number) -> Self {
        Self::read(&number.to_string())
    }

    pub(super) fn whole(count: usize) -> Self {
        Self::read(&count.to_string())
    }

    fn read(text: &str) -> Self {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        let exponent: i64 = exponent.parse().expect("serde_json writes small exponents");
        let below = i64::try_from(fraction.len()).expect("a short text");
        let zeros = i64::try_from(significant.len() - digits.len()).expect("a short text");
        Self {
            negative: negative && !digits.is_empty(),
            digits: digits.to_owned(),
            exponent: exponent - below + zeros,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.digits.is_empty() || self.exponent >= 0
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.sign(), other.sign()) {
            (-1, -1) => other.compare_size(self),
            (1, 1) => self.compare_size(other),
            (mine, theirs) => mine.cmp(&theirs),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// Without signs, and neither is zero.
    fn compare_size(&self, other: &Self) -> Ordering {
        let order = |of: &Self| i64::try_from(of.digits.len()).expect("short") + of.exponent;
        // Of one order of magnitude, digits from the front compare as text.
        order(self)
            .cmp(&order(other))
            .then_with(|| self.digits.cmp(&other.digits))
    }

    /// Whether the division by a step above zero leaves nothing.
    pub(super) fn is_multiple_of(&self, step: &Self) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        let (Ok(mut rest), Ok(mut divisor)) =
            (self.digits.parse::<u128>(), step.digits.parse::<u128>())
        else {
            return false;
        };
        if step.negative || divisor == 0 {
            return false;
        }
        let shift = self.exponent - step.exponent;
        for _ in 0..-shift {
            // A divisor that is larger than any of our numbers divides none of them.
            match divisor.checked_mul(10) {
                Some(larger) => divisor = larger,
                None => return false,
            }
        }
        rest %= divisor;
        for _ in 0..shift {
            rest = rest * 10 % divisor;
        }
        rest == 0
    }
}
