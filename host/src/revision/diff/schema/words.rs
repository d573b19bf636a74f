//! What a schema allows, in a few words.

use serde_json::Value;

use crate::count::count;

use super::fields::prefix;
use super::form::SchemaForm;
use super::json;
use super::types::Types;
use crate::revision::diff::short;

/// Such as `string up to 20 characters or null`, `one of "a", "b"`, `array of up to 3 × integer`.
pub(super) fn shape(schema: &Value) -> String {
    match SchemaForm::of(schema) {
        SchemaForm::Values(values) if values.len() == 1 => json(&values),
        SchemaForm::Values(values) => format!("one of {}", json(&values)),
        SchemaForm::Typed(_) => {
            let types = Types::stated(schema).names();
            let each: Vec<String> = types.map(|name| one_type(name, schema)).collect();
            each.join(" or ")
        }
        SchemaForm::AnyOf(_) | SchemaForm::Other => alternatives(schema),
    }
}

fn one_type(name: &str, schema: &Value) -> String {
    let keyword = |name: &str| schema.get(name);
    match name {
        "string" => {
            let text = |name: &str| keyword(name).and_then(Value::as_str);
            match (text("format"), text("pattern"), keyword("maxLength")) {
                (Some(format), _, _) => format!("string, a {format}"),
                (_, Some(pattern), _) => format!("string like {}", short(pattern)),
                (_, _, Some(most)) => {
                    // A whole number may be written as 20.0 too.
                    let most = most.as_u64().or(most.as_f64().map(|most| most as u64));
                    format!(
                        "string up to {}",
                        count(most.unwrap_or_default(), "character")
                    )
                }
                (None, None, None) => "string".into(),
            }
        }
        "number" | "integer" => {
            let mut text = name.to_owned();
            for (bound, word) in [
                ("minimum", "from"),
                ("exclusiveMinimum", "above"),
                ("maximum", "to"),
                ("exclusiveMaximum", "below"),
            ] {
                if let Some(value) = keyword(bound) {
                    text = format!("{text} {word} {value}");
                }
            }
            text
        }
        "array" => {
            let most = keyword("maxItems").map_or("any".to_owned(), |most| format!("up to {most}"));
            let items = keyword("items").filter(|items| items.is_object());
            let first = prefix(schema).iter().map(shape).collect::<Vec<_>>();
            match (first.is_empty(), items.map(shape)) {
                (true, Some(items)) => format!("array of {most} × {items}"),
                (true, None) => format!("array of {most}"),
                (false, Some(items)) => {
                    format!("array of {most}: {}, then × {items}", first.join(", "))
                }
                (false, None) => format!("array of {most}: {}", first.join(", ")),
            }
        }
        name => name.into(),
    }
}

fn alternatives(schema: &Value) -> String {
    let list = ["anyOf", "oneOf"]
        .into_iter()
        .find_map(|keyword| schema.get(keyword)?.as_array());
    match list {
        Some(list) => {
            let each: Vec<String> = list.iter().map(shape).collect();
            format!("({})", each.join(" or "))
        }
        None => "something that cannot be read".into(),
    }
}
