//! The quick way against the slow one: with it or without, the same leaves, byte for byte.

use proptest::prelude::*;

use super::super::random::{self, Dice};
use super::*;

/// What leaves by the validator alone.
fn slowly(closed: &ClosedSchema, text: &str) -> Result<String, BlockReason> {
    let data: Value = serde_json::from_str(text).map_err(|_| BlockReason::Json)?;
    match closed.allows(&data) {
        true => Ok(data.to_string()),
        false => Err(BlockReason::Schema),
    }
}

fn write(closed: &ClosedSchema, text: &str) -> Result<String, BlockReason> {
    let mut written = "before".to_owned();
    let refused = closed.write(text, &mut written);
    let written = written.strip_prefix("before").unwrap().to_owned();
    assert!(refused.is_ok() || written.is_empty());
    refused.map(|()| written)
}

fn is_quick(closed: &ClosedSchema, text: &str) -> bool {
    let plain = closed.0.plain.as_ref();
    plain.is_some_and(|plain| plain.certainly_allows(text))
}

/// Of the kinds that the quick way knows, in one another.
fn known() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["a", "in"],
        "properties": {
            "a": {"type": "string", "pattern": "^a+$", "maxLength": 3},
            "b": {"enum": ["p", "q", "r\n"]},
            "c": {"type": "string", "const": "c"},
            "é": {"type": "string", "minLength": 1, "maxLength": 2},
            "n": {"type": "integer"},
            "in": {"type": "object", "additionalProperties": false, "properties": {"a": {"const": ""}}},
        },
    })
}

#[test]
fn what_is_written_as_the_guard_writes_goes_the_quick_way() {
    let closed = ClosedSchema::parse(&known()).unwrap();
    for text in [
        r#"{"a":"a","in":{}}"#,
        r#"{"in":{"a":""},"é":"éé","b":"q","c":"c","a":"aaa"}"#,
    ] {
        assert!(is_quick(&closed, text), "{text}");
        assert_eq!(write(&closed, text).as_deref(), Ok(text));
    }
}

#[test]
fn what_is_not_certain_is_for_the_validator() {
    let closed = ClosedSchema::parse(&known()).unwrap();
    for (text, leaves) in [
        (r#" {"a":"a","in":{}}"#, true),
        (r#"{"a": "a","in":{}}"#, true),
        (r#"{"a":"a","in":{}} "#, true),
        (r#"{"\u0061":"a","in":{}}"#, true),
        (r#"{"a":"\u0061","in":{}}"#, true),
        (r#"{"a":"a","in":{},"n":1}"#, true),
        (r#"{"a":"y","in":{},"a":"a"}"#, true),
        (r#"{"a":"a","in":{},"a":"y"}"#, false),
        (r#"{"a":"a","in":{},"b":"r\n"}"#, true),
        (r#"{"a":"aaaa","in":{}}"#, false),
        (r#"{"a":"a"}"#, false),
        (r#"{"a":"a","in":{},"é":""}"#, false),
        (r#"{"a":"a","in":{},"é":"ééé"}"#, false),
        (r#"{"a":"a","in":{},"d":"c"}"#, false),
        (r#"{"a":"a","in":{},}"#, false),
        (r#"{"a":"a","in":{}}{}"#, false),
        (r#"{"a":"a","in":{}"#, false),
        ("{}", false),
        ("", false),
    ] {
        assert!(!is_quick(&closed, text), "{text}");
        assert_eq!(write(&closed, text).is_ok(), leaves, "{text}");
        assert_eq!(write(&closed, text), slowly(&closed, text), "{text}");
    }
}

/// One change to a text, such as an author could make by mistake or on purpose.
fn change(text: &str, dice: &mut Dice) -> String {
    const SIGNS: [&str; 14] = [
        " ", "\n", "\"", "\\", ",", ":", "{", "}", "\\u0061", "\u{1}", "é", "a", "0", "null",
    ];
    let mut signs: Vec<String> = text.chars().map(String::from).collect();
    let place = dice.roll(signs.len());
    match dice.roll(4) {
        0 => drop(signs.remove(place)),
        1 => signs[place] = SIGNS[dice.roll(SIGNS.len())].into(),
        2 => signs.insert(place, SIGNS[dice.roll(SIGNS.len())].into()),
        // A name twice, or a piece of text inside another.
        _ => {
            let piece = signs[place..].concat();
            signs.insert(dice.roll(place + 1), piece);
        }
    }
    signs.concat()
}

fn hold_both_ways_against_each_other(schema: &Value, seed: u64) -> Result<(), TestCaseError> {
    let closed = ClosedSchema::parse(schema).unwrap();
    let mut dice = Dice(seed);
    for _ in 0..20 {
        let mut value = random::sample(schema, &mut dice);
        if dice.roll(4) == 0 {
            random::spoil(&mut value, &mut dice);
        }
        let mut text = value.to_string();
        for _ in 0..dice.roll(3) {
            if !text.is_empty() {
                text = change(&text, &mut dice);
            }
        }
        let (quickly, slowly) = (write(&closed, &text), slowly(&closed, &text));
        prop_assert_eq!(quickly, slowly, "{} by {}", text, schema);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1_000)))]

    #[test]
    fn both_ways_let_out_the_same(schema in random::closed(random::schema()), seed: u64) {
        hold_both_ways_against_each_other(&schema, seed)?;
    }

    #[test]
    fn both_ways_let_out_the_same_of_what_the_quick_one_knows(seed: u64) {
        hold_both_ways_against_each_other(&known(), seed)?;
    }
}
