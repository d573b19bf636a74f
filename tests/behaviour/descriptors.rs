//! Descriptors that ask for too much, take words that are not theirs, or mean to write
//! something into an operator's terminal. Other refusals are in `refused`.

use serde_json::{Map, Value, json};
use tidegate_tests::guest::{Descriptor, Expected};
use tidegate_tests::{Guest, Setup, Transform};

/// A setup of these components; nothing listens where its Redis would be.
fn with(guests: &[Guest]) -> Setup {
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let folder = setup.path("");
    guests.iter().fold(setup, |setup, guest| {
        setup.transform(Transform::file(&guest.write(&folder)))
    })
}

/// What `serve --check` says, without the folder's name, which may have any number in it.
fn check(guests: &[Guest]) -> (bool, String) {
    let setup = with(guests);
    let (accepted, said) = setup.check();
    let folder = setup.path("");
    (accepted, said.replace(&*folder.to_string_lossy(), ""))
}

fn ticks(change: impl FnOnce(&mut Descriptor)) -> Guest {
    Guest::ticks().descriptor(change)
}

/// Refused, and all of these words are said.
fn is_refused(guests: &[Guest], words: &[&str]) {
    let (accepted, said) = check(guests);
    assert!(!accepted, "{words:?} should be refused: {said}");
    // Large numbers may be grouped.
    let plain = said.replace(',', "").to_lowercase();
    for word in words {
        assert!(plain.contains(word), "{word} in {said}");
    }
    assert!(!plain.contains("panicked"), "{said}");
}

/// The schema of `ticks`, with a further property that need not be there.
fn schema_with(name: &str, schema: Value) -> String {
    let mut properties = Map::new();
    properties.insert("price".into(), json!({"type": "string", "maxLength": 20}));
    properties.insert(name.into(), schema);
    closed(&properties)
}

fn closed(properties: &Map<String, Value>) -> String {
    json!({"type": "object", "additionalProperties": false, "properties": properties}).to_string()
}

fn nulls(count: usize) -> Value {
    (0..count).map(|_| json!({"type": "null"})).collect()
}

#[test]
fn a_schema_that_is_too_long() {
    let long = schema_with(
        "x",
        json!({"type": "null", "description": "x".repeat(65_536)}),
    );
    is_refused(&[ticks(|d| d.data_schema = long)], &["schema", "65536"]);
}

#[test]
fn a_schema_of_too_many_parts() {
    let properties = (0..1001).map(|n| (format!("p{n}"), json!({"type": "null"})));
    let wide = closed(&properties.collect());
    assert!(wide.len() < 65_536);
    let guest = ticks(|d| {
        d.data_schema = wide;
        d.samples.clear();
    });
    is_refused(&[guest], &["schema", "1000"]);
}

#[test]
fn an_array_or_a_choice_that_is_too_wide() {
    let list = |most: u64| json!({"type": "array", "items": {"type": "null"}, "maxItems": most});
    let choice = |count| json!({"anyOf": nulls(count)});
    for (schema, words) in [
        (list(1001), ["schema", "maxitems", "1000"]),
        (list(1 << 40), ["schema", "maxitems", "1000"]),
        (choice(17), ["schema", "anyof", "16"]),
        (json!({"oneOf": nulls(17)}), ["schema", "oneof", "16"]),
    ] {
        let schema = schema_with("x", schema);
        is_refused(&[ticks(|d| d.data_schema = schema)], &words);
    }
    for schema in [list(1000), choice(16)] {
        let schema = schema_with("x", schema);
        let (accepted, said) = check(&[ticks(|d| d.data_schema = schema)]);
        assert!(accepted, "{said}");
    }
}

#[test]
fn more_samples_than_allowed() {
    let samples = |count: usize| ticks(|d| d.samples = vec![d.samples[0].clone(); count]);
    is_refused(&[samples(65)], &["sample", "64"]);
    let (accepted, said) = check(&[samples(64)]);
    assert!(accepted, "{said}");
}

#[test]
fn a_message_type_that_is_the_hosts_own() {
    for word in ["error", "subscribed", "unsubscribed", "pong"] {
        let guest = ticks(|d| word.clone_into(&mut d.message_type));
        is_refused(&[guest], &["message-type", word]);
    }
}

#[test]
fn a_message_type_that_another_transform_has() {
    let tocks = |message_type: &str| {
        ticks(|d| {
            "tocks".clone_into(&mut d.name);
            "tocks".clone_into(&mut d.family);
            message_type.clone_into(&mut d.message_type);
            let Expected::Publications(publications) = &mut d.samples[0].expected else {
                panic!("its sample is published");
            };
            publications[0].0 = "tocks:ABC".into();
        })
    };
    let (accepted, said) = check(&[Guest::ticks(), tocks("tock")]);
    assert!(accepted, "{said}");
    is_refused(&[Guest::ticks(), tocks("tick")], &["message-type", "tick"]);
}

/// Refused in a few printable lines.
fn is_refused_plainly(guest: Guest, words: &[&str]) {
    let (accepted, said) = check(&[guest]);
    assert!(!accepted, "{said}");
    for word in words {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert!(said.len() < 8192, "{} bytes", said.len());
    let control = said.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{said:?}");
}

#[test]
fn what_a_descriptor_says_cannot_move_the_cursor_or_fill_the_screen() {
    let hostile = "\u{1b}[2J\u{1b}[31mall is well\u{7}\r\n\u{9b}1m";
    let keyword = json!({"type": "null", hostile: 1});
    let keyword = schema_with("x", keyword);
    is_refused_plainly(ticks(|d| d.data_schema = keyword), &["schema"]);
    let place = schema_with(&hostile.repeat(500), json!({"type": "string"}));
    is_refused_plainly(ticks(|d| d.data_schema = place), &["schema"]);
    let kind = schema_with("x", json!({"type": hostile}));
    is_refused_plainly(ticks(|d| d.data_schema = kind), &["schema"]);
    let format = schema_with("x", json!({"type": "string", "format": hostile}));
    is_refused_plainly(ticks(|d| d.data_schema = format), &["schema"]);
    for change in [
        (|d, text| d.name = text) as fn(&mut Descriptor, String),
        |d, text| d.version = text,
        |d, text| d.family = text,
        |d, text| d.message_type = text,
        |d, text| d.upstream_patterns = vec![text],
        |d, text| d.parameters[0].0 = text,
    ] {
        let guest = ticks(|d| change(d, hostile.repeat(60)));
        let setup = Setup::new("redis://127.0.0.1:1").not_ready();
        let file = setup.path("ticks.wasm");
        std::fs::write(&file, guest.binary()).expect("a file in one's own folder");
        let (accepted, said) = setup.transform(Transform::file(&file)).check();
        assert!(!accepted && said.len() < 8192, "{} bytes", said.len());
        assert!(
            !said.contains(['\u{1b}', '\u{7}', '\r', '\u{9b}']),
            "{said:?}"
        );
    }
}

#[test]
fn a_sample_that_fails_with_a_megabyte_of_detail_is_told_in_short() {
    // A rejection whose detail is a million zero bytes.
    let reject = "(i32.store (i32.const 512) (i32.const 1)) \
        (i32.store (i32.const 516) (i32.const 0)) \
        (i32.store (i32.const 520) (i32.const 0)) \
        (i32.store (i32.const 532) (i32.const 0x30000)) \
        (i32.store (i32.const 536) (i32.const 1000000)) (return (i32.const 512))";
    // The sound one stays, as one sample at least publishes.
    let first = |d: &mut Descriptor| {
        d.samples.insert(0, d.samples[0].clone());
        "feed:ticks:XX".clone_into(&mut d.samples[0].channel);
    };
    is_refused_plainly(ticks(first).when_bad(reject), &["sample 1"]);
    let sound = ticks(first).descriptor(|d| d.samples[0].expected = Expected::Rejection(0));
    let (accepted, said) = check(&[sound.when_bad(reject)]);
    assert!(accepted, "{said}");
}
