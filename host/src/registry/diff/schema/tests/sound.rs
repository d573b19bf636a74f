//! Nothing gets wider unnoticed: random pairs of schemas, against the validator itself.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

/// Closed schemas out of few words, so that two of them often have much in common.
fn schema() -> impl Strategy<Value = Value> {
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
        prop::sample::subsequence(few_values(), 1..5)
            .prop_map(|values| json!({"type": ["string", "integer"], "enum": values})),
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

fn closed(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
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
            object(&json!(fields), &json!(required))
        })
}

/// The places of the schemas inside of one.
fn places(schema: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    for name in properties_of(schema) {
        places(
            &schema["properties"][&name],
            &format!("{at}/properties/{name}"),
            found,
        );
    }
    if schema.get("items").is_some_and(Value::is_object) {
        places(&schema["items"], &format!("{at}/items"), found);
    }
    for keyword in ["anyOf", "oneOf", "prefixItems"] {
        let list = schema.get(keyword).and_then(Value::as_array);
        for (i, one) in list.into_iter().flatten().enumerate() {
            places(one, &format!("{at}/{keyword}/{i}"), found);
        }
    }
}

fn properties_of(schema: &Value) -> Vec<String> {
    let fields = schema.get("properties").and_then(Value::as_object);
    fields
        .into_iter()
        .flat_map(|fields| fields.keys().cloned())
        .collect()
}

/// Two schemas: unrelated, or the same but for one place.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    // Of several others one that is of the same type, if there is any: the nearer two schemas
    // are, the fewer changes can cover up for one that was overlooked.
    let others = prop::collection::vec(schema(), 8);
    let near = (closed(schema()), others, any::<prop::sample::Index>()).prop_map(
        |(from, others, place)| {
            let mut all = Vec::new();
            places(&from, "", &mut all);
            let place = place.get(&all[1..]);
            let mut to = from.clone();
            let there = to.pointer_mut(place).unwrap();
            let alike = others
                .iter()
                .find(|one| one.get("type") == there.get("type"));
            *there = alike.unwrap_or(&others[0]).clone();
            (from, to)
        },
    );
    let near_either_way = (near, any::<bool>())
        .prop_map(|((from, to), turned)| if turned { (to, from) } else { (from, to) });
    prop_oneof![1 => (closed(schema()), closed(schema())), 3 => near_either_way]
}

/// A source of choices that needs no more than a number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A value that has good chances to fit the schema.
fn sample(schema: &Value, dice: &mut Dice) -> Value {
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
        one => one.as_str().into_iter().collect(),
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
                    Some(one) => sample(one, dice),
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

/// The same schema with everything in another order that may be in another order.
fn turned(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let turned = |(keyword, inner): (&String, &Value)| {
                let inner = match (keyword.as_str(), inner) {
                    ("type" | "required" | "enum", Value::Array(list)) => {
                        list.iter().rev().cloned().collect()
                    }
                    ("anyOf" | "oneOf", Value::Array(list)) => {
                        list.iter().rev().map(self::turned).collect()
                    }
                    ("const", value) => value.clone(),
                    _ => self::turned(inner),
                };
                (keyword.clone(), inner)
            };
            Value::Object(keywords.iter().rev().map(turned).collect())
        }
        Value::Array(list) => list.iter().map(turned).collect(),
        other => other.clone(),
    }
}

proptest! {
    // More of them on demand, by PROPTEST_CASES.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

    #[test]
    fn what_only_the_new_schema_allows_is_never_a_mere_note((from, to) in pair(), seed: u64) {
        let (before, now) = (validator(&from).unwrap(), validator(&to).unwrap());
        let mut dice = Dice(seed);
        let said = said(&from, &to);
        let noticed = said.iter().any(|line| !line.starts_with("note "));
        for _ in 0..40 {
            let value = sample(&to, &mut dice);
            if now.is_valid(&value) && !before.is_valid(&value) {
                prop_assert!(noticed, "{value} is new from {from} to {to}: {said:?}");
            }
        }
    }

    #[test]
    fn a_schema_is_no_change_of_itself_in_whatever_order(schema in closed(schema())) {
        prop_assert_eq!(said(&schema, &schema), [""; 0]);
        prop_assert_eq!(said(&schema, &turned(&schema)), [""; 0]);
    }
}

/// Otherwise the property above could hold for want of anything to hold for.
#[test]
fn many_pairs_hang_on_one_change_alone() {
    let mut runner = TestRunner::deterministic();
    let mut dice = Dice(1);
    let mut hanging = 0;
    for _ in 0..1_000 {
        let (from, to) = pair().new_tree(&mut runner).unwrap().current();
        let (before, now) = (validator(&from).unwrap(), validator(&to).unwrap());
        let new = (0..40)
            .map(|_| sample(&to, &mut dice))
            .any(|value| now.is_valid(&value) && !before.is_valid(&value));
        let said = said(&from, &to);
        let noticed = said.iter().filter(|line| !line.starts_with("note "));
        hanging += usize::from(new && noticed.count() == 1);
    }
    assert!(hanging > 100, "{hanging}");
}
