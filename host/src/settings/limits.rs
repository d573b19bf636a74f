//! The limits of a transform by their names: from the file's `[[transform]]`, and from what
//! an operator asks for while the host runs. Both are held to the same ranges.
//!
//! What the limits mean is `transform::limits`'s.

use std::time::Duration;

use serde_json::Value;

use super::error::{SettingsProblem, ValueOrigin};
use super::kind::{Count, Size, Switch, Time};
use super::layers::{self, RawValue};
use crate::transform::limits::Limits;

/// `base` with those limits changed that `given` names: an object with the keys, forms and
/// ranges of a `[[transform]]`, such as `{"deadline": "20ms", "max-calls": 1000}`.
///
/// # Errors
/// Everything that is wrong: the key, its value, and what is allowed.
pub fn limits_from_json(base: &Limits, given: &Value) -> Result<Limits, Vec<String>> {
    let Value::Object(fields) = given else {
        let rule = "limits are an object, such as {\"deadline\": \"20ms\"}";
        return Err(vec![rule.to_owned()]);
    };
    let mut limits = base.clone();
    let mut problems = Vec::new();
    for (key, value) in fields {
        let given = match value {
            Value::String(text) => (text.clone(), false),
            value => (value.to_string(), true),
        };
        let (text, bare) = given;
        let origin = ValueOrigin::Limits;
        let known = set(
            &mut limits,
            key,
            RawValue { text, bare, origin },
            &mut problems,
        );
        if !known {
            problems.push(SettingsProblem::Unknown {
                key: key.clone(),
                origin: ValueOrigin::Limits,
                known: names().collect::<Vec<_>>().join(", "),
            });
        }
    }
    let mut faults: Vec<_> = problems.iter().map(ToString::to_string).collect();
    faults.extend(rules(&limits).map(str::to_owned));
    if faults.is_empty() {
        Ok(limits)
    } else {
        Err(faults)
    }
}

/// The limits that there are.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    table().into_iter().map(|limit| limit.key)
}

/// The rules between limits that these break, which no limit shows alone.
pub(super) fn rules(limits: &Limits) -> impl Iterator<Item = &'static str> {
    let pauses =
        (limits.backoff > limits.max_backoff).then_some("backoff must not be above max-backoff");
    let output = (limits.max_output > limits.boundary)
        .then_some("max-output must not be above boundary, which every output has to cross");
    pauses.into_iter().chain(output)
}

/// One limit as the documentation shows it.
pub(super) struct Limit {
    pub(super) key: &'static str,
    pub(super) default: String,
    pub(super) range: (&'static str, &'static str),
    pub(super) help: &'static str,
}

macro_rules! limits {
    ($($field:ident, $key:literal, $kind:ty, $from:literal to $to:literal; $help:literal)*) => {
        /// Sets the limit of that name; false if there is none.
        pub(super) fn set(limits: &mut Limits, key: &str, given: layers::RawValue, problems: &mut Vec<SettingsProblem>) -> bool {
            match key {
                $($key => {
                    if let Some(value) = layers::read::<$kind>(key, Some(($from, $to)), given, problems) {
                        limits.$field = value;
                    }
                    true
                })*
                _ => false,
            }
        }

        /// Every limit with its default, for the documentation.
        pub(super) fn table() -> Vec<Limit> {
            let limits = Limits::default();
            vec![$(Limit {
                key: $key,
                default: limits.$field.written(),
                range: ($from, $to),
                help: $help,
            }),*]
        }
    };
}

limits! {
    deadline, "deadline", Time, "1ms" to "10s"; "How long one call may run"
    memory, "memory", Size<usize>, "64KiB" to "4GiB"; "Memory of one instance"
    table_elements, "table-elements", Count<usize>, "0" to "1000000"; "Elements of each of an instance's tables"
    max_instances, "max-instances", Count<usize>, "1" to "1000"; "Core instances inside the component"
    boundary, "boundary", Size<usize>, "1KiB" to "64MiB"; "Bytes that a call may hand to the host"
    max_publications, "max-publications", Count<usize>, "1" to "1000"; "Publications of one event"
    max_output, "max-output", Size<usize>, "1KiB" to "64MiB"; "Bytes of all publications of one event"
    log_lines_per_second, "log-lines-per-second", Count<u32>, "0" to "10000"; "Log lines a second; more are dropped and counted"
    max_component_size, "max-component-size", Size<u64>, "1KiB" to "256MiB"; "Size of the component's file"
    real_random, "real-random", Switch, "false" to "true"; "Whether WASI's random numbers are the system's; else they follow from the event"
    max_calls, "max-calls", Count<u64>, "1" to "1000000000"; "Calls after which an instance is replaced"
    put_out_after, "put-out-after", Count<u32>, "1" to "1000000"; "Faults in a row after which the transform is put out for a while"
    backoff, "backoff", Time, "10ms" to "1h"; "The first such pause; it doubles each time"
    max_backoff, "max-backoff", Time, "10ms" to "24h"; "The longest such pause"
}

/// How an operator would write a default.
trait AsWritten {
    fn written(&self) -> String;
}

impl AsWritten for Duration {
    fn written(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl AsWritten for bool {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl AsWritten for usize {
    fn written(&self) -> String {
        (*self as u64).written()
    }
}

impl AsWritten for u32 {
    fn written(&self) -> String {
        u64::from(*self).written()
    }
}

impl AsWritten for u64 {
    fn written(&self) -> String {
        match *self {
            size if size >= 1 << 20 && size % (1 << 20) == 0 => format!("{}MiB", size >> 20),
            size if size >= 1 << 10 && size % (1 << 10) == 0 => format!("{}KiB", size >> 10),
            number => number.to_string(),
        }
    }
}
