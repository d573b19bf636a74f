//! What a person sees on standard error while something takes long: a spinner or a bar on a
//! terminal, a line otherwise.

use std::io::IsTerminal;
use std::pin::pin;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::print::complain;

/// How long something may take before it is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often progress is told where lines cannot be drawn over.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Waits for `work`, and shows `doing` as soon as that takes over a second.
pub(super) async fn shown<T>(doing: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    let progress = ProgressLine::spinner();
    progress.bar.set_elapsed(PATIENCE);
    progress.tell(doing, None);
    work.await
}

/// Something that is under way. It is taken off the screen when it is dropped.
#[derive(Debug)]
pub(super) struct ProgressLine {
    bar: ProgressBar,
    /// Where there is no terminal: when a line was written last.
    line: Option<parking_lot::Mutex<Option<Instant>>>,
}

impl ProgressLine {
    /// Shows work that has no known end.
    pub(super) fn spinner() -> Self {
        Self::of(ProgressBar::new_spinner(), "{spinner} {msg} ({elapsed})")
    }

    /// Shows work that goes from 0 to 1.
    pub(super) fn bar() -> Self {
        Self::of(ProgressBar::new(PARTS), "{bar:30} {percent:>3} % {msg}")
    }

    fn of(bar: ProgressBar, form: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        let terminal = std::io::stderr().is_terminal();
        Self {
            bar,
            line: (!terminal).then(Default::default),
        }
    }

    /// What is going on, and how far it is.
    pub(super) fn tell(&self, doing: &str, part: Option<f64>) {
        if let Some(part) = part {
            self.bar.set_position((part * PARTS as f64) as u64);
        }
        self.bar.set_message(doing.to_owned());
        let Some(last) = &self.line else { return };
        let mut last = last.lock();
        if last.is_none_or(|last| last.elapsed() >= BETWEEN_LINES) {
            let part = part.map_or(String::new(), |part| format!(" ({:.0} %)", part * 100.0));
            complain(&format!("{doing}{part} …"));
            *last = Some(Instant::now());
        }
    }
}

/// Steps of a bar.
const PARTS: u64 = 1000;

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
