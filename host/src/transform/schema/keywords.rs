//! What single keywords may say, and the one form in which each says it.
//!
//! What a validator ignores is a hole, and so is a number that two readers round differently:
//! every value has the type and the size that all of them read alike.

use serde_json::Value;

/// Formats that the validator asserts and that bound a string to a short, plain form.
const FORMATS: [&str; 6] = ["date", "date-time", "time", "duration", "uuid", "ipv4"];

/// The length of what has a format and no `maxLength`, in characters.
pub(super) const MAX_FORMAT: u64 = 64;

/// Items of one array: they bound what a validation costs.
pub(super) const MAX_ITEMS: u64 = 1_000;

const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// Up to here a double, which is all that many clients have, tells whole numbers apart.
const MAX_EXACT: u64 = 1 << 53;

/// Keywords without schemas in them, in their one form.
pub(super) fn plain(keyword: &'static str, value: &Value) -> Result<Value, String> {
    match keyword {
        "type" => is_type(value),
        "const" => Ok(value.clone()),
        "enum" => match value {
            Value::Array(values) if !values.is_empty() => Ok(value.clone()),
            _ => Err("\"enum\" is a list of one value or more".into()),
        },
        "required" => required(value),
        "additionalProperties" => match value {
            Value::Bool(false) => Ok(value.clone()),
            _ => Err(
                "\"additionalProperties\" is false, or fields that nobody declared could leave"
                    .into(),
            ),
        },
        "format" => format(value),
        "maxItems" => match count(keyword, value)? {
            items if items > MAX_ITEMS => {
                Err(format!("an array needs \"maxItems\", at most {MAX_ITEMS}"))
            }
            items => Ok(items.into()),
        },
        "maxLength" | "minLength" | "minItems" => Ok(count(keyword, value)?.into()),
        "uniqueItems" => unique_items(value),
        "multipleOf" => step(value),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => bound(keyword, value),
        // What nobody here reads is refused, should a form ever learn a keyword alone.
        _ => Err(format!("\"{keyword}\" is not supported here; take it out")),
    }
}

/// One type, or a list of several different ones.
fn is_type(value: &Value) -> Result<Value, String> {
    let named = |value: &Value| match value.as_str() {
        Some(name) if TYPES.contains(&name) => Ok(()),
        _ => Err(format!(
            "unknown type {value}; there are {}",
            TYPES.join(", ")
        )),
    };
    match value {
        Value::Array(names) => {
            names.iter().try_for_each(named)?;
            match names.as_slice() {
                [] => Err("\"type\" names one type or more".into()),
                [name] => Ok(name.clone()),
                names if all_different(names) => Ok(value.clone()),
                _ => Err("\"type\" names a type twice".into()),
            }
        }
        name => named(name).map(|()| name.clone()),
    }
}

/// Whether the value is of one of the types that `type` names.
pub(super) fn are_types(value: &Value, types: &Value) -> bool {
    let is = |name: &str| match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        // As JSON Schema has it, 1.0 is an integer.
        Value::Number(number) => {
            name == "number"
                || name == "integer" && number.as_f64().is_none_or(|number| number.fract() == 0.0)
        }
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    };
    match types {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        name => name.as_str().is_some_and(is),
    }
}

fn required(value: &Value) -> Result<Value, String> {
    match value {
        Value::Array(names) if names.iter().all(Value::is_string) && all_different(names) => {
            Ok(value.clone())
        }
        _ => Err("\"required\" is a list of different names".into()),
    }
}

fn format(value: &Value) -> Result<Value, String> {
    match value.as_str() {
        Some(name) if FORMATS.contains(&name) => Ok(value.clone()),
        _ => Err(format!(
            "format {value} is not one of {}",
            FORMATS.join(", ")
        )),
    }
}

/// A number of characters or items. `3.0` is the integer 3, as JSON Schema has it.
fn count(keyword: &str, value: &Value) -> Result<u64, String> {
    let whole = |number: f64| {
        let within = number.fract() == 0.0 && (0.0..=MAX_EXACT as f64).contains(&number);
        within.then_some(number as u64)
    };
    let count = value.as_u64().or_else(|| value.as_f64().and_then(whole));
    count
        .filter(|count| *count <= MAX_EXACT)
        .ok_or_else(|| format!("\"{keyword}\" is a whole number from 0 to {MAX_EXACT}"))
}

fn unique_items(value: &Value) -> Result<Value, String> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        _ => Err("\"uniqueItems\" is true or false".into()),
    }
}

/// One end of a range of numbers.
fn bound(keyword: &str, value: &Value) -> Result<Value, String> {
    match exact(value) {
        Some(_) => Ok(value.clone()),
        None => Err(format!(
            "\"{keyword}\" is a number from -{MAX_EXACT} to {MAX_EXACT}: beyond that not all \
             clients tell numbers apart"
        )),
    }
}

/// A step that doubles divide by without rounding: no two readers agree on multiples of 0.1.
fn step(value: &Value) -> Result<Value, String> {
    const FINEST: f64 = 1024.0;
    let divides = |step: &f64| *step > 0.0 && (*step * FINEST).fract() == 0.0;
    match exact(value).filter(divides) {
        Some(_) => Ok(value.clone()),
        None => Err(
            "\"multipleOf\" is a whole number above 0, or a binary fraction such as 0.5 or 0.25; \
             decimals are exact as strings with a \"pattern\""
                .into(),
        ),
    }
}

/// A number of a size at which doubles are exact.
fn exact(value: &Value) -> Option<f64> {
    let within = match value.as_number()? {
        whole if whole.is_u64() || whole.is_i64() => whole
            .as_i64()
            .is_some_and(|whole| whole.unsigned_abs() <= MAX_EXACT),
        number => number
            .as_f64()
            .is_some_and(|number| number.abs() <= MAX_EXACT as f64),
    };
    value.as_f64().filter(|_| within)
}

/// What describes is written into documents, so it has the form that their readers expect.
pub(super) fn note(keyword: &str, value: &Value) -> Result<(), String> {
    let (fits, form) = match keyword {
        "examples" => (value.is_array(), "a list"),
        "deprecated" => (value.is_boolean(), "true or false"),
        "default" => (true, "any value"),
        _ => (value.is_string(), "a text"),
    };
    match fits {
        true => Ok(()),
        false => Err(format!("\"{keyword}\" is {form}")),
    }
}

fn all_different(names: &[Value]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    names.iter().all(|name| seen.insert(name.as_str()))
}
