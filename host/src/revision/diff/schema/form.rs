//! What a schema is made of, read the way that `ClosedSchema` allows it.

use serde_json::{Map, Value};

use crate::transform::NOTES;

pub(super) type Keywords = Map<String, Value>;

/// The keywords beside types whose differences are told apart; `additionalProperties` is not
/// among them, as it is the same in all closed schemas.
pub(super) const KNOWN: [&str; 17] = [
    "type",
    "properties",
    "required",
    "format",
    "pattern",
    "maxLength",
    "minLength",
    "items",
    "prefixItems",
    "maxItems",
    "minItems",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];

/// The ways in which a schema can say what it allows.
pub(super) enum SchemaForm<'a> {
    /// `enum` and `const`: these values, which are of the `type` that may stand beside them.
    Values(Vec<&'a Value>),
    Typed(&'a Keywords),
    AnyOf(&'a [Value]),
    /// `oneOf`, and what is not read here.
    Other,
}

impl<'a> SchemaForm<'a> {
    pub(super) fn of(schema: &'a Value) -> Self {
        let Value::Object(keywords) = schema else {
            return Self::Other;
        };
        let only = |known: &[&str]| {
            let mut others = keywords.keys().map(String::as_str);
            others.all(|keyword| known.contains(&keyword) || NOTES.contains(&keyword))
        };
        let keyword = |name: &str| keywords.get(name);
        match (keyword("const"), keyword("enum"), keyword("anyOf")) {
            (Some(value), None, None) if only(&["const", "type"]) => Self::Values(vec![value]),
            (None, Some(Value::Array(values)), None) if only(&["enum", "type"]) => {
                Self::Values(values.iter().collect())
            }
            (None, None, Some(Value::Array(list))) if only(&["anyOf"]) => Self::AnyOf(list),
            (None, None, None) if keyword("type").is_some() && keyword("oneOf").is_none() => {
                Self::Typed(keywords)
            }
            _ => Self::Other,
        }
    }

    /// The schemas of which a value must fit one or more. None where that is not all.
    pub(super) fn alternatives(&self, schema: &'a Value) -> Option<Vec<&'a Value>> {
        match self {
            Self::Values(_) | Self::Typed(_) => Some(vec![schema]),
            Self::AnyOf(list) => Some(list.iter().collect()),
            Self::Other => None,
        }
    }
}

/// The schema in the one order of its own, with or without its descriptions: what is equal
/// then allows the same.
pub(super) fn canonical(schema: &Value, described: bool) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let nested = |inner: &Value| canonical(inner, described);
    let mut sorted: Vec<(&String, Value)> = keywords
        .iter()
        .filter(|(keyword, _)| described || !NOTES.contains(&&***keyword))
        .map(|(keyword, value)| {
            let value = match (keyword.as_str(), value) {
                ("properties", Value::Object(fields)) => {
                    let mut fields: Vec<_> = fields
                        .iter()
                        .map(|(name, inner)| (name.clone(), nested(inner)))
                        .collect();
                    fields.sort_by(|a, b| a.0.cmp(&b.0));
                    Value::Object(fields.into_iter().collect())
                }
                ("anyOf" | "oneOf", Value::Array(list)) => in_order(list.iter().map(nested)),
                ("prefixItems", Value::Array(list)) => list.iter().map(nested).collect(),
                ("items", inner) => nested(inner),
                ("type" | "required" | "enum", Value::Array(list)) => {
                    in_order(list.iter().cloned())
                }
                _ => value.clone(),
            };
            (keyword, value)
        })
        .collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    let sorted = sorted
        .into_iter()
        .map(|(keyword, value)| (keyword.clone(), value));
    Value::Object(sorted.collect())
}

fn in_order(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    values.sort_by_cached_key(Value::to_string);
    Value::Array(values)
}
