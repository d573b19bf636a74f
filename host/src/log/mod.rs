//! The log: lines on their way to standard error, whose end or standstill hurts nobody.
//!
//! ```text
//! tracing ─► filter ─► text or JSON ─► Lines (bounded in bytes) ─► a thread ─► standard error
//!                                        └── what does not fit, or cannot be written: counted
//! ```

mod fields;
mod filter;
mod lines;
mod rejections;
mod sparing;
mod strangers;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use self::fields::Quoted;
use self::filter::Filter;
use self::lines::LineQueue;
pub use self::sparing::Sparing;
pub use self::strangers::Strangers;
use crate::metrics::Metrics;
use crate::settings::LogFormat;
use crate::tasks::{self, TaskEnd, Tasks, Unasked, ever};

/// Says how much is logged.
const VARIABLE: &str = "TIDEGATE_LOG";

/// How long the end of the process waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of the process. Dropping it lets the last lines out, or gives them up.
#[derive(Debug)]
pub struct ProcessLog {
    format: LogFormat,
    lines: Arc<LineQueue>,
}

/// What `TIDEGATE_LOG` says that cannot be used, and what could be; none if all is well.
pub fn unusable() -> Option<String> {
    let value = Filter::read(std::env::var_os(VARIABLE)).unusable?;
    let value = value.escape_debug();
    Some(format!(
        "\"{value}\" is not usable, the log would stay at info; allowed are {}",
        filter::ALLOWED
    ))
}

impl ProcessLog {
    /// Starts the log of the process, once. Panics are heard in it from then on. At most
    /// `size` bytes of lines wait to be written.
    ///
    /// # Errors
    /// The machine has no thread left.
    pub fn start(
        format: LogFormat,
        size: usize,
        metrics: &Metrics,
        tasks: &Tasks,
    ) -> std::io::Result<Self> {
        let lines = Arc::new(LineQueue::new(size, metrics));
        let writing = lines.clone();
        tasks.thread("log_writer", Unasked::Restart, move || {
            writing.write_all_to(&mut std::io::stderr());
            TaskEnd::Asked
        })?;
        let Filter {
            directives,
            unusable,
        } = Filter::read(std::env::var_os(VARIABLE));
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::builder().parse_lossy(directives))
            .log_internal_errors(false)
            .with_writer(lines.clone());
        match format {
            LogFormat::Json => log.json().init(),
            LogFormat::Text => log
                .with_ansi(std::io::stderr().is_terminal())
                .fmt_fields(Quoted)
                .init(),
        }
        tasks::hear_panics();
        if let Some(unusable) = unusable {
            tracing::warn!(
                value = unusable,
                allowed = filter::ALLOWED,
                "{VARIABLE} is not usable; the log stays at info"
            );
        }
        Ok(Self { format, lines })
    }

    /// Says why the process ends, whatever the filter leaves out.
    pub fn last_words(&self, why: &str) {
        let line = match self.format {
            LogFormat::Text => format!("error: {why}\n"),
            LogFormat::Json => json_error(why),
        };
        self.lines.push(line.into_bytes());
    }
}

impl Drop for ProcessLog {
    fn drop(&mut self) {
        self.lines.close(LAST_LINES);
    }
}

/// Starts the tasks that say now and then how often something has happened.
pub fn say_what_happens_often(tasks: &Tasks, strangers: &Arc<Strangers>, metrics: &Metrics) {
    let strangers = strangers.clone();
    tasks.spawn("log_refusals", Unasked::Restart, move || {
        let strangers = strangers.clone();
        ever(async move { strangers.say_the_rest().await })
    });
    let metrics = metrics.clone();
    tasks.spawn("log_rejections", Unasked::Restart, move || {
        let metrics = metrics.clone();
        ever(async move { rejections::say_rejections(&metrics).await })
    });
}

/// A line as the log would write it in JSON, for when there is no log.
pub fn json_error(why: &str) -> String {
    let line = serde_json::json!({
        "timestamp": jiff::Timestamp::now().to_string(),
        "level": "ERROR",
        "fields": { "message": "the process ends", "error": why },
        "target": "tidegate",
    });
    format!("{line}\n")
}
