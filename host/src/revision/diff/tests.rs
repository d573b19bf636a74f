//! Whole revisions held against each other.

mod delivery;
mod reach;

use serde_json::{Value, json};

use super::*;
use crate::revision::{Allowed, Parameter, PublicFamily, PublicMessage, Surface};
use crate::transform::limits::Limits;
use crate::transform::{ClosedSchema, RevisionId};

fn schema(fields: &Value) -> ClosedSchema {
    let stated = json!({"type": "object", "additionalProperties": false, "properties": fields});
    ClosedSchema::parse(&stated).unwrap()
}

fn pattern(text: &str) -> Allowed {
    Allowed::Pattern(text.to_owned().try_into().unwrap())
}

fn message(name: &str) -> PublicMessage {
    PublicMessage {
        message_type: name.into(),
        data_schema: schema(&json!({"open": {"type": "integer"}})),
    }
}

fn revision() -> Revision {
    let one_of = |values: &[&str]| Allowed::OneOf(values.iter().map(ToString::to_string).collect());
    let parameter = |name: &str, allowed| Parameter {
        name: name.into(),
        allowed,
    };
    Revision {
        id: RevisionId::of("aa", &json!({}), &Limits::default()),
        transform: "tick".into(),
        version: "1.0.0".into(),
        component: "a".repeat(64),
        size: 1_536,
        settings: json!({"exchange": 1, "names": {"1": "one"}}),
        settings_schema: json!({"type": "object"}),
        limits: Limits::default(),
        surface: Surface {
            summary: "Ticks.".into(),
            families: vec![PublicFamily {
                name: "ticks".into(),
                parameters: vec![
                    parameter("symbol", pattern("[A-Z]{1,4}")),
                    parameter("side", one_of(&["bid", "ask"])),
                ],
                messages: vec![message("tick")],
                latest: false,
                snapshot_on_subscribe: false,
            }],
        },
        upstream_patterns: vec!["in:{symbol}".into()],
        origin: "upload".into(),
        by: "anna".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        certificate: None,
    }
}

fn said(from: Option<&Revision>, to: &Revision) -> Vec<String> {
    let side = |revision| Side {
        revision,
        imports: &[],
    };
    let line = |change: &Change| format!("{:?} {change}", change.level).to_lowercase();
    changes(from.map(side), side(to)).iter().map(line).collect()
}

fn after(change: impl FnOnce(&mut Revision)) -> Vec<String> {
    let mut to = revision();
    change(&mut to);
    said(Some(&revision()), &to)
}

#[test]
fn the_same_is_no_change_wherever_it_came_from() {
    assert_eq!(
        after(|to| {
            to.origin = "watch: tick.wasm".into();
            to.by = "watch".into();
            to.at = jiff::Timestamp::MAX;
            to.settings = json!({"names": {"1": "one"}, "exchange": 1});
            to.surface.families[0].parameters[1].allowed =
                Allowed::OneOf(vec!["ask".into(), "bid".into()]);
        }),
        [""; 0]
    );
}

#[test]
fn a_new_transform_is_one_wider_change_and_what_is_inside() {
    assert_eq!(
        said(None, &revision()),
        [
            "wider channel family ticks: new: ticks:{symbol}:{side}, messages of type tick with fields open",
            "wider upstream in:{symbol}: added",
            "note settings exchange: added: 1",
            "note settings names: added: {\"1\":\"one\"}",
            "note component version: 1.0.0",
            "note component size: 1.5 kib",
        ]
    );
}

#[test]
fn other_channels_break_clients() {
    assert_eq!(
        after(|to| to.surface.families[0].name = "prices".into()),
        [
            "breaking channel family ticks: gone, prices takes its place",
            "wider channel family prices: new, takes the place of ticks",
        ]
    );
    assert_eq!(
        after(|to| to.surface.families[0].messages[0].message_type = "price".into()),
        ["breaking channel message type: price, was tick"]
    );
    let form =
        "breaking channel form: channels are ticks:{side}:{symbol}, were ticks:{symbol}:{side}";
    assert_eq!(
        after(|to| to.surface.families[0].parameters.reverse()),
        [form]
    );
    assert_eq!(
        after(|to| to.surface.families[0].parameters[1].name = "part".into()),
        [
            "breaking channel form: channels are ticks:{symbol}:{part}, were ticks:{symbol}:{side}",
            "breaking parameter side: gone",
            "wider parameter part: added (one of bid, ask)",
        ]
    );
}

#[test]
fn parameters_get_values_and_lose_them() {
    let one_of = |values: &[&str]| Allowed::OneOf(values.iter().map(ToString::to_string).collect());
    let like = pattern;
    for (place, allowed, expected) in [
        (
            1,
            one_of(&["mid", "bid"]),
            vec![
                "breaking parameter side: no longer ask",
                "wider parameter side: also mid",
            ],
        ),
        (
            1,
            like("[a-z]+"),
            vec!["wider parameter side: any value like [a-z]+, was bid, ask"],
        ),
        (
            1,
            like("a.*"),
            vec![
                "breaking parameter side: no longer bid",
                "wider parameter side: any value like a.*, was bid, ask",
            ],
        ),
        (
            0,
            one_of(&["AB"]),
            vec!["breaking parameter symbol: only ab now, was any value like [a-z]{1,4}"],
        ),
        (
            0,
            one_of(&["AB", "abc"]),
            vec![
                "breaking parameter symbol: only ab, abc now, was any value like [a-z]{1,4}",
                "wider parameter symbol: also abc",
            ],
        ),
        (
            0,
            like("[A-Z]+"),
            vec![
                "breaking parameter symbol: values like [a-z]+, was like [a-z]{1,4}; some may be new and some gone",
                "wider parameter symbol: values like [a-z]+, was like [a-z]{1,4}; some may be new and some gone",
            ],
        ),
    ] {
        assert_eq!(
            after(|to| to.surface.families[0].parameters[place].allowed = allowed),
            expected
        );
    }
}

#[test]
fn two_parameters_of_one_name_are_told_apart_by_their_place() {
    let mut from = revision();
    from.surface.families[0].parameters[0] = from.surface.families[0].parameters[1].clone();
    let mut to = from.clone();
    to.surface.families[0].parameters[1].allowed =
        Allowed::OneOf(vec!["bid".into(), "ask".into(), "mid".into()]);
    assert_eq!(said(Some(&from), &to), ["wider parameter side: also mid"]);
}

#[test]
fn a_parameter_that_comes_under_a_name_that_is_there_is_told() {
    let added = |allowed| Parameter {
        name: "side".into(),
        allowed,
    };
    let any = |to: &mut Revision| to.surface.families[0].parameters.push(added(pattern(".*")));
    assert_eq!(
        after(any),
        [
            "breaking channel form: channels are ticks:{symbol}:{side}:{side}, were ticks:{symbol}:{side}",
            "wider parameter side: added (any value like .*)",
        ]
    );
    let mut from = revision();
    any(&mut from);
    assert_eq!(
        said(Some(&from), &revision()),
        [
            "breaking channel form: channels are ticks:{symbol}:{side}, were ticks:{symbol}:{side}:{side}",
            "breaking parameter side: gone",
        ]
    );
}

#[test]
fn what_no_client_sees_is_a_note() {
    let changed = after(|to| {
        to.version = "1.1.0".into();
        to.component = "b".repeat(64);
        to.size = 2_048;
        to.surface.summary = "More\u{1b}ticks.".into();
        to.upstream_patterns = vec!["in:{s}".into()];
        to.settings = json!({"exchange": 2, "names": {"2": "x".repeat(500)}});
        to.limits.memory = 32 << 20;
        to.limits.boundary = 1_000;
        to.limits.deadline = std::time::Duration::from_millis(20);
    });
    let long = format!("note settings names.2: added: \"{}…", "x".repeat(119));
    assert_eq!(
        changed,
        [
            "note upstream in:{s}: added, within those before",
            "note upstream in:{symbol}: gone",
            "note settings exchange: 2, was 1",
            "note settings names.1: gone, was \"one\"",
            &long,
            "note limit deadline: 20ms, was 10ms",
            "note limit memory: 32mib, was 16mib",
            "note limit boundary: 1000b, was 1mib",
            "note component version: 1.1.0, was 1.0.0",
            "note component summary: \"more\\u{1b}ticks.\", was \"ticks.\"",
            "note component size: 2.0 kib, was 1.5 kib",
            "note component bytes: bbbbbbbbbbbb, was aaaaaaaaaaaa",
        ]
    );
}

#[test]
fn imports_are_told() {
    let revision = revision();
    let (old, new) = (
        ["tidegate:transform/log".to_owned()],
        ["wasi:cli/stdout".to_owned()],
    );
    let side = |imports| Side {
        revision: &revision,
        imports,
    };
    let words: Vec<_> = changes(Some(side(&old)), side(&new))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        words,
        [
            "import wasi:cli/stdout: added",
            "import tidegate:transform/log: gone"
        ]
    );
}

#[test]
fn what_breaks_comes_first() {
    let levels: Vec<Level> = {
        let mut to = revision();
        to.version = "2.0.0".into();
        to.surface.families[0].messages[0].data_schema =
            schema(&json!({"close": {"type": "integer"}}));
        let from = revision();
        let side = |revision| Side {
            revision,
            imports: &[],
        };
        changes(Some(side(&from)), side(&to))
            .iter()
            .map(|change| change.level)
            .collect()
    };
    assert_eq!(levels, [Level::Breaking, Level::Wider, Level::Note]);
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let many = Allowed::OneOf((0..500).map(|n| format!("v{n}")).collect());
    let said = after(|to| {
        if let Allowed::OneOf(values) = many {
            to.surface.families[0].parameters[1].allowed =
                Allowed::OneOf([vec!["bid".into(), "ask".into()], values].concat());
        }
    });
    assert_eq!(
        said,
        ["wider parameter side: also v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 and 490 more"]
    );
    let value: Value = json!(said);
    assert!(value.to_string().len() < 200);
}

#[test]
fn families_and_message_types_come_and_go() {
    let wide = |field: &str| PublicMessage {
        message_type: "trade".into(),
        data_schema: schema(&json!({field: {"type": "integer"}})),
    };
    assert_eq!(
        after(|to| to.surface.families[0].messages.push(wide("size"))),
        ["wider channel message type: also trade with fields size"]
    );
    let mut from = revision();
    from.surface.families[0].messages.push(wide("size"));
    assert_eq!(
        said(Some(&from), &revision()),
        ["breaking channel message type: no longer trade"]
    );
    let mut to = from.clone();
    to.surface.families[0].messages[1] = wide("count");
    assert_eq!(
        said(Some(&from), &to),
        [
            "breaking field trade size: gone (was integer)",
            "wider field trade count: added (integer)",
        ]
    );
    let prices = |to: &mut Revision| {
        let mut family = to.surface.families[0].clone();
        family.name = "prices".into();
        family.messages = vec![message("price")];
        to.surface.families.push(family);
    };
    assert_eq!(
        after(prices),
        [
            "wider channel family prices: new: prices:{symbol}:{side}, messages of type price with fields open"
        ]
    );
    let mut from = revision();
    prices(&mut from);
    assert_eq!(
        said(Some(&from), &revision()),
        ["breaking channel family prices: gone"]
    );
    let mut to = from.clone();
    to.surface.families[1].parameters[1].allowed = Allowed::OneOf(vec!["bid".into()]);
    assert_eq!(
        said(Some(&from), &to),
        ["breaking parameter prices side: no longer ask"]
    );
}

#[test]
fn a_secret_setting_changes_without_being_shown() {
    let secret = |to: &mut Revision| {
        to.settings_schema = json!({"type": "object", "properties": {"key": {"secret": true}}});
    };
    let with_key = |key: &str| {
        let mut of = revision();
        secret(&mut of);
        of.settings["key"] = json!(key);
        of
    };
    assert_eq!(
        said(Some(&with_key("s3cret")), &with_key("other")),
        ["note settings key: changed (secret)"]
    );
    // Also where the earlier one did not say that it is secret.
    let mut open = with_key("s3cret");
    open.settings_schema = json!({"type": "object"});
    for (from, to) in [(&open, &with_key("other")), (&with_key("other"), &open)] {
        let words = said(Some(from), to).join("\n");
        assert!(
            words.contains("key: changed (secret)") && !words.contains("s3cret"),
            "{words}"
        );
    }
}
