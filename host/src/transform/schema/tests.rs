//! What is closed, what is not, and what is too much.

mod foreign;
mod independent;
mod plain;

use super::*;
use serde_json::json;

fn closed() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {
            "a": {"type": "string", "pattern": "^x+$", "description": "x"},
            "b": {"enum": ["p", "q"]},
            "c": {"type": ["string", "null"], "format": "date-time"},
            "d": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
            "e": {"anyOf": [{"type": "string", "maxLength": 3}, {"const": 1}]},
        },
    })
}

#[test]
fn a_closed_schema_is_taken_and_holds() {
    let schema = ClosedSchema::parse(&closed()).unwrap();
    assert!(schema.allows(&json!({"a": "xx", "b": "p", "d": [1], "e": "abc"})));
    for open in [
        json!({}),
        json!({"a": "xx", "z": 1}),
        json!({"a": "y"}),
        json!({"a": "xx", "c": "no date"}),
        json!({"a": "xx", "e": "abcd"}),
    ] {
        assert!(!schema.allows(&open), "{open}");
    }
}

#[test]
fn whatever_could_let_more_out_is_refused_with_its_place() {
    for (pointer, value, says) in [
        ("/additionalProperties", json!(true), "additionalProperties"),
        (
            "/properties/a",
            json!({"type": "string"}),
            "/properties/a: a string needs",
        ),
        (
            "/properties/a",
            json!({"type": "string", "pattern": "x"}),
            "start to end",
        ),
        (
            "/properties/a",
            json!({"type": "string", "pattern": "^x|y$"}),
            "start to end",
        ),
        (
            "/properties/a",
            json!({"type": "string", "pattern": "^x\\$"}),
            "start to end",
        ),
        (
            "/properties/a",
            json!({"type": "string", "format": "email"}),
            "format \"email\"",
        ),
        ("/properties/a", json!(true), "`true` would allow anything"),
        ("/properties/a", json!({}), "must say what is allowed"),
        (
            "/properties/a",
            json!({"type": "object", "properties": {}}),
            "/properties/a: an object needs",
        ),
        (
            "/properties/a",
            json!({"type": "array", "maxItems": 1}),
            "\"items\"",
        ),
        (
            "/properties/a",
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            "/properties/a/items",
        ),
        (
            "/properties/a",
            json!({"$ref": "#/x"}),
            "\"$ref\" is not supported",
        ),
        (
            "/properties/e/anyOf/0",
            json!({"type": "string"}),
            "/properties/e/anyOf/0",
        ),
        ("/type", json!("string"), "\"type\" is \"object\""),
    ] {
        let mut schema = closed();
        *schema.pointer_mut(pointer).unwrap() = value;
        let faults = ClosedSchema::parse(&schema).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.contains(says)),
            "{pointer}: {faults:?}"
        );
    }
    let mut schema = closed();
    schema["patternProperties"] = json!({".*": {"type": "integer"}});
    assert!(ClosedSchema::parse(&schema).unwrap_err()[0].contains("patternProperties"));
}

#[test]
fn a_format_is_no_way_out_for_long_numbers() {
    let schema = ClosedSchema::parse(&closed()).unwrap();
    let time = |digits: usize| format!("2026-01-01T00:00:00.{}Z", "1".repeat(digits));
    assert!(schema.allows(&json!({"a": "x", "c": time(9)})));
    assert!(!schema.allows(&json!({"a": "x", "c": time(60)})));
}

#[test]
fn what_a_validation_could_cost_is_bounded() {
    let with = |property: Value| {
        let mut schema = closed();
        schema["properties"]["z"] = property;
        ClosedSchema::parse(&schema).map(|_| ())
    };
    let numbers = |n: usize| Value::from(vec![json!({"type": "null"}); n]);
    let array = |n: usize| json!({"type": "array", "items": {"type": "null"}, "maxItems": n});
    let wide = |n: usize| json!({"type": "string", "pattern": format!("^.{{{n}}}$")});
    for (allowed, too_much) in [
        (json!({"anyOf": numbers(16)}), json!({"anyOf": numbers(17)})),
        (array(1000), array(1001)),
        (wide(2), wide(9000)),
        (
            json!({"anyOf": numbers(10)}),
            json!({"anyOf": numbers(1000)}),
        ),
    ] {
        assert_eq!(with(allowed), Ok(()));
        assert!(with(too_much.clone()).is_err(), "{too_much}");
    }
}

#[test]
fn all_patterns_together_are_bounded_and_equal_ones_count_once() {
    let with = |patterns: usize, different: bool| {
        let field = |n: usize| {
            let least = if different { n } else { 0 };
            let text = format!("^.{{{least},200}}$");
            (format!("f{n}"), json!({"type": "string", "pattern": text}))
        };
        let mut schema = closed();
        schema["properties"] = Value::Object((0..patterns).map(field).collect());
        ClosedSchema::parse(&schema).map(|_| ())
    };
    assert_eq!(with(200, false), Ok(()));
    assert_eq!(with(4, true), Ok(()));
    let faults = with(200, true).unwrap_err();
    assert!(faults[0].contains("all patterns together"), "{faults:?}");
}

#[test]
fn all_listed_values_together_are_bounded() {
    let with = |values: usize, fields: usize| {
        let listed: Vec<usize> = (0..values).collect();
        let field = |n: usize| (format!("f{n}"), json!({"enum": listed}));
        let mut schema = closed();
        schema["properties"] = Value::Object((0..fields).map(field).collect());
        ClosedSchema::parse(&schema).map(|_| ())
    };
    assert_eq!(with(1_000, 2), Ok(()));
    assert!(with(1_001, 2).unwrap_err()[0].contains("values in all"));
    assert!(with(10_000, 1).unwrap_err()[0].contains("values in all"));
}

#[test]
fn what_is_wrong_is_looked_for_only_so_long() {
    let field = |n: usize| {
        (
            format!("f{n}"),
            json!({"type": "string", "pattern": format!("^.{{9000}}a{n}$")}),
        )
    };
    let mut schema = closed();
    schema["properties"] = Value::Object((0..900).map(field).collect());
    assert_eq!(ClosedSchema::parse(&schema).unwrap_err().len(), 51);
}

#[test]
fn a_schema_is_not_nested_for_ever() {
    let mut schema = json!({"type": "null"});
    for _ in 0..40 {
        schema =
            json!({"type": "object", "additionalProperties": false, "properties": {"x": schema}});
    }
    assert!(ClosedSchema::parse(&schema).unwrap_err()[0].contains("nested deeper"));
}

#[test]
fn what_is_refused_is_told_by_its_place_and_keyword_and_never_by_what_stands_there() {
    let text = json!({"type": "string", "maxLength": 3});
    let leg = json!({"type": "object", "additionalProperties": false, "properties": {"a/b": text}});
    let schema = ClosedSchema::parse(&json!({
        "type": "object", "additionalProperties": false, "required": ["n"],
        "properties": {
            "n": {"type": "integer", "minimum": 0, "maximum": 9},
            "side": {"enum": ["bid", "ask"]},
            "form": {"type": "string", "pattern": "^[A-Z]{1,3}$"},
            "at": {"type": "string", "format": "date"},
            "legs": {"type": "array", "maxItems": 2, "items": leg},
            "any": {"anyOf": [text, {"type": "null"}]},
        },
    }))
    .unwrap();
    for (data, pointer, keyword) in [
        (r#"{"n":"secret"}"#, "/n", "type"),
        (r#"{"n":4711}"#, "/n", "maximum"),
        (r#"{"n":-4711}"#, "/n", "minimum"),
        (r#"{"n":1,"side":"secret"}"#, "/side", "enum"),
        (r#"{"n":1,"form":"secret"}"#, "/form", "pattern"),
        (r#"{"n":1,"at":"secret"}"#, "/at", "format"),
        (
            r#"{"n":1,"legs":[{},{"a/b":"secret"}]}"#,
            "/legs/1/a~1b",
            "maxLength",
        ),
        (r#"{"n":1,"legs":[{},{},{}]}"#, "/legs", "maxItems"),
        (r#"{"n":1,"any":"secret"}"#, "/any", "anyOf"),
        (
            r#"{"n":1,"secret":{"secret":1}}"#,
            "",
            "additionalProperties",
        ),
        (
            r#"{"n":1,"legs":[{"secret":1}]}"#,
            "/legs/0",
            "additionalProperties",
        ),
        (r#"{"side":"bid"}"#, "", "required"),
        (r#""secret""#, "", "type"),
    ] {
        let offence = schema.offence(data).unwrap();
        assert_eq!(
            (&*offence.pointer, &*offence.keyword),
            (pointer, keyword),
            "{data}"
        );
        assert!(!format!("{offence:?}").contains("secret"), "{offence:?}");
    }
    assert_eq!(schema.offence(r#"{"n":1}"#), None);
    assert_eq!(schema.offence("secret"), None);
}
