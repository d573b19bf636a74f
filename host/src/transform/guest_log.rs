//! Log lines of components: escaped, cut, and limited in number.

use std::time::{Duration, Instant};

use super::contract::log::Level;
use crate::metrics::TransformMetrics;

/// The longest line, in characters; what a guest writes beyond is cut off.
const MAX_CHARS: usize = 256;

/// The log of one instance. The allowance is by instance and second; a transform has as many
/// instances as lanes.
#[derive(Debug)]
pub(super) struct GuestLog {
    metrics: TransformMetrics,
    transform: String,
    per_second: u32,
    second: Instant,
    written: u32,
}

impl GuestLog {
    pub(super) fn new(metrics: TransformMetrics, transform: &str, per_second: u32) -> Self {
        Self {
            metrics,
            transform: transform.into(),
            per_second,
            second: Instant::now(),
            written: 0,
        }
    }

    pub(super) fn write(&mut self, level: Level, message: &str) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.written = 0;
        }
        if self.written >= self.per_second {
            self.metrics.log_line("dropped").inc();
            return;
        }
        self.written += 1;
        self.metrics.log_line("written").inc();
        let (transform, line) = (self.transform.as_str(), escape(message));
        match level {
            Level::Debug => tracing::debug!(target: "guest", transform, "{line}"),
            Level::Info => tracing::info!(target: "guest", transform, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", transform, "{line}"),
            Level::Error => tracing::error!(target: "guest", transform, "{line}"),
        }
    }
}

/// One printable line: control characters, line breaks and terminal sequences come out as
/// escapes.
fn escape(message: &str) -> String {
    let mut line = String::new();
    let mut chars = message.chars();
    for c in chars.by_ref().take(MAX_CHARS) {
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
        assert_eq!(escape("a\n\u{1b}[31mb"), "a\\u{a}\\u{1b}[31mb");
        assert_eq!(escape("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(escape(&"é".repeat(MAX_CHARS)).chars().count(), MAX_CHARS);
        assert_eq!(
            escape(&"é".repeat(MAX_CHARS + 1)).chars().count(),
            MAX_CHARS + 1
        );
    }

    #[test]
    fn lines_within_the_allowance_are_written_and_the_rest_counted() {
        let metrics = Metrics::new().transform("t");
        let mut log = GuestLog::new(metrics.clone(), "t", 3);
        for _ in 0..5 {
            log.write(Level::Info, "line");
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
