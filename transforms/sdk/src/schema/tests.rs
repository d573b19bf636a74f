//! The schemas that are derived, and that what is written is what they say.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::text;
use crate::PublicData;

/// A book of
/// orders.
#[derive(PublicData)]
#[public(title = "Book")]
struct Book<'a> {
    #[public(decimal, example = "1.5")]
    last_price: Cow<'a, str>,
    /// When.
    #[public(timestamp)]
    time: Option<String>,
    #[public(max_length = LONGEST, pattern = "^[a-z]+$")]
    venue: &'a str,
    #[public(one_of = ["a", "b"])]
    kind: Option<&'a str>,
    #[public(constant = "x", title = "The constant")]
    fixed: &'static str,
    depth: u8,
    #[public(minimum = -5, maximum = 5)]
    #[public(name = "skew-level")]
    skew: i64,
    open: bool,
    /// Best first.
    #[public(max_items = 2)]
    levels: Vec<Level>,
    #[public(max_items = 3, max_length = 4)]
    tags: Option<Vec<String>>,
    side: Side,
}

const LONGEST: u32 = 8;

#[derive(PublicData)]
struct Level {
    #[public(decimal)]
    price: String,
}

/// Which side.
#[derive(Clone, Copy, PublicData)]
enum Side {
    Buy,
    ShortSell,
    #[public(name = "OTC")]
    OverTheCounter,
}

fn book() -> Book<'static> {
    Book {
        last_price: "1.5".into(),
        time: None,
        venue: "here",
        kind: Some("a"),
        fixed: "x",
        depth: 1,
        skew: -5,
        open: true,
        levels: vec![Level { price: "2".into() }],
        tags: None,
        side: Side::ShortSell,
    }
}

#[test]
fn the_schema_names_each_field_with_its_bound_and_nothing_else() {
    let schema: Value = serde_json::from_str(&text::<Book>()).unwrap();
    let decimal = json!({"type": "string", "maxLength": 64, "pattern": crate::number::PATTERN});
    let with = |title: &str, schema: &Value| {
        let mut schema = schema.clone();
        schema["title"] = title.into();
        schema
    };
    let mut last_price = with("Last price", &decimal);
    last_price["examples"] = json!(["1.5"]);
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Book",
        "description": "A book of orders.",
        "type": "object",
        "additionalProperties": false,
        "required": [
            "last_price", "venue", "fixed", "depth", "skew-level", "open", "levels", "side"
        ],
        "properties": {
            "last_price": last_price,
            "time": {
                "title": "Time", "description": "When.",
                "type": "string", "maxLength": 24, "pattern": crate::timestamp::PATTERN,
            },
            "venue": {"title": "Venue", "type": "string", "maxLength": 8, "pattern": "^[a-z]+$"},
            "kind": {"title": "Kind", "type": "string", "enum": ["a", "b"]},
            "fixed": {"title": "The constant", "type": "string", "const": "x"},
            "depth": {"title": "Depth", "type": "integer", "minimum": 0, "maximum": 255},
            "skew-level": {"title": "Skew-level", "type": "integer", "minimum": -5, "maximum": 5},
            "open": {"title": "Open", "type": "boolean"},
            "levels": {
                "title": "Levels", "description": "Best first.",
                "type": "array", "maxItems": 2,
                "items": {
                    "type": "object", "additionalProperties": false, "required": ["price"],
                    "properties": {"price": decimal},
                },
            },
            "tags": {
                "title": "Tags", "type": "array", "maxItems": 3,
                "items": {"type": "string", "maxLength": 4},
            },
            "side": {
                "title": "Side", "description": "Which side.",
                "type": "string", "enum": ["buy", "short_sell", "OTC"],
            },
        },
    });
    assert_eq!(schema, expected);
    assert!(text::<Book>().starts_with(r#"{"$schema":"#));
}

#[test]
fn what_is_written_has_the_names_of_the_schema_and_leaves_out_what_is_none() {
    assert_eq!(
        serde_json::to_string(&book()).unwrap(),
        r#"{"last_price":"1.5","venue":"here","kind":"a","fixed":"x","depth":1,"skew-level":-5,"open":true,"levels":[{"price":"2"}],"side":"short_sell"}"#
    );
    let full = Book {
        time: Some("2026-02-19T12:00:00.000Z".into()),
        tags: Some(vec!["a".into()]),
        side: Side::OverTheCounter,
        ..book()
    };
    let full = serde_json::to_string(&full).unwrap();
    assert!(
        full.contains(r#""time":"2026-02-19T12:00:00.000Z","venue""#),
        "{full}"
    );
    assert!(full.ends_with(r#""tags":["a"],"side":"OTC"}"#), "{full}");
    assert_eq!(serde_json::to_string(&Side::Buy).unwrap(), r#""buy""#);
}
