//! `demo --transform FILE --events FILE`: the live stream of one's own component, on one's own
//! events.

use std::process::Command;

use serde_json::json;
use tidegate_tests::author::Author;
use tidegate_tests::binary::{said, tidegate};
use tidegate_tests::{Demo, Guest};

fn author() -> Author {
    let author = Author::with_project(&Guest::ticks());
    let event = |price: &str| json!({"channel": "feed:ticks:ABC", "payload": {"price": price}});
    author.write("events.jsonl", format!("{}\n{}\n", event("1"), event("2")));
    author
}

#[tokio::test]
async fn ones_own_events_come_again_and_again_through_ones_own_component() {
    let author = author();
    let events = author.path("events.jsonl").display().to_string();
    for path in ["build/ticks.wasm", ""] {
        let path = author.path(path).display().to_string();
        let more = ["--transform", &path, "--events", &events, "--rate", "50"];
        let demo = Demo::start_with(&more).await;
        let printed = demo.process.stdout.text();
        assert!(
            printed.contains("tail --url") && printed.contains("'ticks:*'"),
            "{printed}"
        );
        assert!(!printed.contains("candles"), "{printed}");
        let mut client = demo.connect().open().await;
        client.subscribe(["ticks:*"]).await;
        let mut prices = Vec::new();
        for _ in 0..4 {
            prices.push(client.next_data().await["data"]["price"].clone());
        }
        let (first, second) = (json!("1"), json!("2"));
        let orders = [
            [&first, &second, &first, &second],
            [&second, &first, &second, &first],
        ];
        let prices: Vec<_> = prices.iter().collect();
        assert!(orders.iter().any(|order| prices == order), "{prices:?}");
    }
}

#[test]
fn what_cannot_be_shown_is_a_line_that_says_what_to_do() {
    let author = author();
    author.write("none.jsonl", "\n");
    author.write("wrong.jsonl", "{}\n");
    for (words, part) in [
        (
            &["--transform", "nowhere", "--events", "events.jsonl"],
            "correct the path",
        ),
        (
            &["--transform", "events.jsonl", "--events", "events.jsonl"],
            "is not a WebAssembly component",
        ),
        (
            &["--transform", ".", "--events", "none.jsonl"],
            "has no event",
        ),
        (
            &["--transform", ".", "--events", "wrong.jsonl"],
            "event 1: ",
        ),
    ] {
        let mut command = Command::new(tidegate());
        command.arg("demo").args(words);
        author.settle(&mut command);
        let output = command.output().expect("the binary can be started");
        let line = said(&output);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert_eq!(line.trim_end().lines().count(), 1, "{line}");
        assert!(line.contains(part), "{words:?}: {line}");
    }
}
