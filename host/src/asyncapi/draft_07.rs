//! A closed schema as readers of AsyncAPI take it: they know JSON Schema's draft 7, in which
//! what stands at the first places of an array is `items`, and the rest `additionalItems`.

use serde_json::{Map, Value};

/// The same schema in draft 7. Of all that a closed schema can say, only arrays differ.
pub(super) fn draft_07(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let rest = match keywords.contains_key("prefixItems") {
        true => "additionalItems",
        false => "items",
    };
    let translated = keywords.iter().map(|(keyword, value)| {
        // Whatever is not named holds values or bounds, and no schemas.
        let (keyword, value) = match keyword.as_str() {
            "prefixItems" => ("items", each(value)),
            "items" => (rest, draft_07(value)),
            "anyOf" | "oneOf" => (keyword.as_str(), each(value)),
            "properties" => ("properties", each(value)),
            keyword => (keyword, value.clone()),
        };
        (keyword.to_owned(), value)
    });
    Value::Object(translated.collect::<Map<_, _>>())
}

/// The schemas of a list, or of an object's fields.
fn each(schemas: &Value) -> Value {
    match schemas {
        Value::Array(list) => list.iter().map(draft_07).collect(),
        Value::Object(fields) => {
            let translated = |(name, schema): (&String, &Value)| (name.clone(), draft_07(schema));
            Value::Object(fields.iter().map(translated).collect())
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn first_items_are_items_and_the_rest_additional() {
        let pair = json!({"type": "array", "prefixItems": [{"const": 1}], "items": false});
        let list = json!({"type": "array", "items": pair});
        let words = json!({"prefixItems": [1], "items": 2});
        let schema = json!({
            "type": "object", "examples": [words],
            "properties": {"prefixItems": list, "b": {"anyOf": [pair]}, "c": {"const": words}},
        });
        let pair = json!({"type": "array", "items": [{"const": 1}], "additionalItems": false});
        let list = json!({"type": "array", "items": pair});
        let expected = json!({
            "type": "object", "examples": [words],
            "properties": {"prefixItems": list, "b": {"anyOf": [pair]}, "c": {"const": words}},
        });
        assert_eq!(draft_07(&schema), expected);
    }
}
