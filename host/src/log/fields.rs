//! Fields of a text log: a value with a space, a line break or a quotation mark is quoted
//! and escaped, so that nothing that comes from outside can look like another field or line.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes `message a=1 b="two words"`.
#[derive(Debug)]
pub(super) struct Quoted;

impl<'writer> FormatFields<'writer> for Quoted {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = FieldWriter {
            writer,
            first: true,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct FieldWriter<'writer> {
    writer: Writer<'writer>,
    first: bool,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn put(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            let pause = if std::mem::replace(&mut self.first, false) {
                ""
            } else {
                " "
            };
            self.result = match field.name() {
                "message" => write!(self.writer, "{pause}{}", Escaped(value)),
                name if is_plain(value) => write!(self.writer, "{pause}{name}={value}"),
                name => write!(self.writer, "{pause}{name}={value:?}"),
            };
        }
    }
}

impl Visit for FieldWriter<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// Whether a value can stand without quotes.
fn is_plain(value: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || "-_.:/+*%@#[]{}()<>&~;,…".contains(c);
    !value.is_empty() && value.chars().all(part_of_a_word)
}

/// A message without control characters.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[derive(Default)]
    struct Page(parking_lot::Mutex<Vec<u8>>);

    impl io::Write for &Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let page = Arc::new(Page::default());
        let subscriber = tracing_subscriber::fmt()
            .with_writer(page.clone())
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .fmt_fields(Quoted)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn plain_values_stand_as_they_are_and_others_are_quoted() {
        let line = logged(|| {
            tracing::info!(count = 3, name = "a-b", address = %"127.0.0.1:80", why = "two words", none = "", "said");
        });
        assert_eq!(
            line,
            "said count=3 name=a-b address=127.0.0.1:80 why=\"two words\" none=\"\"\n"
        );
    }

    #[test]
    fn no_value_forges_a_field_or_a_line() {
        for evil in [
            "x\nlevel=error",
            "x admin=true",
            "x\" admin=\"true",
            "a=b",
            "\u{1b}[2J",
            "\u{9b}2J",
            "\u{2028}",
        ] {
            let line = logged(|| {
                tracing::info!(by_str = evil, by_display = %evil, by_debug = ?evil, "said {evil}");
            });
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(!line.trim_end().contains(char::is_control), "{line:?}");
            let quoted = format!("by_str={evil:?} by_display={evil:?}");
            assert!(line.contains(&quoted), "{line:?}");
        }
    }

    #[test]
    fn a_spans_fields_are_quoted_alike() {
        let line = logged(|| {
            let span = tracing::info_span!("session", key = "a b");
            span.in_scope(|| tracing::info!("said"));
        });
        assert_eq!(line, "session{key=\"a b\"}: said\n");
    }
}
