//! What is counted and what is shown.

use serde_json::{Value, json};

use super::*;
use crate::revision::compare::report::{Example, FieldDifference, Rejected};
use crate::revision::{PublicFamily, PublicMessage};
use crate::transform::{Admitted, Block, Blocked, ClosedSchema, FaultKind, Rejection};

mod bounds;
mod types;

type Result = std::result::Result<Outcome, Fault>;

fn surface() -> Surface {
    let text = json!({"type": "string", "maxLength": 200});
    let leg = json!({
        "type": "object", "additionalProperties": false, "properties": {"price": text},
    });
    Surface {
        summary: "Ticks.".into(),
        families: vec![PublicFamily {
            name: "ticks".into(),
            parameters: Vec::new(),
            messages: vec![PublicMessage {
                message_type: "tick".into(),
                data_schema: ClosedSchema::parse(&json!({
                    "type": "object", "additionalProperties": false,
                    "properties": {
                        "open": text, "side": {"enum": ["bid", "ask"]},
                        "legs": {"type": "array", "items": leg, "maxItems": 3},
                    },
                }))
                .unwrap(),
            }],
            latest: false,
            snapshot_on_subscribe: false,
        }],
    }
}

/// Both have the one family.
fn ticks() -> Paired {
    Paired {
        families: vec![crate::pipeline::Published {
            name: "ticks".into(),
            before: 0,
            now: 0,
        }],
        ..Paired::default()
    }
}

fn rejected(reason: &'static str) -> Result {
    Ok(Outcome::Rejected(Rejection {
        reason,
        field: None,
    }))
}

fn admitted(channel: &str, data: &Value) -> std::result::Result<Admitted, Blocked> {
    Ok(message("tick", channel, data))
}

fn message(kind: &str, channel: &str, data: &Value) -> Admitted {
    let message = json!({"type": kind, "channel": channel, "data": data});
    let text = message.to_string();
    Admitted {
        channel: channel.parse().unwrap(),
        head: text.find(",\"data\"").unwrap(),
        text,
        family: 0,
    }
}

fn data(data: &Value) -> Result {
    Ok(Outcome::Published(vec![admitted("ticks:A", data)]))
}

fn fault(kind: FaultKind) -> Result {
    Err(Fault {
        kind,
        detail: String::new(),
    })
}

fn compare_all(show_input: bool, pairs: &[(Result, Result)]) -> Comparison {
    let mut comparer = Comparer::new(&surface(), ticks(), show_input, Secrets::default());
    let event = Event::new("in:a".into(), b"se\x1b\xffcret".to_vec());
    for (active, candidate) in pairs {
        let said = |result, micros| Reaction {
            result,
            detail: Some("price: a text\u{1b}"),
            time: Duration::from_micros(micros),
        };
        comparer.note(&event, said(active, 10), said(candidate, 20), false);
    }
    comparer.report()
}

fn compare(active: Result, candidate: Result) -> Comparison {
    compare_all(false, &[(active, candidate)])
}

/// The one field that differs, with its one example.
fn only(report: &Comparison) -> (String, Option<String>, Option<String>) {
    assert_eq!(report.different, 1, "{report:#?}");
    let [
        FieldDifference {
            field, examples, ..
        },
    ] = &*report.fields
    else {
        panic!("{report:#?}")
    };
    let [example] = &**examples else {
        panic!("{report:#?}")
    };
    assert_eq!(example.input, None);
    (
        field.clone(),
        example.active.clone(),
        example.candidate.clone(),
    )
}

fn seen(
    field: &str,
    active: Option<&str>,
    candidate: Option<&str>,
) -> (String, Option<String>, Option<String>) {
    (
        field.into(),
        active.map(Into::into),
        candidate.map(Into::into),
    )
}

#[test]
fn what_clients_would_not_notice_is_identical() {
    let (a, b) = (json!({"open": "1"}), json!({"open": "2"}));
    for (active, candidate) in [
        (data(&a), data(&a)),
        // The order of names, and of publications on different channels.
        (
            data(&json!({"open": "1", "side": "bid"})),
            data(&json!({"side": "bid", "open": "1"})),
        ),
        (
            Ok(Outcome::Published(vec![
                admitted("ticks:A", &a),
                admitted("ticks:B", &b),
            ])),
            Ok(Outcome::Published(vec![
                admitted("ticks:B", &b),
                admitted("ticks:A", &a),
            ])),
        ),
        (rejected("unwanted"), rejected("unwanted")),
    ] {
        let report = compare(active, candidate);
        assert_eq!((report.events, report.identical), (1, 1), "{report:#?}");
        assert_eq!(report.fields, []);
    }
}

#[test]
fn what_the_candidate_refuses_is_told_in_its_words_also_where_both_do() {
    let refused = || rejected("missing");
    let good = || data(&json!({}));
    let pairs = [
        (refused(), refused()),
        (good(), refused()),
        (refused(), good()),
    ];
    let report = compare_all(false, &pairs);
    let expected = Rejected {
        reason: "missing".into(),
        detail: "price: a text\\u{1b}".into(),
        events: 2,
    };
    assert_eq!(report.rejections, [expected]);
}

#[test]
fn what_both_fail_at_is_never_identical() {
    let blocked = |data: &str| {
        Ok(Outcome::Published(vec![
            admitted("ticks:A", &json!({"open": data})),
            Err(Block::Schema.into()),
        ]))
    };
    let report = compare_all(
        false,
        &[
            (fault(FaultKind::Trap), fault(FaultKind::Trap)),
            (blocked("1"), blocked("1")),
            // What else came of the event is compared all the same.
            (blocked("1"), blocked("2")),
        ],
    );
    let counts = [report.events, report.both_failed, report.identical];
    assert_eq!(counts, [3, 3, 0], "{report:#?}");
    assert_eq!((report.failed, report.different), (0, 0));
    let kinds: Vec<_> = report.both_failures.into_iter().collect();
    assert_eq!(kinds, [("schema".into(), 2), ("trap".into(), 1)]);
    assert_eq!(report.failures, [].into());
    assert_eq!(
        (&*report.fields[0].field, report.fields[0].events),
        ("open", 1)
    );
}

#[test]
fn a_candidate_that_fails_where_the_other_did_better_is_counted_by_kind() {
    let good = || data(&json!({"open": "1"}));
    let blocked = |blocks: &[Block]| {
        Ok(Outcome::Published(
            blocks.iter().map(|block| Err((*block).into())).collect(),
        ))
    };
    let report = compare_all(
        false,
        &[
            (good(), fault(FaultKind::Deadline)),
            (rejected("invalid"), fault(FaultKind::Deadline)),
            (
                good(),
                blocked(&[Block::Schema, Block::Schema, Block::Json]),
            ),
            (
                blocked(&[Block::Schema]),
                blocked(&[Block::Schema, Block::Channel]),
            ),
            (fault(FaultKind::Trap), fault(FaultKind::Memory)),
            // Better than before is different, and no failure.
            (fault(FaultKind::Trap), good()),
        ],
    );
    assert_eq!((report.events, report.failed, report.different), (6, 3, 1));
    assert_eq!(report.both_failed, 2);
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|(kind, n)| (kind.as_str(), *n))
        .collect();
    assert_eq!(failures, [("deadline", 2), ("json", 1), ("schema", 1)]);
    assert_eq!(report.fields[0].field, "(publications)");
    assert_eq!(
        report.fields[0].examples[0].active.as_deref(),
        Some("failed: trap")
    );
}

#[test]
fn differences_are_told_by_field() {
    for (active, candidate, expected) in [
        (
            json!({"open": "1"}),
            json!({"open": "2"}),
            seen("open", Some("\"1\""), Some("\"2\"")),
        ),
        (
            json!({"open": "1"}),
            json!({}),
            seen("open", Some("\"1\""), None),
        ),
        (
            json!({"open": "1", "side": "ask"}),
            json!({"side": "bid", "open": "1"}),
            seen("side", Some("\"ask\""), Some("\"bid\"")),
        ),
        (
            json!({"legs": [{"price": "1"}, {"price": "2"}]}),
            json!({"legs": [{"price": "1"}, {"price": "3"}]}),
            seen("legs[].price", Some("\"2\""), Some("\"3\"")),
        ),
        (
            json!({"legs": []}),
            json!({"legs": [{"price": "3"}]}),
            seen("legs[]", None, Some("{\"price\":\"3\"}")),
        ),
    ] {
        assert_eq!(only(&compare(data(&active), data(&candidate))), expected);
    }
}

#[test]
fn what_the_active_revision_could_not_say_is_shown_by_its_form_only() {
    for (candidate, expected) in [
        (
            json!({"open": "1", "owner": "Ms Sécret"}),
            seen("owner", None, Some("string of 9 characters")),
        ),
        (
            json!({"open": "1", "n": 4711}),
            seen("n", None, Some("number")),
        ),
        (
            json!({"open": "1", "l": ["secret"]}),
            seen("l", None, Some("array of 1 item")),
        ),
        (
            json!({"open": "1", "o": {"secret": 1, "b": 2}}),
            seen("o", None, Some("object with 2 fields")),
        ),
        // A field that is public does not make any value public.
        (
            json!({"open": {"secret": 1}}),
            seen("open", Some("\"1\""), Some("object with 1 field")),
        ),
        (
            json!({"open": "1", "side": "secret"}),
            seen("side", None, Some("string of 6 characters")),
        ),
        (
            json!({"open": "1", "legs": [{"price": "1", "secret": 1}]}),
            seen("legs", None, Some("array of 1 item")),
        ),
    ] {
        let active = data(&json!({"open": "1"}));
        assert_eq!(only(&compare(active, data(&candidate))), expected);
    }
}

#[test]
fn inputs_and_new_values_are_shown_where_that_was_asked_for() {
    let report = compare_all(
        true,
        &[(data(&json!({})), data(&json!({"owner": "Ms Secret"})))],
    );
    let expected = Example {
        active: None,
        candidate: Some("\"Ms Secret\"".into()),
        input: Some("se\\u{1b}\u{fffd}cret".into()),
    };
    assert_eq!(report.fields[0].examples, [expected]);
}

#[test]
fn channels_and_refusals_are_compared_too() {
    let a = json!({"open": "1"});
    let two = Ok(Outcome::Published(vec![
        admitted("ticks:A", &a),
        admitted("ticks:SECRET", &a),
    ]));
    assert_eq!(
        only(&compare(data(&a), two)),
        seen(
            "(publications)",
            Some("1 publication, 1 on ticks:A"),
            Some("2 publications, 1 on ticks:A, 1 on other channels")
        )
    );
    assert_eq!(
        only(&compare(data(&a), rejected("invalid"))),
        seen(
            "(rejection)",
            Some("1 publication"),
            Some("refused as invalid")
        )
    );
    assert_eq!(
        only(&compare(rejected("missing"), rejected("invalid"))),
        seen(
            "(rejection)",
            Some("refused as missing"),
            Some("refused as invalid")
        )
    );
    let other_type = message("tock", "ticks:A", &json!({"open": "1"}));
    let renamed = Ok(Outcome::Published(vec![Ok(other_type)]));
    assert_eq!(
        only(&compare(data(&a), renamed)),
        seen("(type)", Some("\"tick\""), Some("\"tock\""))
    );
}
