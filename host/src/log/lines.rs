//! Lines that wait to be written: whoever logs leaves one here and goes on. What does not
//! fit, or cannot be written, is counted.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use prometheus::{IntCounter, IntGauge};

use crate::metrics::Metrics;

/// How long until a stream that takes nothing at the moment is tried again; only one that
/// somebody has made non-blocking says so.
const TRY_AGAIN: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct LineQueue {
    /// Bytes that may wait.
    limit: usize,
    state: Mutex<QueuedLines>,
    changed: Condvar,
    waiting: IntGauge,
    lost: IntCounter,
}

#[derive(Debug, Default)]
struct QueuedLines {
    lines: VecDeque<Vec<u8>>,
    /// Bytes of these lines, and of the line that is being written.
    bytes: usize,
    closed: bool,
}

impl LineQueue {
    pub(super) fn new(limit: usize, metrics: &Metrics) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            changed: Condvar::new(),
            waiting: metrics.log_queue_bytes.clone(),
            lost: metrics.log_lines_lost.clone(),
        }
    }

    /// Leaves a line to be written. It never waits for a writer.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.state.lock();
        if state.bytes + line.len() > self.limit {
            return self.lost.inc();
        }
        state.bytes += line.len();
        self.show(&state);
        state.lines.push_back(line);
        drop(state);
        self.changed.notify_all();
    }

    /// Writes line after line, until this is closed and empty.
    pub(super) fn write_all_to(&self, out: &mut impl Write) {
        // A line that was cut short must not run into the next.
        let mut torn = false;
        while let Some(line) = self.next() {
            let line = LineInHand { lines: self, line };
            let whole = (!torn || write_all(out, b"\n").is_ok()) && {
                let mut left = &line.line[..];
                let written = write_from(out, &mut left);
                torn = left.len() < line.line.len() && written.is_err();
                written.is_ok()
            };
            if !whole {
                self.lost.inc();
            }
        }
    }

    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                return Some(line);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Waits until what was left is written, but not longer than `patience`.
    pub(super) fn close(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.state.lock();
        state.closed = true;
        self.changed.notify_all();
        while state.bytes > 0 && !self.changed.wait_until(&mut state, end).timed_out() {}
    }

    fn show(&self, state: &QueuedLines) {
        let bytes = i64::try_from(state.bytes).unwrap_or(i64::MAX);
        self.waiting.set(bytes);
    }
}

/// A line in the writer's hands; however the writer ends, its bytes wait no more.
struct LineInHand<'a> {
    lines: &'a LineQueue,
    line: Vec<u8>,
}

impl Drop for LineInHand<'_> {
    fn drop(&mut self) {
        let mut state = self.lines.state.lock();
        state.bytes -= self.line.len();
        self.lines.show(&state);
        drop(state);
        self.lines.changed.notify_all();
    }
}

fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    write_from(out, &mut bytes)
}

/// Writes what is left, and leaves what could not be written.
fn write_from(out: &mut impl Write, left: &mut &[u8]) -> io::Result<()> {
    while !left.is_empty() {
        match out.write(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *left = &left[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(TRY_AGAIN),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The log gives each line whole.
impl Write for &LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn lines(limit: usize) -> (Metrics, Arc<LineQueue>) {
        let metrics = Metrics::new();
        let lines = Arc::new(LineQueue::new(limit, &metrics));
        (metrics, lines)
    }

    /// A stream that answers as it is told, and then takes everything.
    struct Moody {
        answers: VecDeque<io::Result<usize>>,
        taken: Vec<u8>,
    }

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.answers.pop_front().unwrap_or(Ok(bytes.len()))?;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(lines: &LineQueue, answers: impl Into<VecDeque<io::Result<usize>>>) -> String {
        let (answers, taken) = (answers.into(), Vec::new());
        let mut out = Moody { answers, taken };
        lines.close(Duration::ZERO);
        lines.write_all_to(&mut out);
        String::from_utf8(out.taken).unwrap()
    }

    #[test]
    fn what_fits_is_written_in_order_and_what_does_not_is_counted() {
        let (metrics, lines) = lines(8);
        for line in ["one\n", "two\n", "three\n"] {
            lines.push(line.into());
        }
        assert_eq!(
            (metrics.log_lines_lost.get(), metrics.log_queue_bytes.get()),
            (1, 8)
        );
        assert_eq!(written(&lines, []), "one\ntwo\n");
        assert_eq!(metrics.log_queue_bytes.get(), 0);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_the_next_is_tried() {
        let (metrics, lines) = lines(100);
        for line in ["one\n", "two\n", "three\n"] {
            lines.push(line.into());
        }
        let full = || Err(ErrorKind::StorageFull.into());
        let text = written(&lines, [full(), full()]);
        assert_eq!(text, "three\n");
        assert_eq!(metrics.log_lines_lost.get(), 2);
    }

    #[test]
    fn a_line_that_was_cut_short_does_not_run_into_the_next() {
        let (metrics, lines) = lines(100);
        for line in ["one\n", "two\n", "three\n"] {
            lines.push(line.into());
        }
        let full = || Err(ErrorKind::StorageFull.into());
        let text = written(&lines, [Ok(2), full(), full()]);
        assert_eq!(text, "on\nthree\n");
        assert_eq!(metrics.log_lines_lost.get(), 2);
    }

    #[test]
    fn a_stream_that_takes_nothing_at_the_moment_is_tried_again() {
        let (metrics, lines) = lines(100);
        lines.push("one\n".into());
        let later = || Err(ErrorKind::WouldBlock.into());
        let interrupted = Err(ErrorKind::Interrupted.into());
        assert_eq!(
            written(&lines, [later(), Ok(1), interrupted, later()]),
            "one\n"
        );
        assert_eq!(metrics.log_lines_lost.get(), 0);
    }

    #[test]
    fn the_end_waits_for_the_last_lines_but_not_for_ever() {
        let (_metrics, lines) = lines(100);
        lines.push("one\n".into());
        let started = Instant::now();
        lines.close(Duration::from_millis(50));
        assert!(
            started.elapsed() >= Duration::from_millis(50),
            "nobody wrote"
        );
        let writing = lines.clone();
        let writer = std::thread::spawn(move || writing.write_all_to(&mut io::sink()));
        lines.close(Duration::from_secs(60));
        writer.join().unwrap();
    }
}
