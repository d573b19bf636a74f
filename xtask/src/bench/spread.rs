//! Some measurements of the same thing: the middle one, and how far apart they are; and many
//! delays by rank.

use std::fmt;

/// Median, least and most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(values.len() / 2)),
            least: at(0),
            most: at(last),
        }
    }
}

/// Delays in order.
#[derive(Debug)]
pub(crate) struct Ranked(Vec<u64>);

impl Ranked {
    /// In nanoseconds.
    pub(crate) fn of(delays: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = delays.collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    /// What this part of them does not exceed, in microseconds; none are no number.
    pub(crate) fn rank(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        let ranked = self.0.get((last * part) as usize);
        ranked.map_or(f64::NAN, |delay| *delay as f64 / 1e3)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} to {})",
            shown(self.median),
            shown(self.least),
            shown(self.most)
        )
    }
}

/// With as many digits as say something.
fn shown(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_that_of_an_odd_and_of_an_even_number() {
        let spread = |values: &[f64]| {
            let Spread {
                median,
                least,
                most,
            } = Spread::of(values.iter().copied());
            (least, median, most)
        };
        assert_eq!(spread(&[3.0, 1.0, 9.0]), (1.0, 3.0, 9.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), (1.0, 3.0, 9.0));
        assert_eq!(spread(&[5.0]), (5.0, 5.0, 5.0));
    }
}
