//! Random closed schemas and values near them, for tests of whatever reads schemas.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Closed schemas out of few words, so that two of them often have much in common.
pub(crate) fn schema() -> impl Strategy<Value = Value> {
    let strings = prop_oneof![
        (0..4_u64).prop_map(|most| json!({"type": "string", "maxLength": most})),
        (0..3_u64, 1..4_u64).prop_map(
            |(least, most)| json!({"type": "string", "minLength": least, "maxLength": most})
        ),
        prop::sample::select(vec!["^a*$", "^(a|b)$", "^.{0,2}$"])
            .prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        prop::sample::select(vec!["date", "time", "ipv4"])
            .prop_map(|format| json!({"type": "string", "format": format})),
        Just(json!({"type": "string", "format": "date", "maxLength": 4})),
    ];
    let bound = |keyword: &'static str| {
        let value =
            prop::sample::select(vec![json!(-1), json!(0), json!(1), json!(0.5), json!(2.0)]);
        prop::option::weighted(0.3, value.prop_map(move |value| (keyword, value)))
    };
    let numbers = (
        prop::sample::select(vec![
            json!("integer"),
            json!("number"),
            json!(["integer", "null"]),
            json!(["number", "boolean"]),
        ]),
        bound("minimum"),
        bound("maximum"),
        bound("exclusiveMinimum"),
        bound("exclusiveMaximum"),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec![json!(1), json!(2), json!(4), json!(0.5)]),
        ),
    )
        .prop_map(|(types, a, b, c, d, step)| {
            let mut schema = json!({"type": types});
            for (keyword, value) in [a, b, c, d].into_iter().flatten() {
                schema[keyword] = value;
            }
            if let Some(step) = step {
                schema["multipleOf"] = step;
            }
            schema
        });
    let listed = prop_oneof![
        prop::sample::subsequence(few_values(), 1..5).prop_map(|values| json!({"enum": values})),
        prop::sample::subsequence(few_values(), 1..5).prop_map(|mut values| {
            values.push(json!("b"));
            json!({"type": ["string", "integer"], "enum": values})
        }),
        prop::sample::select(few_values()).prop_map(|value| json!({"const": value})),
    ];
    let plain = prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": ["boolean", "string"], "maxLength": 2})),
    ];
    prop_oneof![3 => strings, 3 => numbers, 3 => listed, 1 => plain].prop_recursive(3, 16, 4, |inner| {
        let items = prop_oneof![3 => inner.clone(), 1 => Just(json!(false))];
        let prefix = prop::option::of(prop::collection::vec(inner.clone(), 1..3));
        let array = (items, prefix, 0..3_u64, 0..4_u64, any::<bool>()).prop_map(
            |(items, prefix, least, most, unique)| {
                let mut schema = json!({"type": "array", "items": items, "minItems": least, "maxItems": most, "uniqueItems": unique});
                if let Some(prefix) = prefix {
                    schema["prefixItems"] = prefix.into();
                }
                schema
            },
        );
        let alternatives = |keyword: &'static str| {
            prop::collection::vec(inner.clone(), 1..4).prop_map(move |list| json!({keyword: list}))
        };
        prop_oneof![
            2 => array,
            1 => alternatives("anyOf"),
            1 => alternatives("oneOf"),
            3 => closed(inner.clone()),
        ]
    })
}

fn few_values() -> Vec<Value> {
    vec![
        json!("a"),
        json!("aa"),
        json!("b"),
        json!(0),
        json!(1),
        json!(1.5),
        json!(null),
        json!(true),
        json!([]),
        json!({"a": 1}),
    ]
}

pub(crate) fn closed(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    (
        prop::collection::btree_map(name(), inner, 1..4),
        prop::collection::btree_set(name(), 0..3),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(fields, mut required, impossible)| {
            if !impossible {
                required.retain(|name| fields.contains_key(name));
            }
            json!({
                "type": "object", "additionalProperties": false,
                "properties": fields, "required": required,
            })
        })
}

/// The names of an object's fields.
pub(crate) fn properties_of(schema: &Value) -> Vec<String> {
    let fields = schema.get("properties").and_then(Value::as_object);
    fields
        .into_iter()
        .flat_map(|fields| fields.keys().cloned())
        .collect()
}

/// A source of choices that needs no more than a number.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A value that has good chances to fit the schema.
pub(crate) fn sample(schema: &Value, dice: &mut Dice) -> Value {
    let strings = [
        "",
        "a",
        "aa",
        "b",
        "ab",
        "aaa",
        "xyz",
        "2024-01-01",
        "12:00:00Z",
        "1.2.3.4",
    ];
    let numbers = [
        json!(-1),
        json!(0),
        json!(1),
        json!(2),
        json!(4),
        json!(0.5),
        json!(1.5),
        json!(1.0),
        json!(0.25),
    ];
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return list[dice.roll(list.len())].clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(list) = schema.get(keyword).and_then(Value::as_array) {
            return sample(&list[dice.roll(list.len())], dice);
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    let name = if types.is_empty() {
        "null"
    } else {
        types[dice.roll(types.len())]
    };
    match name {
        "string" => strings[dice.roll(strings.len())].into(),
        "integer" | "number" => numbers[dice.roll(numbers.len())].clone(),
        "boolean" => (dice.roll(2) == 0).into(),
        "array" => (0..dice.roll(4))
            .map(
                |place| match schema.get("prefixItems").and_then(|list| list.get(place)) {
                    Some(item) => sample(item, dice),
                    None => sample(&schema["items"], dice),
                },
            )
            .collect(),
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = properties_of(schema).into_iter().filter_map(|name| {
                let kept = required.contains(&json!(name)) || dice.roll(2) == 0;
                kept.then(|| (name.clone(), sample(&schema["properties"][&name], dice)))
            });
            Value::Object(fields.collect())
        }
        _ => Value::Null,
    }
}

/// Changes a value so that it seldom fits what it fitted: a member that nobody named, something
/// internal in the place of a part, a number that is barely another.
pub(crate) fn spoil(value: &mut Value, dice: &mut Dice) {
    let internal = json!({"n": 1, "internal": {"position": -120.5}});
    match value {
        Value::Object(members) if dice.roll(2) == 0 || members.is_empty() => {
            let names = ["internal", "__proto__", "$schema", "title", "a"];
            members.insert(names[dice.roll(names.len())].into(), internal);
        }
        Value::Object(members) => {
            let place = dice.roll(members.len());
            if let Some(member) = members.values_mut().nth(place) {
                spoil(member, dice);
            }
        }
        Value::Array(items) if !items.is_empty() && dice.roll(2) == 0 => {
            let place = dice.roll(items.len());
            spoil(&mut items[place], dice);
        }
        Value::Array(items) => items.push(internal),
        Value::Number(number) => {
            let near = number.as_f64().unwrap_or_default();
            let others = [near + 0.5, near + 1e-9, -near, near * 1e300, 0.1];
            *value = others[dice.roll(others.len())].into();
        }
        _ => *value = [internal, json!("x".repeat(65)), json!(1e300)][dice.roll(3)].clone(),
    }
}
