//! `transform record`: real events of a Redis as samples, which are for their owner alone and of
//! which nothing is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tidegate_tests::author::Author;
use tidegate_tests::binary::said;
use tidegate_tests::{Guest, Redis, millis};

const SECRET: &str = r#"{"price":"2.5"}"#;

/// Types a command while events of a symbol come.
async fn types_while_events_come(author: &Author, redis: &Redis, words: &[&str]) -> Output {
    let mut command = author.command(words);
    command.stdin(Stdio::null());
    let mut typed = tokio::task::spawn_blocking(move || command.output());
    loop {
        tokio::select! {
            output = &mut typed => return output.expect("no panic").expect("it can be started"),
            () = tokio::time::sleep(millis(5)) => {
                redis.publish("feed:ticks:ABC", SECRET).await;
                redis.publish("feed:other", "x").await;
            }
        }
    }
}

#[tokio::test]
async fn real_events_become_samples_for_their_owner_that_a_test_fills_in() {
    let redis = Redis::start().await;
    let author = Author::with_project(&Guest::ticks());
    let url = redis.url();
    let words = [
        "record",
        "--redis-url",
        &url,
        "--channel",
        "feed:ticks:{symbol}",
        "--count",
        "3",
    ];
    let output = types_while_events_come(&author, &redis, &words).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("3 samples in"), "{}", said(&output));
    assert!(!said(&output).contains("2.5"), "{}", said(&output));
    for number in 1..=3 {
        let file = author.path(&format!("samples/recorded-000{number}.json"));
        let mode = file.metadata().expect("a sample").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let sample: Value =
            serde_json::from_slice(&fs::read(file).expect("a sample")).expect("JSON");
        assert_eq!(sample["event"]["channel"], "feed:ticks:ABC");
        assert_eq!(sample["event"]["payload"], json!({"price": "2.5"}));
        assert!(
            sample["event"]["received-at"].as_u64() > Some(1_600_000_000_000),
            "{sample}"
        );
        assert!(
            sample["note"]
                .as_str()
                .is_some_and(|note| note.contains("internal data")),
            "{sample}"
        );
    }
    let folder = author.path("samples").metadata().expect("a folder");
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let answer = author.json(0, &["test", "--update"]);
    assert_eq!(answer["updated"], 3);
    let file = author.path("samples/recorded-0001.json");
    assert_eq!(
        file.metadata().expect("a sample").permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(author.json(0, &["test"])["passed"], 4);
    // What is there stays.
    let more = [
        "record",
        "--redis-url",
        &url,
        "--channel",
        "feed:ticks:*",
        "--count",
        "1",
        "--json",
    ];
    let output = types_while_events_come(&author, &redis, &more).await;
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        answer["files"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    assert!(
        answer["files"][0]
            .as_str()
            .is_some_and(|file| file.ends_with("recorded-0004.json"))
    );
}

#[tokio::test]
async fn the_address_is_taken_as_serve_takes_it_and_its_password_is_never_shown() {
    let redis = Redis::start().await;
    let author = Author::default();
    let port = redis.port();
    author.write(
        "tidegate.toml",
        format!("redis-url = \"redis://127.0.0.1:{port}\"\n"),
    );
    let words = [
        "record",
        "--channel",
        "feed:ticks:*",
        "--count",
        "1",
        "--into",
        "here",
    ];
    let output = types_while_events_come(&author, &redis, &words).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(author.path("here/recorded-0001.json").is_file());
    let wrong = format!("redis://someone:s3cret-word@127.0.0.1:{port}");
    let closed = "redis://:s3cret-word@127.0.0.1:1";
    for (url, part) in [
        (&*wrong, "WRONGPASS"),
        (closed, "refused"),
        ("http://s3cret-word", "redis-url"),
    ] {
        let line = author.refused(&[&words[..], &["--redis-url", url]].concat());
        assert!(line.contains(part), "{line}");
        assert!(!line.contains("s3cret"), "{line}");
    }
}

#[test]
fn samples_belong_to_a_project_unless_they_are_put_elsewhere() {
    let author = Author::default();
    author.write("a.wasm", Guest::ticks().binary());
    let line = author.refused(&["record", "a.wasm", "--channel", "a"]);
    assert!(line.contains("--into"), "{line}");
    let typed = author.types(&["record", "--channel", "a b"]);
    assert_eq!(typed.status.code(), Some(2), "{}", said(&typed));
    assert!(!author.path("samples").exists());
}
