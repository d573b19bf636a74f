//! `transform test`: the samples of a component and of its project, tried one by one with the
//! host's guard and limits, with a line for each field that is not as it was to be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tidegate_tests::author::Author;
use tidegate_tests::binary::tidegate;
use tidegate_tests::guest::{Expected, Sample};
use tidegate_tests::process::Process;
use tidegate_tests::{Guest, secs, until};

const TICK: &str = r#"{"price":"1.5"}"#;

/// It writes a line for each event of a symbol that begins with X.
fn talkative() -> Guest {
    Guest::ticks().when_bad("(call $write (i32.const 3) (local.get $ch) (i32.const 4))")
}

fn sample(symbol: &str, payload: &Value, expect: &Value) -> String {
    let event =
        json!({"channel": format!("feed:ticks:{symbol}"), "payload": payload, "received-at": 5});
    let mut sample = json!({"event": event});
    if !expect.is_null() {
        sample["expect"] = expect.clone();
    }
    sample.to_string()
}

fn published(symbol: &str, price: &str) -> Value {
    let channel = format!("ticks:{symbol}");
    json!({"publications": [{"channel": channel, "type": "tick", "data": {"price": price}}]})
}

fn states<'a>(answer: &'a Value) -> Vec<(&'a str, &'a str)> {
    let samples = answer["samples"].as_array().expect("a list").iter();
    let text = |value: &'a Value| value.as_str().expect("a text");
    let state = |sample: &'a Value| (text(&sample["name"]), text(&sample["state"]));
    samples.map(state).collect()
}

#[test]
fn samples_of_the_component_and_of_the_project_are_tried_field_by_field() {
    let author = Author::with_project(&talkative());
    author.write(
        "samples/a-good.json",
        sample("ABC", &json!({"price": "2"}), &published("ABC", "2")),
    );
    author.write(
        "samples/b-other.json",
        sample("XYZ", &json!({"price": "2"}), &published("XYW", "3")),
    );
    let refusal = json!({"rejection": {"reason": "missing", "field": "price"}});
    author.write(
        "samples/c-kind.json",
        sample("ABC", &json!({"price": "2"}), &refusal),
    );
    let answer = author.json(1, &["test"]);
    let expected = [
        ("own 1", "passed"),
        ("a-good.json", "passed"),
        ("b-other.json", "failed"),
        ("c-kind.json", "failed"),
    ];
    assert_eq!(states(&answer), expected);
    let changed = &answer["samples"][2];
    let channel = json!({"field": "channel", "came": "ticks:XYZ", "expected": "ticks:XYW"});
    let price = json!({"field": "/price", "came": "\"2\"", "expected": "\"3\""});
    assert_eq!(changed["differences"], json!([channel, price]));
    assert_eq!(changed["log"], json!(["error: feed"]));
    let printed = author.ends(1, &["test"]);
    for line in [
        "passed  own 1",
        "FAILED  b-other.json",
        "    channel: came ticks:XYZ, expected ticks:XYW",
        "    /price: came \"2\", expected \"3\"",
        "    log error: feed",
        "    outcome: came 1 publication, expected a rejection as missing",
        "2 passed, 2 failed",
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}: {printed}"
        );
    }
}

#[test]
fn a_sample_of_its_own_that_lies_fails_and_the_rest_is_tried_all_the_same() {
    let guest = Guest::ticks().descriptor(|of| {
        let lie = Expected::Publications(vec![("ticks:ABC".into(), r#"{"price":"2"}"#.into())]);
        of.samples.push(Sample {
            expected: lie,
            ..of.samples[0].clone()
        });
    });
    let author = Author::with_project(&guest);
    author.write(
        "samples/a.json",
        sample("ABC", &json!({"price": "2"}), &published("ABC", "2")),
    );
    let answer = author.json(1, &["test"]);
    let expected = [
        ("own 1", "passed"),
        ("own 2", "failed"),
        ("a.json", "passed"),
    ];
    assert_eq!(states(&answer), expected);
    author.json(1, &["check"]);
}

#[test]
fn what_comes_is_written_into_samples_where_that_is_asked_for_and_not_before() {
    let author = Author::with_project(&Guest::ticks());
    let stale = sample("ABC", &json!({"price": "2"}), &published("ABC", "3"));
    let stale = author.write("samples/stale.json", stale);
    let new = author.write(
        "samples/new.json",
        sample("ABC", &json!({"price": "4"}), &Value::Null),
    );
    fs::set_permissions(&new, fs::Permissions::from_mode(0o640)).expect("one's own file");
    let before = fs::read_to_string(&stale).expect("a sample");
    let printed = author.ends(1, &["test"]);
    assert!(printed.contains("--update writes it"), "{printed}");
    assert_eq!(fs::read_to_string(&stale).expect("a sample"), before);
    let answer = author.json(0, &["test", "--update"]);
    assert_eq!(
        (&answer["failed"], &answer["updated"]),
        (&json!(0), &json!(2))
    );
    let written: Value = serde_json::from_slice(&fs::read(&new).expect("a sample")).expect("JSON");
    assert_eq!(written["expect"], published("ABC", "4"));
    assert_eq!(written["event"]["received-at"], 5);
    let mode = new.metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(author.json(0, &["test"])["passed"], 3);
    author.write(
        "samples/another.json",
        sample("ABC", &json!({"price": "5"}), &Value::Null),
    );
    let printed = author.ends(0, &["test", "--update"]);
    assert!(
        printed.contains("it did not say what shall come; now it says")
            && !printed.contains("--update writes it"),
        "{printed}"
    );
}

#[test]
fn what_the_guard_stops_and_what_faults_never_becomes_what_shall_come() {
    let guest = Guest::ticks().when_bad("(unreachable)");
    let author = Author::with_project(&guest);
    let long = json!({"price": "1".repeat(21)});
    let blocked = author.write("samples/blocked.json", sample("ABC", &long, &Value::Null));
    author.write(
        "samples/fault.json",
        sample("XYZ", &json!({"price": "2"}), &published("XYZ", "2")),
    );
    author.write(
        "samples/not-mine.json",
        sample("A:B", &json!({}), &Value::Null),
    );
    let before = fs::read_to_string(&blocked).expect("a sample");
    let printed = author.ends(1, &["test", "--update"]);
    for part in [
        "guard: it is blocked (schema: maxLength at /price)",
        "fault: trap: wasm trap: wasm `unreachable`",
        "matches none of the upstream patterns",
        "1 passed, 3 failed",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert_eq!(fs::read_to_string(&blocked).expect("a sample"), before);
}

#[test]
fn an_answer_that_depends_on_the_samples_before_is_found() {
    // It traps at its second event of a symbol that begins with X.
    let guest = Guest::ticks()
        .fields("(global $seen (mut i32) (i32.const 0))")
        .when_bad(
            "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
             (if (i32.eq (global.get $seen) (i32.const 2)) (then (unreachable)))",
        );
    let author = Author::with_project(&guest);
    author.write(
        "samples/a.json",
        sample("XA", &json!({"price": "2"}), &published("XA", "2")),
    );
    author.write(
        "samples/b.json",
        sample("XB", &json!({"price": "2"}), &published("XB", "2")),
    );
    let answer = author.json(1, &["test"]);
    assert_eq!(answer["failed"], 2, "{answer}");
    let first = &answer["samples"][1]["differences"][0];
    assert_eq!(first["field"], "memory", "{answer}");
}

#[test]
fn a_sample_can_bring_settings_of_its_own() {
    let author = Author::with_project(&Guest::ticks().with_secret_key());
    let mut own: Value = serde_json::from_str(&sample(
        "ABC",
        &json!({"price": "2"}),
        &published("ABC", "2"),
    ))
    .expect("JSON");
    own["settings"] = json!({"key": "a"});
    author.write("samples/a.json", own.to_string());
    assert_eq!(author.json(0, &["test"])["passed"], 2);
    own["settings"] = json!({"key": 1});
    author.write("samples/a.json", own.to_string());
    let printed = author.ends(1, &["test"]);
    assert!(printed.contains("its settings: "), "{printed}");
}

#[test]
fn a_file_that_is_no_sample_is_named_with_its_line() {
    let author = Author::with_project(&Guest::ticks());
    for (text, part) in [
        ("{\n\"event\": 1}", "a.json:2: invalid type"),
        (
            "{\n\"evnt\": 1}",
            "a.json:2: unknown field `evnt`, expected one of `note`",
        ),
        (
            "{\"event\": {\"channel\": \"a\"}}",
            "one of \"payload\" (JSON), \"text\" and \"base64\"",
        ),
    ] {
        author.write("samples/a.json", text);
        let line = author.refused(&["test"]);
        assert!(line.contains(part), "{text}: {line}");
    }
}

#[tokio::test]
async fn it_tries_again_whenever_something_changes() {
    let author = Author::with_project(&Guest::ticks());
    let mut process = Process::start(&tidegate(), |command| {
        author.settle(command);
        command.args(["transform", "test", "--watch"]);
    });
    let printed = |part: &str, times: usize| process.stdout.text().matches(part).count() >= times;
    until("the first verdict", secs(20), async || {
        printed("1 passed, 0 failed", 1)
    })
    .await;
    author.write(
        "samples/a.json",
        sample("ABC", &json!({"price": "2"}), &published("ABC", "3")),
    );
    until("the verdict of a new sample", secs(20), async || {
        printed("1 passed, 1 failed", 1)
    })
    .await;
    let changed = Guest::ticks().descriptor(|of| {
        of.samples[0] = Sample::published("feed:ticks:AB", TICK, "ticks:AB", "{}")
    });
    author.write("build/ticks.wasm", changed.binary());
    until("the verdict of a new component", secs(20), async || {
        printed("0 passed, 2 failed", 1)
    })
    .await;
    author.write("tidegate-transform.toml", "language = 1\n");
    until("what is wrong with the project", secs(20), async || {
        process
            .stderr
            .text()
            .contains("tidegate-transform.toml:1: ")
    })
    .await;
    process.signal(rustix::process::Signal::INT);
    assert!(process.exit(secs(10)).await.success());
}
