//! Nothing gets wider unnoticed: random pairs of schemas, against the validator itself.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::transform::schema::random::{Dice, closed, properties_of, sample, schema};

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
        for (i, schema) in list.into_iter().flatten().enumerate() {
            places(schema, &format!("{at}/{keyword}/{i}"), found);
        }
    }
}

/// Two schemas: unrelated, or the same but for one place.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    // Of several others one that is of the same type, if there is any: the nearer two schemas
    // are, the fewer changes can cover up for one that was overlooked.
    let others = prop::collection::vec(schema(), 8);
    let near = (closed(schema()), others, any::<prop::sample::Index>()).prop_map(
        |(from, others, place)| {
            let mut found = Vec::new();
            places(&from, "", &mut found);
            let place = place.get(&found[1..]);
            let mut to = from.clone();
            let there = to.pointer_mut(place).unwrap();
            let alike = others
                .iter()
                .find(|schema| schema.get("type") == there.get("type"));
            *there = alike.unwrap_or(&others[0]).clone();
            (from, to)
        },
    );
    let near_either_way = (near, any::<bool>())
        .prop_map(|((from, to), turned)| if turned { (to, from) } else { (from, to) });
    prop_oneof![1 => (closed(schema()), closed(schema())), 3 => near_either_way]
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
        value => value.clone(),
    }
}

proptest! {
    // More of them on demand, by PROPTEST_CASES.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

    #[test]
    fn what_only_the_new_schema_allows_is_never_a_mere_note((from, to) in pair(), seed: u64) {
        let closed = |schema| ClosedSchema::parse(schema).unwrap();
        let (before, now) = (closed(&from), closed(&to));
        let mut dice = Dice(seed);
        let said = said(&from, &to);
        let noticed = said.iter().any(|line| !line.starts_with("note "));
        for _ in 0..40 {
            let value = sample(&to, &mut dice);
            if now.allows(&value) && !before.allows(&value) {
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
        let closed = |schema| ClosedSchema::parse(schema).unwrap();
        let (before, now) = (closed(&from), closed(&to));
        let new = (0..40)
            .map(|_| sample(&to, &mut dice))
            .any(|value| now.allows(&value) && !before.allows(&value));
        let said = said(&from, &to);
        let noticed = said.iter().filter(|line| !line.starts_with("note "));
        hanging += usize::from(new && noticed.count() == 1);
    }
    assert!(hanging > 100, "{hanging}");
}
