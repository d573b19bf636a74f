//! How commands speak: answers to standard output, everything else to standard error.
//!
//! `println!` and its kind panic when nobody reads any more or the device is full; clippy
//! refuses them in this crate, and what is here stands in their place.

use std::io::{self, Write};

/// A stream whose reader may have had enough, as `head` has: what is written from then on
/// goes nowhere, and the command does the rest of its work. Any other failure is an error.
#[derive(Debug)]
pub(super) struct UntilClosed<W>(W);

/// Standard output, for answers.
pub(super) fn stdout() -> UntilClosed<io::Stdout> {
    UntilClosed(io::stdout())
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(written: io::Result<T>, nothing: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(nothing),
        Err(error) => Err(unwritable(&error)),
        Ok(done) => Ok(done),
    }
}

/// The same error in words that say where it happened.
fn unwritable(error: &io::Error) -> io::Error {
    let text = format!("cannot write to standard output: {error}");
    io::Error::new(error.kind(), text)
}

/// Writes an answer and sees it out.
///
/// # Errors
/// Standard output does not take it, for another reason than that its reader has gone.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A line to standard error. Where that is gone too there is nobody left to tell.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails each write in one way.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_device_is() {
        let mut gone = UntilClosed(Broken(io::ErrorKind::BrokenPipe));
        assert!(writeln!(gone, "line").and_then(|()| gone.flush()).is_ok());
        let mut full = UntilClosed(Broken(io::ErrorKind::StorageFull));
        let error = writeln!(full, "line").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("standard output"), "{error}");
        assert!(full.flush().is_err());
    }
}
