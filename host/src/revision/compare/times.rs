//! Times of calls, as quantiles.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::revision::compare::report::Times;

/// Two digits: a difference of less than a hundredth is noise. Some 30 KiB for any time from
/// a nanosecond to an hour and more.
const DIGITS: u8 = 2;
const LONGEST: u64 = 3_600_000_000_000;

#[derive(Debug)]
pub(crate) struct Recorder(Histogram<u64>);

impl Recorder {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_max(LONGEST, DIGITS);
        Self(histogram.expect("the bounds are in order and there are 0 to 5 digits"))
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(LONGEST);
        self.0.saturating_record(nanos);
    }

    pub(crate) fn report(&self) -> Times {
        if self.0.is_empty() {
            return Times::default();
        }
        Times {
            p50: micros(self.0.value_at_quantile(0.5)),
            p99: micros(self.0.value_at_quantile(0.99)),
            mean: self.0.mean() / 1_000.0,
        }
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
