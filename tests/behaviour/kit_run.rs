//! `transform run`: events as lines of JSON through a component with the host's guard and limits.

use std::process::Output;

use serde_json::{Value, json};
use tidegate_tests::Guest;
use tidegate_tests::author::Author;
use tidegate_tests::binary::said;

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(line).collect()
}

fn event(channel: &str, payload: &Value) -> String {
    format!("{}\n", json!({"channel": channel, "payload": payload}))
}

fn guest() -> Guest {
    Guest::ticks().when_bad(
        "(call $write (i32.const 1) (local.get $ch) (i32.const 4))
         (if (i32.eq (local.get $pll) (i32.const 2)) (then (unreachable)))",
    )
}

fn events() -> String {
    [
        event("feed:ticks:ABC", &json!({"price": "2"})),
        event("feed:ticks:XYZ", &json!({"price": "3"})),
        event("feed:ticks:XYZ", &json!({})),
        event("feed:ticks:ABC", &json!({"price": "1".repeat(21)})),
        event("feed:other:ABC", &json!({"price": "2"})),
    ]
    .concat()
}

#[test]
fn each_line_in_gives_what_came_of_it_in_order() {
    let author = Author::with_project(&guest());
    author.write("events.jsonl", events());
    let from_file = author.types(&["run", "--events", "events.jsonl", "--json"]);
    let from_input = author.pipes(&["run", "--json"], &events());
    for output in [from_file, from_input] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let [published, log, second, faulted, fault, blocked, unmatched] = &lines(&output)[..]
        else {
            panic!("{}", said(&output))
        };
        let tick = |channel: &str, price: &str| json!({"channel": channel, "type": "tick", "data": {"price": price}});
        assert_eq!(
            published,
            &json!({"event": 1, "publication": tick("ticks:ABC", "2")})
        );
        assert_eq!(log, &json!({"event": 2, "log": "info: feed"}));
        assert_eq!(second["publication"], tick("ticks:XYZ", "3"));
        assert_eq!(
            (&faulted["event"], &faulted["log"]),
            (&json!(3), &json!("info: feed"))
        );
        assert!(
            fault["fault"]
                .as_str()
                .is_some_and(|why| why.contains("unreachable")),
            "{fault}"
        );
        assert_eq!(blocked["blocked"]["why"], "schema: maxLength at /price");
        assert_eq!(unmatched["event"], 5);
        assert!(unmatched["unmatched"].is_string(), "{unmatched}");
    }
}

#[test]
fn people_read_a_line_each_and_how_often_what_came() {
    let author = Author::with_project(&guest());
    let output = author.pipes(&["run"], &events());
    let printed = said(&output);
    for part in [
        "   1  tick on ticks:ABC with {\"price\":\"2\"}",
        "FAULT: trap",
        "BLOCKED by the guard (schema: maxLength at /price)",
        "events 5: publications 2, rejections 0, blocked 1, faults 1, not for it 1",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let good = author.pipes(&["run"], &event("feed:ticks:ABC", &json!({"price": "2"})));
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
}

#[test]
fn what_is_no_event_ends_it_with_its_number() {
    let author = Author::with_project(&Guest::ticks());
    author.write("events.jsonl", "{\"channel\":1}\n");
    let line = author.refused(&["run", "--events", "events.jsonl"]);
    assert!(
        line.contains("event 1: ") && line.contains("each line is such as"),
        "{line}"
    );
    let line = author.refused(&["run", "--events", "nowhere"]);
    assert!(line.contains("correct the path"), "{line}");
    let output = author.pipes(
        &["run", "--json"],
        &format!("{}x\n", event("feed:ticks:ABC", &json!({"price": "2"}))),
    );
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let answers = lines(&output);
    assert_eq!(
        (&answers[0]["event"], &answers[1]["code"]),
        (&json!(1), &json!("unusable"))
    );
}
