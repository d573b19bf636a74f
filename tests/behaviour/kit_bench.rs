//! `transform bench`: how fast a component is beside others in the same run, and a project beside
//! an empty component that its own tools have built.

use std::process::Output;

use serde_json::{Value, json};
use tidegate_tests::Guest;
use tidegate_tests::author::Author;
use tidegate_tests::binary::{ended, said};

fn number(side: &Value, name: &str) -> f64 {
    side[name].as_f64().expect("a number")
}

#[test]
fn a_component_is_measured_beside_another_in_the_same_run() {
    let author = Author::with_project(&Guest::ticks());
    // Some thousand steps for each event of a symbol that begins with X.
    let slow = Guest::ticks().when_bad(
        "(i32.store (i32.const 0x3000) (i32.const 20000))
         (loop $l (i32.store (i32.const 0x3000)
           (i32.sub (i32.load (i32.const 0x3000)) (i32.const 1)))
           (br_if $l (i32.load (i32.const 0x3000))))",
    );
    author.write("slow.wasm", slow.binary());
    let event = json!({"channel": "feed:ticks:XYZ", "payload": {"price": "2"}});
    author.write("events.jsonl", event.to_string());
    let words = [
        "bench",
        "--events",
        "events.jsonl",
        "--beside",
        "slow.wasm",
        "--seconds",
        "1",
    ];
    let answer = author.json(0, &words);
    let [own, slower, empty] = answer["sides"]
        .as_array()
        .map(Vec::as_slice)
        .expect("a list")
    else {
        panic!("{answer}")
    };
    assert!(
        number(own, "events_per_second") > 2.0 * number(slower, "events_per_second"),
        "{answer}"
    );
    for side in [own, slower] {
        let (p50, p99) = (&side["times"]["p50"], &side["times"]["p99"]);
        assert!(
            p50.as_f64() > Some(0.0) && p99.as_f64() >= p50.as_f64(),
            "{side}"
        );
        // It begins with 40 pages.
        assert_eq!(side["memory_bytes"], 40 * 65536);
        assert_eq!(side["faults"], 0);
    }
    assert_eq!(empty["name"], "an empty one in Rust");
    assert!(number(empty, "events_per_second") > 0.0, "{empty}");
    let printed = author.ends(0, &["bench", "--seconds", "1"]);
    assert!(
        printed.contains("EVENTS/S") && printed.contains("ticks.wasm"),
        "{printed}"
    );
    let faults = Guest::ticks().when_bad("(unreachable)");
    author.write("build/ticks.wasm", faults.binary());
    let answer = author.json(1, &["bench", "--seconds", "1", "--events", "events.jsonl"]);
    assert!(number(&answer["sides"][0], "faults") > 0.0, "{answer}");
}

/// A second of `bench` in a project.
fn benched(author: &Author, project: &str) -> Output {
    author.types(&["bench", project, "--seconds", "1", "--json"])
}

/// The empty component of a language is built once, and kept.
fn is_measured_beside_an_empty_one(language: &str, spoken: &str) {
    let author = Author::default();
    author.begins(language, "trades");
    author.ends(0, &["build", "trades"]);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let output = benched(&author, "trades");
        let answer = ended(output, 0, &["bench"]);
        let answer: Value = serde_json::from_str(&answer).expect("JSON alone");
        let [own, empty] = answer["sides"]
            .as_array()
            .map(Vec::as_slice)
            .expect("a list")
        else {
            panic!("{answer}")
        };
        assert_eq!(empty["name"], format!("an empty one in {spoken}"));
        assert_eq!(empty["faults"], 0);
        let quicker = number(empty, "events_per_second") / number(own, "events_per_second");
        assert!(quicker > 1.0, "it does less for an event: {answer}");
        // The engine is the same.
        let size = number(empty, "size") / number(own, "size");
        assert!((0.8..1.2).contains(&size), "{answer}");
        let files = std::fs::read_dir(author.path(".cache/tidegate/empty")).expect("it is kept");
        let files = files.map(|file| file.expect("a file").path());
        let files: Vec<_> = files
            .map(|file| (std::fs::read(&file).expect("a file"), file))
            .collect();
        assert_eq!(files.len(), 1, "one for each language");
        kept.push(files);
    }
    assert!(kept[0] == kept[1], "it was built again");
}

#[test]
fn a_project_in_javascript_is_measured_beside_an_empty_component() {
    is_measured_beside_an_empty_one("javascript", "JavaScript");
}

#[test]
fn a_project_in_python_is_measured_beside_an_empty_component() {
    is_measured_beside_an_empty_one("python", "Python");
}

/// Nothing is measured beside it, and it is said why.
fn is_measured_alone(output: &Output, why: &str) {
    let words = said(output);
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains(why), "{words}");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(
        answer["sides"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
}

#[test]
fn where_the_tools_are_missing_it_is_measured_alone() {
    let author = Author::with_project(&Guest::ticks());
    author.write(
        "tidegate-transform.toml",
        "language = \"python\"\ncomponent = \"build/ticks.wasm\"\n",
    );
    let mut command = author.command(&["bench", "--seconds", "1", "--json"]);
    let output = command.env("PATH", "").output().expect("it can be started");
    is_measured_alone(
        &output,
        "beside no empty component in Python: componentize-py is missing",
    );
}

#[test]
fn a_file_alone_is_measured_alone_and_what_would_help_is_said() {
    let author = Author::with_project(&Guest::ticks());
    author.write("elsewhere/ticks.wasm", Guest::ticks().binary());
    let output = author.types(&["bench", "elsewhere/ticks.wasm", "--seconds", "1", "--json"]);
    is_measured_alone(
        &output,
        "beside no empty component: a file alone does not say how it is built",
    );
}
