//! Annotations and foreign keywords at random places of a closed schema: it is refused, or it
//! accepts exactly what it accepts without them.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::random::{self, Dice};
use super::*;

const DECIDING: [&str; 21] = [
    "type",
    "const",
    "enum",
    "anyOf",
    "oneOf",
    "properties",
    "required",
    "additionalProperties",
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
];

fn annotations() -> Vec<(&'static str, Value)> {
    let looks_like_a_schema = json!({"$schema": DRAFT_4, "type": "string", "format": "date"});
    vec![
        ("title", json!("t")),
        ("description", json!("d")),
        ("deprecated", json!(true)),
        ("examples", json!([looks_like_a_schema, 1])),
        ("default", looks_like_a_schema),
        ("$comment", json!("c")),
    ]
}

const DRAFT_4: &str = "http://json-schema.org/draft-04/schema#";

fn foreign() -> Vec<(&'static str, Value)> {
    let open = json!({});
    vec![
        ("$schema", json!(DRAFT_4)),
        ("$schema", json!("http://json-schema.org/draft-07/schema#")),
        (
            "$schema",
            json!("https://json-schema.org/draft/2019-09/schema"),
        ),
        (
            "$schema",
            json!("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("$id", json!("https://example.org/other")),
        ("id", json!("https://example.org/other")),
        ("$ref", json!("#")),
        ("$ref", json!("http://json-schema.org/draft-04/schema#")),
        ("$dynamicRef", json!("#a")),
        ("$recursiveRef", json!("#")),
        ("$anchor", json!("a")),
        ("$dynamicAnchor", json!("a")),
        ("$recursiveAnchor", json!(true)),
        (
            "$vocabulary",
            json!({"https://json-schema.org/draft/2020-12/vocab/core": true}),
        ),
        ("$defs", json!({"a": true})),
        ("definitions", json!({"a": true})),
        ("allOf", json!([open])),
        ("not", open.clone()),
        ("if", open.clone()),
        ("then", json!(true)),
        ("else", json!(true)),
        ("anyOf", json!([open])),
        ("oneOf", json!([true])),
        ("patternProperties", json!({"": true})),
        ("propertyNames", json!(true)),
        ("unevaluatedProperties", json!(true)),
        ("unevaluatedItems", json!(true)),
        ("additionalProperties", json!(true)),
        ("additionalItems", json!(true)),
        ("dependentSchemas", json!({"a": true})),
        ("dependencies", json!({"a": ["b"]})),
        ("contains", open.clone()),
        ("minContains", json!(0)),
        ("minProperties", json!(0)),
        ("items", json!([open])),
        ("items", json!(true)),
        ("prefixItems", json!([true])),
        ("properties", json!([])),
        ("required", json!(true)),
        ("required", json!("a")),
        ("type", json!("any")),
        ("type", json!([])),
        ("extends", open.clone()),
        ("disallow", json!("string")),
        ("divisibleBy", json!(2)),
        ("exclusiveMaximum", json!(true)),
        ("maxLength", json!("9")),
        ("maxLength", json!(1e300)),
        ("maxItems", json!(1e3)),
        ("format", json!("regex")),
        ("format", json!(1)),
        ("nullable", json!(true)),
        ("discriminator", json!({"propertyName": "a"})),
        ("contentMediaType", json!("application/json")),
        ("contentSchema", json!(true)),
        ("enum", json!([{"n": 1}])),
        ("const", json!({"n": 1})),
        ("readOnly", json!(true)),
        ("x-internal", json!(1)),
    ]
}

/// The places of all objects: schemas, lists of fields, and values alike.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            for (name, member) in members {
                objects(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                objects(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

fn decorated() -> impl Strategy<Value = (Value, Value)> {
    let keywords = || {
        let annotations = prop::sample::select(annotations());
        prop_oneof![2 => annotations, 1 => prop::sample::select(foreign())]
    };
    let words = prop::collection::vec((keywords(), any::<prop::sample::Index>()), 1..4);
    (random::closed(random::schema()), words).prop_map(|(plain, words)| {
        let mut schema = plain.clone();
        for ((keyword, value), place) in words {
            let mut places = Vec::new();
            objects(&schema, "", &mut places);
            let place: &String = place.get(&places);
            let there = schema.pointer_mut(place).unwrap();
            there[keyword] = value;
        }
        (plain, schema)
    })
}

/// A copy with nothing but the keywords that decide; values are left as they are.
fn stripped(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let decides = |keyword: &str| DECIDING.contains(&keyword) || keyword == "multipleOf";
    let kept = keywords.iter().filter(|(keyword, _)| decides(keyword));
    let copied = kept.map(|(keyword, value)| {
        let value = match (keyword.as_str(), value) {
            ("properties", Value::Object(fields)) => fields
                .iter()
                .map(|(name, field)| (name.clone(), stripped(field)))
                .collect(),
            ("items", items) => stripped(items),
            ("prefixItems" | "anyOf" | "oneOf", Value::Array(list)) => {
                list.iter().map(stripped).collect()
            }
            _ => value.clone(),
        };
        (keyword.clone(), value)
    });
    Value::Object(copied.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

    #[test]
    fn what_is_written_beside_changes_nothing_or_is_refused((plain, schema) in decorated(), seed: u64) {
        let Ok(closed) = ClosedSchema::parse(&schema) else {
            return Ok(());
        };
        let copy = stripped(&schema);
        let without = ClosedSchema::parse(&copy).unwrap();
        let mut dice = Dice(seed);
        for _ in 0..20 {
            let mut value = random::sample(&plain, &mut dice);
            if dice.roll(2) == 0 {
                random::spoil(&mut value, &mut dice);
            }
            let allowed = closed.allows(&value);
            prop_assert_eq!(allowed, without.allows(&value), "{} by {}", value, schema);
            let fits = super::independent::evaluator::accepts(&schema, &value);
            prop_assert_eq!(allowed, fits, "{} by {}", value, schema);
        }
    }

    /// The form that is shown is the form that was judged: checked again, it is itself.
    #[test]
    fn the_document_is_a_closed_schema_and_the_same_one((_, schema) in decorated()) {
        if let Ok(closed) = ClosedSchema::parse(&schema) {
            let again = ClosedSchema::parse(closed.document()).unwrap();
            prop_assert_eq!(again.document(), closed.document());
        }
    }
}

/// Otherwise the properties above could hold for want of anything to hold for.
#[test]
fn some_are_refused_and_some_are_taken() {
    let mut runner = TestRunner::deterministic();
    let taken = (0..1_000)
        .filter(|_| {
            let (_, schema) = decorated().new_tree(&mut runner).unwrap().current();
            ClosedSchema::parse(&schema).is_ok()
        })
        .count();
    assert!((150..850).contains(&taken), "{taken} of 1000");
}
