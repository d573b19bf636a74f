//! A small evaluator of JSON Schema 2020-12, written from the specification and from nothing
//! else: it shares no code with the host or its validator, so that the two can be held against
//! each other. Fuzz target and tests include it as it stands.
//!
//! It rejects more than the specification does: what is open in a schema fits nothing here, and
//! neither does a word that it does not know.

mod expression;
mod formats;
mod number;

use serde_json::{Map, Value};

use self::number::Decimal;

/// Whether the value fits the schema, and the schema names all that is in the value.
pub(crate) fn accepts(schema: &Value, value: &Value) -> bool {
    const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
    let Value::Object(keywords) = schema else {
        return false;
    };
    let mut keywords = keywords.clone();
    let dialect = keywords.shift_remove("$schema");
    let known = |uri: &Value| {
        uri.as_str()
            .is_some_and(|uri| uri == DIALECT || uri.strip_suffix('#') == Some(DIALECT))
    };
    dialect.as_ref().is_none_or(known) && fits(&Value::Object(keywords), value)
}

/// `input` is a schema and a value, the first line and the rest. If the host takes the schema
/// and admits the value, the evaluator must do so as well: what it rejects must never leave.
///
/// # Panics
/// Where the host admits what the evaluator rejects.
pub(crate) fn hold_against(input: &str, admitted: impl Fn(&str, &str) -> Option<String>) {
    let (schema, value) = input.split_once('\n').unwrap_or((input, ""));
    if let Some(written) = admitted(schema, value) {
        // What a client gets is the text.
        let received: Value = serde_json::from_str(&written).expect("what is sent is JSON");
        let stated: Value = serde_json::from_str(schema).expect("what was taken is JSON");
        assert!(
            accepts(&stated, &received),
            "{received} leaves by the schema {schema}"
        );
    }
}

fn fits(schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return false;
    };
    is_bounded(keywords, value)
        && keywords
            .iter()
            .all(|(keyword, says)| keyword_fits(keyword, says, keywords, value))
}

/// Whether the schema names what is in such a value.
fn is_bounded(keywords: &Map<String, Value>, value: &Value) -> bool {
    let has = |keyword: &str| keywords.contains_key(keyword);
    if ["enum", "const", "anyOf", "oneOf"].into_iter().any(has) {
        return true;
    }
    has("type")
        && match value {
            Value::Object(_) => {
                has("properties") && keywords.get("additionalProperties") == Some(&false.into())
            }
            Value::Array(_) => has("items") && has("maxItems"),
            Value::String(text) => {
                let short = has("maxLength") || text.chars().count() <= 64;
                has("maxLength") || has("pattern") || has("format") && short
            }
            _ => true,
        }
}

fn keyword_fits(keyword: &str, says: &Value, beside: &Map<String, Value>, value: &Value) -> bool {
    match keyword {
        "title" | "description" | "$comment" | "examples" | "default" | "deprecated" => true,
        "type" => match says {
            Value::Array(names) => names.iter().any(|name| is_of_type(name, value)),
            name => is_of_type(name, value),
        },
        "const" => equal(says, value),
        "enum" => list(says).iter().any(|listed| equal(listed, value)),
        "anyOf" => list(says).iter().any(|inner| fits(inner, value)),
        "oneOf" => list(says).iter().filter(|inner| fits(inner, value)).count() == 1,
        _ => match value {
            Value::Object(members) => of_object(keyword, says, beside, members),
            Value::Array(items) => of_array(keyword, says, beside, items),
            Value::String(text) => of_string(keyword, says, text),
            Value::Number(number) => of_number(keyword, says, &Decimal::of(number)),
            _ => is_known(keyword),
        },
    }
}

const OF_OBJECTS: [&str; 3] = ["properties", "required", "additionalProperties"];
const OF_ARRAYS: [&str; 5] = [
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
];
const OF_STRINGS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];
const OF_NUMBERS: [&str; 5] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];

/// A keyword of another type than the value's says nothing of the value.
fn is_known(keyword: &str) -> bool {
    let all = [&OF_OBJECTS[..], &OF_ARRAYS, &OF_STRINGS, &OF_NUMBERS];
    all.iter().any(|known| known.contains(&keyword))
}

fn of_object(
    keyword: &str,
    says: &Value,
    beside: &Map<String, Value>,
    members: &Map<String, Value>,
) -> bool {
    match keyword {
        "properties" => members
            .iter()
            .all(|(name, member)| says.get(name).is_none_or(|inner| fits(inner, member))),
        "additionalProperties" => {
            let named = |name: &String| {
                beside
                    .get("properties")
                    .is_some_and(|named| named.get(name).is_some())
            };
            *says == Value::Bool(false) && members.keys().all(named)
        }
        "required" => list(says)
            .iter()
            .all(|name| name.as_str().is_some_and(|name| members.contains_key(name))),
        other => is_known(other),
    }
}

fn of_array(keyword: &str, says: &Value, beside: &Map<String, Value>, items: &[Value]) -> bool {
    let prefix = beside.get("prefixItems").map_or(&[][..], list);
    match keyword {
        "prefixItems" => prefix
            .iter()
            .zip(items)
            .all(|(inner, item)| fits(inner, item)),
        "items" => items
            .iter()
            .skip(prefix.len())
            .all(|item| *says != Value::Bool(false) && fits(says, item)),
        "minItems" => at_least(items.len(), says),
        "maxItems" => at_most(items.len(), says),
        "uniqueItems" => {
            let twice = |(place, item): (usize, &Value)| {
                items[place + 1..].iter().any(|later| equal(item, later))
            };
            *says == Value::Bool(false)
                || *says == Value::Bool(true) && !items.iter().enumerate().any(twice)
        }
        other => is_known(other),
    }
}

fn of_string(keyword: &str, says: &Value, text: &str) -> bool {
    match keyword {
        "minLength" => at_least(text.chars().count(), says),
        "maxLength" => at_most(text.chars().count(), says),
        "pattern" => says
            .as_str()
            .is_some_and(|pattern| expression::finds(pattern, text)),
        "format" => says
            .as_str()
            .is_some_and(|format| formats::fits(format, text)),
        other => is_known(other),
    }
}

fn of_number(keyword: &str, says: &Value, number: &Decimal) -> bool {
    let Value::Number(says) = says else {
        return !OF_NUMBERS.contains(&keyword) && is_known(keyword);
    };
    let says = Decimal::of(says);
    match keyword {
        "minimum" => number.compare(&says).is_ge(),
        "maximum" => number.compare(&says).is_le(),
        "exclusiveMinimum" => number.compare(&says).is_gt(),
        "exclusiveMaximum" => number.compare(&says).is_lt(),
        "multipleOf" => number.is_multiple_of(&says),
        other => is_known(other),
    }
}

fn at_least(count: usize, says: &Value) -> bool {
    bound(says).is_some_and(|least| Decimal::whole(count).compare(&least).is_ge())
}

fn at_most(count: usize, says: &Value) -> bool {
    bound(says).is_some_and(|most| Decimal::whole(count).compare(&most).is_le())
}

/// A bound on a count is a whole number.
fn bound(says: &Value) -> Option<Decimal> {
    let bound = Decimal::of(says.as_number()?);
    bound.is_whole().then_some(bound)
}

fn list(says: &Value) -> &[Value] {
    says.as_array().map_or(&[], Vec::as_slice)
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("number") => value.is_number(),
        Some("integer") => value
            .as_number()
            .is_some_and(|number| Decimal::of(number).is_whole()),
        _ => false,
    }
}

/// Numbers are equal by what they are worth, objects whatever the order of their members.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            Decimal::of(one).compare(&Decimal::of(other)).is_eq()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let there = |(name, member): (&String, &Value)| {
                other.get(name).is_some_and(|found| equal(member, found))
            };
            one.len() == other.len() && one.iter().all(there)
        }
        _ => one == other,
    }
}
