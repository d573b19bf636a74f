//! The fields that a schema names, and how they are written as paths.

use std::sync::LazyLock;

use serde_json::Value;

use super::form::Keywords;
use crate::transform::ClosedSchema;

/// The path of a field inside of what is at `at`. A name that would be read as more than one
/// step is quoted.
pub fn field(at: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@'));
    match (at.is_empty(), plain) {
        (true, true) => name.to_owned(),
        (false, true) => format!("{at}.{name}"),
        (_, false) => format!("{at}[{name:?}]"),
    }
}

/// All fields of a schema of messages with what may stand there, in the order in which they
/// are stated; items of arrays are one field, as `legs[]`. A field can come more than once,
/// from alternatives.
pub fn fields(schema: &ClosedSchema) -> Vec<(String, &Value)> {
    fields_below("", schema.document())
}

pub(super) fn fields_below<'a>(at: &str, schema: &'a Value) -> Vec<(String, &'a Value)> {
    let mut found = Vec::new();
    collect(at, schema, &mut found);
    found
}

fn collect<'a>(at: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    for (name, inner) in properties(schema) {
        let path = field(at, name);
        found.push((path.clone(), inner));
        collect(&path, inner, found);
    }
    for inner in prefix(schema)
        .iter()
        .chain(schema.get("items").filter(|items| items.is_object()))
    {
        let path = format!("{at}[]");
        found.push((path.clone(), inner));
        collect(&path, inner, found);
    }
    for keyword in ["anyOf", "oneOf"] {
        for inner in schema
            .get(keyword)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            collect(at, inner, found);
        }
    }
}

pub(super) fn properties(schema: &Value) -> &Keywords {
    static NONE: LazyLock<Keywords> = LazyLock::new(Keywords::new);
    schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&NONE)
}

pub(super) fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

pub(super) fn prefix(schema: &Value) -> &[Value] {
    schema
        .get("prefixItems")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
