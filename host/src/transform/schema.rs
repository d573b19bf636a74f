//! Whether a JSON Schema is closed: nothing fits it that its author did not name.
//!
//! The check knows a part of JSON Schema and refuses the rest, so that a keyword it has never
//! heard of cannot open a hole. Validation itself is the `jsonschema` crate's.

use regex_syntax::hir::Look;
use serde_json::{Map, Value};

/// Keywords that describe and do not decide.
pub(crate) const NOTES: [&str; 7] = [
    "$schema",
    "$comment",
    "title",
    "description",
    "examples",
    "deprecated",
    "default",
];

/// Formats that the validator asserts and that bound a string to a short, plain form.
const FORMATS: [&str; 6] = ["date", "date-time", "time", "duration", "uuid", "ipv4"];

/// For those of them that may have any number of digits, in characters.
pub(crate) const MAX_FORMAT: u64 = 64;

/// Bounds on what one validation can cost: subschemas in all, alternatives in one place, and
/// items of one array. It runs on a lane, and nothing interrupts it.
const MAX_SUBSCHEMAS: usize = 1_000;
const MAX_ALTERNATIVES: usize = 16;
const MAX_ITEMS: u64 = 1_000;

/// What one compiled pattern may take, in bytes of memory.
const MAX_REGEX: usize = 256 << 10;

/// The deepest nesting of a schema; real ones have two or three levels.
const MAX_DEPTH: usize = 16;

/// Compiles a closed schema of an object.
///
/// # Errors
/// One sentence for each thing that is wrong, with the place as a JSON pointer.
pub(super) fn compile(schema: &Value) -> Result<jsonschema::Validator, Vec<String>> {
    let objects = objects(schema);
    if objects > MAX_SUBSCHEMAS {
        return Err(vec![format!(
            "{objects} subschemas; allowed are {MAX_SUBSCHEMAS}"
        )]);
    }
    let mut faults = Vec::new();
    check(schema, &mut String::new(), 0, &mut faults);
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        faults.push("at the top: `data` is an object, so \"type\" is \"object\"".into());
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    validator(schema).map_err(|error| vec![format!("not a JSON Schema: {error}")])
}

/// Compiles a schema or a part of one that was found to be closed.
///
/// # Errors
/// What is no JSON Schema about it.
pub(crate) fn validator(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        // Linear in its input: the schema comes with the component, and no deadline guards the host.
        .with_pattern_options(jsonschema::PatternOptions::regex().dfa_size_limit(MAX_REGEX))
        .build(&with_short_formats(schema))
        .map_err(|error| error.to_string())
}

fn objects(schema: &Value) -> usize {
    match schema {
        Value::Object(inner) => 1 + inner.values().map(objects).sum::<usize>(),
        Value::Array(inner) => inner.iter().map(objects).sum(),
        _ => 0,
    }
}

/// The schema with a length beside each format: some allow fractions of any length, and with
/// them any number.
fn with_short_formats(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let inner =
                |(name, value): (&String, &Value)| (name.clone(), with_short_formats(value));
            let mut short: Map<String, Value> = keywords.iter().map(inner).collect();
            if keywords.get("format").is_some_and(Value::is_string) {
                short.entry("maxLength").or_insert(MAX_FORMAT.into());
            }
            Value::Object(short)
        }
        Value::Array(list) => list.iter().map(with_short_formats).collect(),
        other => other.clone(),
    }
}

fn check(schema: &Value, at: &mut String, depth: usize, faults: &mut Vec<String>) {
    let Value::Object(keywords) = schema else {
        return faults.push(format!(
            "{}: a schema is an object; `true` would allow anything",
            place(at)
        ));
    };
    if depth > MAX_DEPTH {
        return faults.push(format!("{}: nested deeper than {MAX_DEPTH}", place(at)));
    }
    let mut fault = |text: String| faults.push(format!("{}: {text}", place(at)));
    if let Some(decided) = decided_elsewhere(keywords) {
        let alternatives = keywords
            .get(decided)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        if matches!(decided, "anyOf" | "oneOf") && alternatives > MAX_ALTERNATIVES {
            fault(format!(
                "\"{decided}\" has at most {MAX_ALTERNATIVES} alternatives"
            ));
        }
        for unknown in others(keywords, &[decided]) {
            fault(format!(
                "\"{unknown}\" beside \"{decided}\" is not supported"
            ));
        }
    } else {
        let types = types(keywords);
        if types.is_empty() {
            fault("\"type\", \"enum\" or \"const\" must say what is allowed".into());
        }
        let mut known = vec!["type"];
        for name in types {
            match name {
                "object" => known.extend(object(keywords, &mut fault)),
                "string" => known.extend(string(keywords, &mut fault)),
                "array" => known.extend(array(keywords, &mut fault)),
                "number" | "integer" => known.extend([
                    "minimum",
                    "maximum",
                    "exclusiveMinimum",
                    "exclusiveMaximum",
                    "multipleOf",
                ]),
                "boolean" | "null" => {}
                other => fault(format!("unknown type \"{other}\"")),
            }
        }
        for unknown in others(keywords, &known) {
            fault(format!("\"{unknown}\" is not supported here"));
        }
    }
    for (keyword, inner) in keywords {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    descend(property, at, &["properties", name], depth, faults);
                }
            }
            ("anyOf" | "oneOf" | "prefixItems", Value::Array(list)) => {
                for (i, one) in list.iter().enumerate() {
                    descend(one, at, &[keyword, &i.to_string()], depth, faults);
                }
            }
            // `false` allows nothing, which is as closed as can be.
            ("items", inner) if *inner != Value::Bool(false) => {
                descend(inner, at, &["items"], depth, faults)
            }
            _ => {}
        }
    }
}

fn descend(
    schema: &Value,
    at: &mut String,
    steps: &[&str],
    depth: usize,
    faults: &mut Vec<String>,
) {
    let length = at.len();
    for step in steps {
        at.push('/');
        at.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    check(schema, at, depth + 1, faults);
    at.truncate(length);
}

/// Keywords that say all by themselves: a list of values, one value, or other schemas.
fn decided_elsewhere(keywords: &Map<String, Value>) -> Option<&'static str> {
    ["const", "enum", "anyOf", "oneOf"]
        .into_iter()
        .find(|keyword| keywords.contains_key(*keyword))
}

fn types(keywords: &Map<String, Value>) -> Vec<&str> {
    match keywords.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several
            .iter()
            .map(|one| one.as_str().unwrap_or("?"))
            .collect(),
        _ => Vec::new(),
    }
}

fn others<'a>(keywords: &'a Map<String, Value>, known: &[&str]) -> Vec<&'a str> {
    // A type beside a list of values narrows it further.
    let values_listed = known.iter().any(|k| matches!(*k, "enum" | "const"));
    let fine = |k: &str| known.contains(&k) || NOTES.contains(&k) || (values_listed && k == "type");
    keywords
        .keys()
        .map(String::as_str)
        .filter(|k| !fine(k))
        .collect()
}

fn object(keywords: &Map<String, Value>, fault: &mut impl FnMut(String)) -> [&'static str; 3] {
    if keywords.get("additionalProperties") != Some(&Value::Bool(false)) {
        fault("an object needs \"additionalProperties\": false, or fields that nobody declared could leave".into());
    }
    if !keywords.get("properties").is_some_and(Value::is_object) {
        fault("an object needs \"properties\"".into());
    }
    ["properties", "required", "additionalProperties"]
}

fn string(keywords: &Map<String, Value>, fault: &mut impl FnMut(String)) -> [&'static str; 4] {
    let format = keywords.get("format").and_then(Value::as_str);
    if let Some(format) = format.filter(|format| !FORMATS.contains(format)) {
        fault(format!(
            "format \"{format}\" is not one of {}",
            FORMATS.join(", ")
        ));
    }
    if let Some(pattern) = keywords.get("pattern") {
        let text = pattern.as_str().unwrap_or_default();
        if !holds_from_start_to_end(text) {
            fault(
                "a \"pattern\" must hold from start to end, ^…$ in each of its alternatives".into(),
            );
        } else if regex::RegexBuilder::new(text)
            .size_limit(MAX_REGEX)
            .build()
            .is_err()
        {
            fault(format!(
                "the \"pattern\" takes more than {MAX_REGEX} bytes when it is compiled"
            ));
        }
    }
    if format.is_none() && !keywords.contains_key("pattern") && !keywords.contains_key("maxLength")
    {
        fault(
            "a string needs \"enum\", \"const\", \"format\", \"pattern\" or \"maxLength\"".into(),
        );
    }
    ["format", "pattern", "maxLength", "minLength"]
}

/// Whether nothing can stand before or after what the pattern matches.
fn holds_from_start_to_end(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_ok_and(|pattern| {
        let all = pattern.properties();
        all.look_set_prefix().contains(Look::Start) && all.look_set_suffix().contains(Look::End)
    })
}

fn array(keywords: &Map<String, Value>, fault: &mut impl FnMut(String)) -> [&'static str; 5] {
    if !keywords.contains_key("items") {
        fault("an array needs \"items\", or anything could follow".into());
    }
    let items = keywords.get("maxItems").and_then(Value::as_u64);
    if items.is_none_or(|items| items > MAX_ITEMS) {
        fault(format!("an array needs \"maxItems\", at most {MAX_ITEMS}"));
    }
    [
        "items",
        "prefixItems",
        "maxItems",
        "minItems",
        "uniqueItems",
    ]
}

fn place(at: &str) -> &str {
    if at.is_empty() { "at the top" } else { at }
}

#[cfg(test)]
mod tests;
