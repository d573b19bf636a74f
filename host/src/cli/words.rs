//! Numbers, names, times and tables as people read them, and colours where a terminal has any.
//! What comes from a component or from another operator is escaped here before it is shown.

use std::io::IsTerminal;

use comfy_table::{Table, presets};
use jiff::Timestamp;

pub(super) use crate::count::count;
use crate::transform::printable;

/// The longest text of others that is shown, in characters.
const MAX_CHARS: usize = 500;

/// Text of somebody else, safe for a terminal.
pub(super) fn safe(text: &str) -> String {
    printable(text, MAX_CHARS)
}

/// A time as `850 ns`, `4.2 µs`, `1.3 ms` or `2.0 s`.
pub(super) fn micros(micros: f64) -> String {
    match micros {
        m if m <= 0.0 => "-".to_owned(),
        m if m < 1.0 => format!("{:.0} ns", m * 1e3),
        m if m < 1e3 => format!("{m:.1} µs"),
        m if m < 1e6 => format!("{:.1} ms", m / 1e3),
        m => format!("{:.1} s", m / 1e6),
    }
}

/// A time as `45s` or `2m 5s`.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = std::time::Duration::from_secs(seconds.max(0.0).ceil() as u64);
    humantime::format_duration(whole).to_string()
}

/// A size as `812 B`, `78.4 KiB`, `12.0 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// A moment without the fractions that nobody reads: cut off, so that what was is never said
/// to be in the future.
pub(super) fn moment(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

/// Columns without lines, as they can be cut out by other programs.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n") + "\n"
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours where standard output is a terminal that wants them.
    pub(super) fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            on: std::io::stdout().is_terminal() && !unwanted && !dumb,
        }
    }

    #[cfg(test)]
    pub(super) const NONE: Self = Self { on: false };
    #[cfg(test)]
    pub(super) const ALL: Self = Self { on: true };

    pub(super) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_unit_that_fits() {
        let texts = [0.0, 0.85, 4.21, 1300.0, 2e6].map(micros);
        assert_eq!(texts, ["-", "850 ns", "4.2 µs", "1.3 ms", "2.0 s"]);
        assert_eq!(seconds(124.2), "2m 5s");
        assert_eq!(bytes(80_282), "78.4 KiB");
        let at = "2026-02-03T04:05:06.789Z".parse().unwrap();
        assert_eq!(moment(at), "2026-02-03T04:05:06Z");
    }

    #[test]
    fn a_terminal_sequence_of_a_component_is_not_played() {
        assert_eq!(safe("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(Paint::NONE.red("x"), "x");
        assert_eq!(Paint::ALL.red("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
