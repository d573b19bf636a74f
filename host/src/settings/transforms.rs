//! `[[transform]]`: one component, its own settings, its lanes and its limits.
//!
//! The component's settings go to it unread, as JSON. Built-in components are names here;
//! which there are is for the caller to know.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::file::Source;
use super::kind::{Count, Size, Time};
use super::layers;
use crate::transform::limits::Limits;

const BUILTIN: &str = "builtin:";
pub(super) const LANES: (&str, &str) = ("1", "64");

/// One transform as the operator wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformSettings {
    pub component: ComponentSource,
    /// For the component's `configure`. Always an object.
    pub settings: Value,
    /// Threads of this transform. Events of one upstream channel stay in one lane.
    pub lanes: usize,
    pub limits: Limits,
}

/// Where a component's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// One that the binary carries, by its name.
    Builtin(String),
    /// A file, already relative to the settings' folder.
    File(PathBuf),
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
        fn set(limits: &mut Limits, key: &str, given: layers::Given, problems: &mut Vec<Problem>) -> bool {
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
        pub(super) fn limits() -> Vec<Limit> {
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
    max_calls, "max-calls", Count<u64>, "1" to "1000000000"; "Calls after which an instance is replaced"
    put_out_after, "put-out-after", Count<u32>, "1" to "1000000"; "Faults in a row after which the transform is put out for a while"
    backoff, "backoff", Time, "10ms" to "1h"; "The first such pause; it doubles each time"
    max_backoff, "max-backoff", Time, "10ms" to "24h"; "The longest such pause"
}

/// How an operator would write a default.
trait Written {
    fn written(&self) -> String;
}

impl Written for Duration {
    fn written(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl Written for usize {
    fn written(&self) -> String {
        (*self as u64).written()
    }
}

impl Written for u32 {
    fn written(&self) -> String {
        u64::from(*self).written()
    }
}

impl Written for u64 {
    fn written(&self) -> String {
        match *self {
            size if size >= 1 << 20 && size % (1 << 20) == 0 => format!("{}MiB", size >> 20),
            size if size >= 1 << 10 && size % (1 << 10) == 0 => format!("{}KiB", size >> 10),
            number => number.to_string(),
        }
    }
}

/// Reads the tables. What is wrong with one is noted, and the table left out.
pub(super) fn read(
    source: &Source<'_>,
    value: &Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Vec<TransformSettings> {
    let DeValue::Array(tables) = value.get_ref() else {
        let rule = "transforms are written as [[transform]], with two brackets".to_owned();
        problems.push(Problem::Table {
            origin: source.origin(value),
            rule,
        });
        return Vec::new();
    };
    tables
        .iter()
        .filter_map(|table| read_one(source, table, problems))
        .collect()
}

fn read_one(
    source: &Source<'_>,
    value: &Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<TransformSettings> {
    let wrong = |origin, rule: &str| Problem::Table {
        origin,
        rule: rule.to_owned(),
    };
    let Some(table) = value.get_ref().as_table() else {
        problems.push(wrong(source.origin(value), "a transform is a table"));
        return None;
    };
    let mut component = None;
    let mut settings = Value::Object(Map::new());
    let mut lanes = 1;
    let mut limits = Limits::default();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "component" => match value
                .get_ref()
                .as_str()
                .and_then(|text| parse_source(source, text))
            {
                Some(found) => component = Some(found),
                None => {
                    let rule = "component is \"builtin:\" and a name, or the path of a file";
                    problems.push(wrong(source.origin(value), rule));
                    return None;
                }
            },
            "settings" => match value.get_ref().as_table().and_then(json_object) {
                Some(object) => settings = Value::Object(object),
                None => {
                    let rule = "settings is a table of values that JSON has: no infinity, no \"not a number\"";
                    problems.push(wrong(source.origin(value), rule));
                }
            },
            "lanes" => {
                let given = source.given(value, false);
                lanes = layers::read::<Count<usize>>("lanes", Some(LANES), given, problems)
                    .unwrap_or(1);
            }
            name => {
                if !set(&mut limits, name, source.given(value, false), problems) {
                    let mut known = vec!["component", "settings", "lanes"];
                    known.extend(self::limits().iter().map(|limit| limit.key));
                    problems.push(Problem::Unknown {
                        key: name.to_owned(),
                        origin: source.origin(key),
                        known: known.join(", "),
                    });
                }
            }
        }
    }
    let origin = || source.origin(value);
    problems.extend(rules(&limits).map(|rule| wrong(origin(), rule)));
    if component.is_none() {
        problems.push(wrong(origin(), "this transform has no component"));
    }
    Some(TransformSettings {
        component: component?,
        settings,
        lanes,
        limits,
    })
}

/// What no limit shows alone.
fn rules(limits: &Limits) -> impl Iterator<Item = &'static str> {
    let pauses =
        (limits.backoff > limits.max_backoff).then_some("backoff must not be above max-backoff");
    let output = (limits.max_output > limits.boundary)
        .then_some("max-output must not be above boundary, which every output has to cross");
    pauses.into_iter().chain(output)
}

fn parse_source(source: &Source<'_>, text: &str) -> Option<ComponentSource> {
    match text.strip_prefix(BUILTIN) {
        Some("") => None,
        Some(name) => Some(ComponentSource::Builtin(name.to_owned())),
        None if text.is_empty() => None,
        None => Some(ComponentSource::File(source.path.parent()?.join(text))),
    }
}

fn json_object(table: &DeTable<'_>) -> Option<Map<String, Value>> {
    let pair = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        Some((ToString::to_string(key.get_ref()), json(value.get_ref())?))
    };
    table.iter().map(pair).collect()
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()?
            .into(),
        DeValue::Float(number) => Value::Number(Number::from_f64(number.as_str().parse().ok()?)?),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| json(item.get_ref()))
                .collect::<Option<_>>()?,
        ),
        DeValue::Table(table) => Value::Object(json_object(table)?),
    })
}
