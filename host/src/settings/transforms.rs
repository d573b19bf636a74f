//! `[[transform]]`: one component, its own settings, its lanes and its limits.
//!
//! The component's settings go to it unread, as JSON. Built-in components are names here;
//! which there are is for the caller to know.

use std::path::PathBuf;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::SettingsProblem;
use super::file::FileText;
use super::kind::Count;
use super::{layers, limits};
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

/// Reads the tables. What is wrong with one is noted, and the table left out.
pub(super) fn read(
    source: &FileText<'_>,
    value: &Spanned<DeValue<'_>>,
    problems: &mut Vec<SettingsProblem>,
) -> Vec<TransformSettings> {
    let DeValue::Array(tables) = value.get_ref() else {
        let rule = "transforms are written as [[transform]], with two brackets".to_owned();
        problems.push(SettingsProblem::Table {
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
    source: &FileText<'_>,
    value: &Spanned<DeValue<'_>>,
    problems: &mut Vec<SettingsProblem>,
) -> Option<TransformSettings> {
    let wrong = |origin, rule: &str| SettingsProblem::Table {
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
    let mut bounds = Limits::default();
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
                if !limits::set(&mut bounds, name, source.given(value, false), problems) {
                    let mut known = vec!["component", "settings", "lanes"];
                    known.extend(limits::names());
                    problems.push(SettingsProblem::Unknown {
                        key: name.to_owned(),
                        origin: source.origin(key),
                        known: known.join(", "),
                    });
                }
            }
        }
    }
    let origin = || source.origin(value);
    problems.extend(limits::rules(&bounds).map(|rule| wrong(origin(), rule)));
    if component.is_none() {
        problems.push(wrong(origin(), "this transform has no component"));
    }
    Some(TransformSettings {
        component: component?,
        settings,
        lanes,
        limits: bounds,
    })
}

fn parse_source(source: &FileText<'_>, text: &str) -> Option<ComponentSource> {
    match text.strip_prefix(BUILTIN) {
        Some("") => None,
        Some(name) => Some(ComponentSource::Builtin(name.to_owned())),
        None if text.is_empty() => None,
        None => Some(ComponentSource::File(source.path.parent()?.join(text))),
    }
}

/// A table of the file as JSON; none where it has something that JSON has not.
pub(crate) fn json_object(table: &DeTable<'_>) -> Option<Map<String, Value>> {
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
