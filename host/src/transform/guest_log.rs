//! Log lines of components: escaped, cut, and limited in number. The last of them that tell of
//! something wrong are kept for as long as a call takes, to go with a fault; those of a component
//! that is tried are kept for whoever sent it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::contract::log::Level;
use super::secrets::Secrets;
use crate::metrics::TransformMetrics;

/// The longest line, in characters; what a guest writes beyond is cut off.
const MAX_CHARS: usize = 256;

/// As many bytes of a line as can make a difference to what is shown of it.
pub(super) const MAX_LINE: usize = (MAX_CHARS + 1) * 4;

/// How many lines go with a fault.
const MAX_COMPLAINTS: usize = 8;

/// How many lines are kept of a component that is tried.
const MAX_HEARD: usize = 20;

/// The log of one instance.
#[derive(Debug)]
pub(super) struct GuestLog {
    metrics: TransformMetrics,
    transform: String,
    allowance: Arc<Allowance>,
    /// The last lines of the present call that tell of something wrong.
    complaints: VecDeque<String>,
    /// The first lines of the present call, where somebody listens to each.
    overheard: Option<Vec<String>>,
}

/// What all instances of a transform may write together: a guest that faults after each line must
/// not get a new allowance with each new instance. It also holds what they may not say.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: u32,
    /// What is not to be seen in anything that is written, from when that is known.
    secrets: OnceLock<Secrets>,
    /// The secrets until then: none.
    nothing: Secrets,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    /// When the present second began, and the lines since.
    since: Instant,
    lines: u32,
    /// What was written while somebody listens.
    heard: Option<Vec<String>>,
}

impl Allowance {
    pub(super) fn new(per_second: u32) -> Arc<Self> {
        Arc::new(Self {
            per_second,
            secrets: OnceLock::new(),
            nothing: Secrets::default(),
            used: Mutex::new(Used {
                since: Instant::now(),
                lines: 0,
                heard: None,
            }),
        })
    }

    /// As `new`, and what is written is kept until `heard` is called.
    pub(super) fn listening(per_second: u32) -> Arc<Self> {
        let allowance = Self::new(per_second);
        allowance.listen();
        allowance
    }

    /// What is written is kept from now on, until `heard` is called.
    pub(super) fn listen(&self) {
        self.used.lock().heard = Some(Vec::new());
    }

    /// The first lines that were written, with their levels. Nothing is kept from now on.
    pub(super) fn heard(&self) -> Vec<String> {
        self.used.lock().heard.take().unwrap_or_default()
    }

    /// From here on nothing of these is seen in anything that the instances say. It is said once.
    pub(super) fn keep_secret(&self, secrets: Secrets) {
        let _ = self.secrets.set(secrets);
    }

    /// What is not to be seen in anything that the instances say.
    pub(super) fn secrets(&self) -> &Secrets {
        self.secrets.get().unwrap_or(&self.nothing)
    }

    fn take(&self, level: Level, message: &str) -> bool {
        let mut used = self.used.lock();
        if let Some(heard) = &mut used.heard
            && heard.len() < MAX_HEARD
        {
            heard.push(format!(
                "{}: {}",
                label(level),
                self.secrets().shown(message, MAX_CHARS)
            ));
        }
        if used.since.elapsed() >= Duration::from_secs(1) {
            (used.since, used.lines) = (Instant::now(), 0);
        }
        used.lines = used.lines.saturating_add(1);
        used.lines <= self.per_second
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
            complaints: VecDeque::new(),
            overheard: None,
        }
    }

    /// From here on the first lines of each call are kept for as long as it is the last.
    pub(super) fn overhear(&mut self) {
        self.overheard = Some(Vec::new());
    }

    /// The first lines of the last call, with their levels, whether or not they were written.
    pub(super) fn overheard(&self) -> &[String] {
        self.overheard.as_deref().unwrap_or_default()
    }

    /// What is not to be seen in anything that the instance says.
    pub(super) fn secrets(&self) -> &Secrets {
        self.allowance.secrets()
    }

    /// Begins a call: what was wrong in those before it has nothing to do with it.
    pub(super) fn begin(&mut self) {
        self.complaints.clear();
        if let Some(lines) = &mut self.overheard {
            lines.clear();
        }
    }

    /// What the call has said that was wrong, in one line; nothing where it said nothing.
    pub(super) fn complaints(&self) -> Option<String> {
        let lines: Vec<&str> = self.complaints.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join(" / "))
    }

    /// Writes a line that tells of something wrong.
    pub(super) fn complain(&mut self, level: Level, message: &str) {
        if self.complaints.len() == MAX_COMPLAINTS {
            self.complaints.pop_front();
        }
        let line = self.secrets().shown(message, MAX_CHARS);
        self.complaints.push_back(line);
        self.write(level, message);
    }

    pub(super) fn write(&mut self, level: Level, message: &str) {
        let secrets = self.allowance.secrets();
        if let Some(lines) = &mut self.overheard
            && lines.len() < MAX_HEARD
        {
            let shown = secrets.shown(message, MAX_CHARS);
            lines.push(format!("{}: {shown}", label(level)));
        }
        if !self.allowance.take(level, message) {
            self.metrics.log_line("dropped").inc();
            return;
        }
        self.metrics.log_line("written").inc();
        let (transform, line) = (
            self.transform.as_str(),
            self.secrets().shown(message, MAX_CHARS),
        );
        match level {
            Level::Debug => tracing::debug!(target: "guest", transform, "{line}"),
            Level::Info => tracing::info!(target: "guest", transform, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", transform, "{line}"),
            Level::Error => tracing::error!(target: "guest", transform, "{line}"),
        }
    }
}

fn label(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Text of a stranger as one printable line of at most `max` characters: control characters, line
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
            let mut fresh_instance = GuestLog::new(metrics.clone(), "t", allowance.clone());
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

    #[test]
    fn what_a_call_complains_of_is_kept_to_its_end_and_no_more_than_the_last_lines() {
        let metrics = Metrics::new().transform("t");
        let mut log = GuestLog::new(metrics, "t", Allowance::new(0));
        assert_eq!(log.complaints(), None);
        for number in 0..10 {
            log.complain(Level::Error, &format!("{number}\n"));
        }
        let lines: Vec<String> = (2..10).map(|number| format!("{number}\\u{{a}}")).collect();
        assert_eq!(log.complaints(), Some(lines.join(" / ")));
        log.begin();
        assert_eq!(log.complaints(), None);
    }

    #[test]
    fn whoever_listens_hears_the_first_lines_also_those_that_are_not_written() {
        let metrics = Metrics::new().transform("t");
        let allowance = Allowance::listening(1);
        let mut log = GuestLog::new(metrics, "t", allowance.clone());
        for number in 0..30 {
            log.write(Level::Warn, &format!("{number}"));
        }
        let heard = allowance.heard();
        assert_eq!((heard.len(), &*heard[19]), (MAX_HEARD, "warn: 19"));
        log.write(Level::Warn, "later");
        assert_eq!(allowance.heard(), Vec::<String>::new());
    }
}
