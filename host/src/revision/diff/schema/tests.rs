//! What is said of two schemas, one difference at a time.

use serde_json::{Value, json};

use super::super::Changes;
use super::*;

mod sound;

/// A closed object.
fn object(fields: &Value, required: &Value) -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "properties": fields, "required": required,
    })
}

/// Each change as `breaking price: gone (was integer)`, sorted.
fn said(from: &Value, to: &Value) -> Vec<String> {
    let closed = |schema| ClosedSchema::parse(schema).unwrap();
    let mut found = Changes::default();
    compare(&closed(from), &closed(to), &mut found);
    lines(&found)
}

fn lines(found: &Changes) -> Vec<String> {
    let line = |change: &crate::revision::change::Change| {
        let level = format!("{:?}", change.level).to_lowercase();
        format!("{level} {}: {}", change.subject, change.what)
    };
    let mut lines: Vec<String> = found.list.iter().map(line).collect();
    lines.sort();
    lines
}

/// As `said`, of one field `x` that is there in both.
fn of_field(from: &Value, to: &Value) -> Vec<String> {
    let schema = |field: &Value| object(&json!({"x": field}), &json!([]));
    said(&schema(from), &schema(to))
}

fn text(most: u64) -> Value {
    json!({"type": "string", "maxLength": most})
}

#[test]
fn a_field_that_comes_is_wider_and_one_that_goes_is_breaking() {
    let small = object(&json!({"open": text(20)}), &json!([]));
    let leg = object(
        &json!({"price": {"type": "number", "minimum": 0}}),
        &json!([]),
    );
    let legs = json!({"type": "array", "items": leg, "maxItems": 2});
    let large = object(&json!({"open": text(20), "legs": legs}), &json!(["legs"]));
    assert_eq!(
        said(&small, &large),
        [
            "wider legs: added (array of up to 2 × object)",
            "wider legs[].price: added (number from 0)",
        ]
    );
    assert_eq!(
        said(&large, &small),
        ["breaking legs: gone (was array of up to 2 × object)"]
    );
}

#[test]
fn a_name_with_other_characters_hides_no_field_of_what_comes() {
    let inner = object(&json!({"net position": {"type": "number"}}), &json!([]));
    let list = json!({"type": "array", "items": inner, "maxItems": 2});
    let small = object(&json!({}), &json!([]));
    let large = object(&json!({"leg": inner, "legs": list}), &json!([]));
    assert_eq!(
        said(&small, &large),
        [
            "wider leg: added (object)",
            "wider leg[\"net position\"]: added (number)",
            "wider legs: added (array of up to 2 × object)",
            "wider legs[][\"net position\"]: added (number)",
        ]
    );
}

#[test]
fn the_first_items_of_an_array_are_told_like_the_rest() {
    let tuple = |rest: &Value| json!({"type": "array", "prefixItems": [text(60_000), {"type": "integer"}], "items": rest, "maxItems": 3});
    let small = object(&json!({}), &json!([]));
    let large = object(
        &json!({"a": tuple(&json!(false)), "b": tuple(&text(1))}),
        &json!([]),
    );
    assert_eq!(
        said(&small, &large),
        [
            "wider a: added (array of up to 3: string up to 60000 characters, integer)",
            "wider b: added (array of up to 3: string up to 60000 characters, integer, then × string up to 1 character)",
        ]
    );
}

#[test]
fn a_field_that_was_always_there_is_missed() {
    let always = object(&json!({"a": text(1)}), &json!(["a"]));
    let sometimes = object(&json!({"a": text(1)}), &json!([]));
    assert_eq!(
        said(&always, &sometimes),
        ["breaking a: can be absent, was always there"]
    );
    assert_eq!(
        said(&sometimes, &always),
        ["note a: always there, could be absent"]
    );
}

#[test]
fn each_difference_of_a_field_has_its_level() {
    let list =
        |items: &Value, most: u64| json!({"type": "array", "items": items, "maxItems": most});
    let date = json!({"type": "string", "format": "date"});
    for (from, to, expected) in [
        // Types.
        (
            text(5),
            json!({"type": "integer"}),
            "breaking x: integer, was string up to 5 characters",
        ),
        (
            json!({"type": "integer"}),
            json!({"type": "number"}),
            "breaking x: number, was integer",
        ),
        (
            json!({"type": "number"}),
            json!({"type": "integer"}),
            "note x: integer only, was number",
        ),
        (
            json!({"type": "integer"}),
            json!({"type": ["null", "integer"]}),
            "breaking x: integer or null, was integer",
        ),
        (
            json!({"type": ["null", "integer"]}),
            json!({"type": "integer"}),
            "note x: integer only, was integer or null",
        ),
        // Listed values.
        (
            json!({"enum": ["a"]}),
            json!({"enum": ["b", "a"]}),
            "wider x: also \"b\"",
        ),
        (
            json!({"enum": ["a", "b"]}),
            json!({"const": "a"}),
            "note x: no longer \"b\"",
        ),
        (
            json!({"enum": ["a"]}),
            json!({"enum": ["a", null]}),
            "breaking x: also null, of another type than before",
        ),
        (
            json!({"enum": ["a"]}),
            text(3),
            "wider x: string up to 3 characters, was \"a\"",
        ),
        (
            json!({"enum": [1]}),
            text(3),
            "breaking x: string up to 3 characters, was 1",
        ),
        (
            text(3),
            json!({"enum": ["a", "abc"]}),
            "note x: one of \"a\", \"abc\", was string up to 3 characters",
        ),
        (
            text(3),
            json!({"enum": ["a", "abcd"]}),
            "wider x: one of \"a\", \"abcd\", was string up to 3 characters",
        ),
        (
            text(3),
            json!({"enum": ["a", 4]}),
            "breaking x: one of \"a\", 4, was string up to 3 characters",
        ),
        // Strings.
        (
            text(5),
            text(6),
            "wider x: up to 6 characters, was up to 5 characters",
        ),
        (
            text(6),
            text(5),
            "note x: up to 5 characters, was up to 6 characters",
        ),
        (
            json!({"type": "string", "maxLength": 5, "minLength": 1}),
            text(5),
            "wider x: at least 0 characters, was 1",
        ),
        (
            json!({"type": "string", "pattern": "^a$"}),
            json!({"type": "string", "pattern": "^b$"}),
            "wider x: like ^b$, was ^a$",
        ),
        (
            json!({"type": "string", "pattern": "^a$", "maxLength": 5}),
            text(5),
            "wider x: free, was like ^a$",
        ),
        (
            text(64),
            date.clone(),
            "note x: of format date only, was free",
        ),
        (date.clone(), text(64), "wider x: free, was of format date"),
        (
            date,
            json!({"type": "string", "format": "time"}),
            "wider x: of format time, was date",
        ),
        // Numbers.
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "integer", "minimum": 0}),
            "wider x: at least 0, was at least 1",
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "integer", "exclusiveMinimum": 1}),
            "note x: more than 1, was at least 1",
        ),
        (
            json!({"type": "integer", "exclusiveMaximum": 1}),
            json!({"type": "integer", "maximum": 1}),
            "wider x: at most 1, was less than 1",
        ),
        (
            json!({"type": "integer", "maximum": 1}),
            json!({"type": "integer"}),
            "wider x: without end, was at most 1",
        ),
        (
            json!({"type": "integer", "multipleOf": 2}),
            json!({"type": "integer", "multipleOf": 4}),
            "note x: multiples of 4, was multiples of 2",
        ),
        (
            json!({"type": "integer", "multipleOf": 4}),
            json!({"type": "integer", "multipleOf": 2}),
            "wider x: multiples of 2, was multiples of 4",
        ),
        // Arrays.
        (
            list(&text(1), 2),
            list(&text(1), 3),
            "wider x[]: up to 3 items, was up to 2 items",
        ),
        (
            list(&text(1), 2),
            list(&text(2), 2),
            "wider x[]: up to 2 characters, was up to 1 characters",
        ),
        (
            json!({"type": "array", "items": false, "maxItems": 1}),
            list(&text(1), 1),
            "wider x[]: added (string up to 1 character)",
        ),
        (
            json!({"type": "array", "items": text(1), "maxItems": 2, "minItems": 1}),
            list(&text(1), 2),
            "breaking x[]: at least 0 items, was 1",
        ),
        (
            json!({"type": "array", "items": text(1), "maxItems": 2, "uniqueItems": true}),
            list(&text(1), 2),
            "wider x[]: items can be equal, were all different",
        ),
        (
            json!({"type": "array", "prefixItems": [text(1)], "items": text(1), "maxItems": 2}),
            json!({"type": "array", "prefixItems": [text(2)], "items": text(1), "maxItems": 2}),
            "wider x[0]: up to 2 characters, was up to 1 characters",
        ),
        // Alternatives.
        (
            json!({"anyOf": [text(1), {"type": "null"}]}),
            json!({"anyOf": [{"type": "null"}, text(2)]}),
            "wider x: up to 2 characters, was up to 1 characters",
        ),
        (
            json!({"anyOf": [text(1), {"type": "null"}]}),
            text(1),
            "note x: fewer alternatives: string up to 1 character, was (string up to 1 character or null)",
        ),
        // Words about it.
        (
            json!({"type": "null", "title": "A"}),
            json!({"type": "null", "title": "B"}),
            "note x: described anew",
        ),
    ] {
        assert_eq!(of_field(&from, &to), [expected], "{from} → {to}");
    }
}

#[test]
fn what_cannot_be_judged_is_wider_and_breaking() {
    for (from, to) in [
        (text(1), json!({"anyOf": [text(1), {"type": "null"}]})),
        (
            json!({"oneOf": [text(1), {"const": "a"}]}),
            json!({"oneOf": [text(1)]}),
        ),
        (json!({"oneOf": [text(1)]}), text(1)),
    ] {
        cannot_be_judged(&of_field(&from, &to), "x");
    }
}

/// Never past the check; nothing may pass for known here all the same.
#[test]
fn what_no_check_lets_pass_cannot_be_judged_either() {
    for (from, to) in [
        (
            text(1),
            json!({"type": "string", "maxLength": 1, "unheardOf": true}),
        ),
        (json!({"const": 1}), json!({"const": 1, "anyOf": [text(1)]})),
        (json!({}), json!({"maxLength": 1})),
        (json!(true), json!(false)),
    ] {
        let mut found = Changes::default();
        Walk { found: &mut found }.node("x", &from, &to);
        cannot_be_judged(&lines(&found), "x");
    }
}

fn cannot_be_judged(said: &[String], field: &str) {
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with(&format!("breaking {field}: ")),
        "{said:?}"
    );
    assert!(said[0].contains("cannot be judged"), "{said:?}");
    assert!(said[1].starts_with(&format!("wider {field}: ")), "{said:?}");
}

#[test]
fn an_object_of_a_new_type_tells_its_fields() {
    let leg = object(&json!({"price": text(9)}), &json!([]));
    assert_eq!(
        of_field(&text(1), &leg),
        [
            "breaking x: object, was string up to 1 character",
            "wider x.price: added (string up to 9 characters)",
        ]
    );
}

#[test]
fn order_alone_is_no_change() {
    let schema = object(
        &json!({
            "a": {"enum": ["p", "q"]},
            "b": {"type": ["string", "null"], "maxLength": 1},
            "c": {"anyOf": [text(1), {"type": "null"}]},
            "d": {"oneOf": [{"enum": [1, 2]}, {"type": "null"}]},
        }),
        &json!(["a", "b"]),
    );
    let reordered = object(
        &json!({
            "d": {"oneOf": [{"type": "null"}, {"enum": [2, 1]}]},
            "c": {"anyOf": [{"type": "null"}, {"maxLength": 1, "type": "string"}]},
            "b": {"maxLength": 1, "type": ["null", "string"]},
            "a": {"enum": ["q", "p"]},
        }),
        &json!(["b", "a"]),
    );
    assert_eq!(said(&schema, &reordered), [""; 0]);
}

#[test]
fn names_that_could_be_read_as_several_steps_are_quoted() {
    assert_eq!(field("a", "b"), "a.b");
    assert_eq!(field("", "b.c"), "[\"b.c\"]");
    assert_eq!(field("a", "b[]\n"), "a[\"b[]\\n\"]");
    assert_eq!(field("a", ""), "a[\"\"]");
}
