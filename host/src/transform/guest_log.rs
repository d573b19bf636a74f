//! Log lines of components: escaped, cut, and limited in number.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::contract::log::Level;
use crate::metrics::TransformMetrics;

/// The longest line, in characters; what a guest writes beyond is cut off.
const MAX_CHARS: usize = 256;

/// As many bytes of a line as can make a difference to what is shown of it.
pub(super) const MAX_LINE: usize = (MAX_CHARS + 1) * 4;

/// The log of one instance.
#[derive(Debug)]
pub(super) struct GuestLog {
    metrics: TransformMetrics,
    transform: String,
    allowance: Arc<Allowance>,
}

/// What all instances of a transform may write together: a guest that faults after each line
/// must not get a new allowance with each new instance.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: u32,
    /// When the present second began, and the lines since.
    used: Mutex<(Instant, u32)>,
}

impl Allowance {
    pub(super) fn new(per_second: u32) -> Arc<Self> {
        Arc::new(Self {
            per_second,
            used: Mutex::new((Instant::now(), 0)),
        })
    }

    fn take(&self) -> bool {
        let mut used = self.used.lock();
        if used.0.elapsed() >= Duration::from_secs(1) {
            *used = (Instant::now(), 0);
        }
        used.1 = used.1.saturating_add(1);
        used.1 <= self.per_second
    }
}

impl GuestLog {
    pub(super) fn new(
        metrics: TransformMetrics,
        transform: &str,
        allowance: Arc<Allowance>,
    ) -> Self {
        Self {
            metrics,
            transform: transform.into(),
            allowance,
        }
    }

    pub(super) fn write(&self, level: Level, message: &str) {
        if !self.allowance.take() {
            self.metrics.log_line("dropped").inc();
            return;
        }
        self.metrics.log_line("written").inc();
        let (transform, line) = (self.transform.as_str(), printable(message, MAX_CHARS));
        match level {
            Level::Debug => tracing::debug!(target: "guest", transform, "{line}"),
            Level::Info => tracing::info!(target: "guest", transform, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", transform, "{line}"),
            Level::Error => tracing::error!(target: "guest", transform, "{line}"),
        }
    }
}

/// Text of a guest or another stranger as one printable line of at most `max` characters: control characters, line
/// breaks and terminal sequences come out as escapes.
pub(crate) fn printable(message: &str, max: usize) -> String {
    let mut line = String::new();
    let mut chars = message.chars();
    for c in chars.by_ref().take(max) {
        if c.is_control() || is_layout(c) {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// Characters that change how the text around them is shown: bidirectional overrides, line
/// and paragraph separators, zero-width marks.
fn is_layout(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_line_is_printable_and_has_a_length() {
        assert_eq!(printable("a\n\u{1b}[31mb", 99), "a\\u{a}\\u{1b}[31mb");
        assert_eq!(printable("x\u{202e}y", 99), "x\\u{202e}y");
        assert_eq!(printable(&"é".repeat(9), 9).chars().count(), 9);
        assert_eq!(printable(&"é".repeat(10), 9), "é".repeat(9) + "…");
    }

    #[test]
    fn lines_within_the_allowance_are_written_and_the_rest_counted() {
        let metrics = Metrics::new().transform("t");
        let allowance = Allowance::new(3);
        for _ in 0..5 {
            let fresh_instance = GuestLog::new(metrics.clone(), "t", allowance.clone());
            fresh_instance.write(Level::Info, "line");
        }
        assert_eq!(
            (
                metrics.log_line("written").get(),
                metrics.log_line("dropped").get()
            ),
            (3, 2)
        );
    }
}
