//! The public document: the same from the command, the file and the server, without fault
//! by the official parser, and true of the messages that clients receive.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::binary::{repository, run, said};
use tidegate_tests::payloads::{Payload, alert_channel, assert_nothing_hidden, candle_channel};
use tidegate_tests::{Client, Redis, Tidegate, http};

fn from_command() -> String {
    let output = run(&std::env::temp_dir(), &["asyncapi"]);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).expect("YAML is text")
}

#[tokio::test]
async fn command_file_and_server_give_the_same_document() {
    let document = from_command();
    let file = std::fs::read_to_string(repository().join("docs/asyncapi.yaml"));
    let advice = "docs/asyncapi.yaml: run `tidegate asyncapi > docs/asyncapi.yaml`";
    assert!(file.expect(advice) == document, "{advice}");
    let (_redis, tidegate) = Tidegate::plain().await;
    let served = http::get(tidegate.public(), "/public/v1/asyncapi.yaml", &[]).await;
    assert_eq!(served.status, 200);
    assert!(
        served
            .header("content-type")
            .is_some_and(|kind| kind.contains("yaml"))
    );
    assert!(served.body == document, "the server has another document");
}

#[tokio::test]
async fn the_served_document_has_the_limits_that_the_host_is_set_to() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-message-size", "3KiB")
        .setting("client-message-rate", "7")
        .setting("client-message-burst", "70")
        .setting("max-channels-per-message", "3")
        .setting("max-subscriptions", "11")
        .setting("heartbeat-interval", "17s")
        .setting("lag-limit", "12s")
        .setting("stall-limit", "3s")
        .start()
        .await;
    let served = http::get(tidegate.public(), "/public/v1/asyncapi.yaml", &[]).await;
    let document: Value = serde_saphyr::from_str(&served.body).expect("YAML");
    let text = document["channels"]["stream"]["description"].as_str();
    let text = text.expect("a description");
    for limit in [
        "| one message of the client | 3.0 KiB |",
        "| 7 a second, and 70 at once |",
        "| channels in one request | 1 to 3 |",
        "| subscriptions of a connection | 11 |",
        "| time from a ping to a sign of life | 17s |",
        "| age of the oldest message that the client has not got | 12s |",
        "| time without a byte being taken while something waits | 3s | close 1013 |",
    ] {
        assert!(text.contains(limit), "{limit}: {text}");
    }
    let most = "/components/messages/subscribe/payload/properties/channels/maxItems";
    assert_eq!(document.pointer(most), Some(&json!(3)));
    // And that is what a client meets.
    let mut client = tidegate.client().await;
    let four = json!({"action": "subscribe", "channels": ["a:1", "a:2", "a:3", "a:4"]});
    client.send(four).await;
    client.expect_error("INVALID_MESSAGE").await;
}

#[test]
fn the_document_names_nothing_internal() {
    let document = from_command();
    for word in [
        "macd",
        "fastEMA",
        "triggerLabel",
        "sequenceNum",
        "channel:exchange",
        "channel:alerts",
    ] {
        assert!(!document.contains(word), "{word}");
    }
    for word in [
        "candle_close",
        "trade_signal",
        "RATE_LIMITED",
        "INVALID_CHANNEL",
        "4001",
        "4008",
    ] {
        assert!(document.contains(word), "{word} is missing");
    }
}

#[test]
fn the_official_parser_finds_no_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("asyncapi.yaml");
    std::fs::write(&file, from_command()).expect("a file in one's own folder");
    let script = repository().join("tests/asyncapi/check.cjs");
    let output = Command::new("node")
        .arg(script)
        .arg(&file)
        .output()
        .expect("node is installed: run `cargo xtask test`");
    let text = said(&output);
    assert!(
        output.status.success(),
        "{text}\nIf the parser is missing: `cargo xtask test` installs it and sets TIDEGATE_NODE_MODULES."
    );
}

/// The names of the document's messages that `message` is valid for.
fn fitting(document: &Value, message: &Value) -> Vec<String> {
    let messages = document["components"]["messages"]
        .as_object()
        .expect("components.messages");
    let fits = |name: &String| {
        let mut schema = document.clone();
        schema["$ref"] = json!(format!("#/components/messages/{name}/payload"));
        let validator = jsonschema::draft202012::new(&schema);
        validator.is_ok_and(|validator| validator.is_valid(message))
    };
    messages.keys().filter(|name| fits(name)).cloned().collect()
}

/// What a client hears that an event was lost for: of a state, and of a gap.
async fn a_pause(redis: &Redis, tidegate: &Tidegate, client: &mut Client) -> (Value, Value) {
    let admin = tidegate.admin_api();
    admin.pause("signal").await;
    let status = client.next_json().await;
    let lost = Payload::alert().text();
    redis.publish(&alert_channel(1), lost).await;
    let dropped = [("transform", "signal"), ("reason", "paused")];
    let name = "tidegate_events_dropped_total";
    tidegate.metric_becomes(name, &dropped, 1.0).await;
    admin.resume("signal").await;
    client.next_json().await;
    (status, client.next_json().await)
}

#[tokio::test]
async fn what_clients_receive_is_as_the_document_says() {
    let text = from_command();
    let document: Value = serde_saphyr::from_str(&text).expect("YAML");
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).state_dir().start().await;
    let mut client = tidegate.client().await;
    let asked = ["candles:*:*", "candles:A-B:1h", "signals:*:*", "x"];
    let request = json!({"action": "subscribe", "channels": asked});
    let subscribed = client.ask(request).await;
    let error = client.expect_error("INVALID_CHANNEL").await;
    let pong = client.ask(json!({"action": "ping", "id": "a"})).await;
    redis
        .publish(
            &candle_channel(1, "BTC-USD", "1h"),
            Payload::candle().text(),
        )
        .await;
    let candle = client.next_json().await;
    redis
        .publish(&alert_channel(1), Payload::alert().text())
        .await;
    let signal = client.next_json().await;
    let request = json!({"action": "unsubscribe", "channels": &asked[..2], "id": 3});
    let unsubscribed = client.ask(request).await;
    let (status, gap) = a_pause(&redis, &tidegate, &mut client).await;
    let mut seen = Vec::new();
    let messages = [
        subscribed,
        error,
        pong,
        candle,
        signal,
        unsubscribed,
        status,
        gap,
    ];
    for message in messages {
        assert_nothing_hidden(&message.to_string());
        let names = fitting(&document, &message);
        assert_eq!(names.len(), 1, "{message} is described by {names:?}");
        assert!(!seen.contains(&names[0]), "{names:?} twice");
        seen.extend(names);
        if message["data"].is_object() {
            let mut more = message.clone();
            more["data"]["macdV"] = json!(1);
            assert_eq!(fitting(&document, &more), Vec::<String>::new(), "{more}");
        }
    }
}

/// The whole messages of a server that a page shows.
fn shown(page: &str) -> Vec<Value> {
    let starts = page.match_indices(r#"{"type":""#).map(|(at, _)| at);
    let message = |at: usize| {
        let mut messages = serde_json::Deserializer::from_str(&page[at..]).into_iter();
        messages.next().and_then(Result::ok)
    };
    let messages = starts.filter_map(message);
    messages
        .filter(|message: &Value| !message.to_string().contains('…'))
        .collect()
}

#[test]
fn the_messages_on_the_page_for_clients_are_as_the_document_says() {
    let document: Value = serde_saphyr::from_str(&from_command()).expect("YAML");
    let page = std::fs::read_to_string(repository().join("docs/clients.md"));
    let shown = shown(&page.expect("docs/clients.md"));
    assert!(shown.len() >= 7, "{shown:?}");
    for message in &shown {
        let name = message["type"].as_str().expect("a type");
        assert_eq!(fitting(&document, message), [name], "{message}");
    }
    let gap = |from: Value, count: Value, reason: &str| json!({"type": "gap", "channel": "candles:*:*", "from": from, "to": from, "count": count, "reason": reason});
    for (message, fits) in [
        (gap(json!(null), json!(12_345), "slow"), true),
        (gap(json!(1), json!(1), "slow"), true),
        (gap(json!(0), json!(1), "slow"), false),
        (gap(json!(null), json!(0), "slow"), false),
        (gap(json!(null), json!(1), "lazy"), false),
    ] {
        assert_eq!(!fitting(&document, &message).is_empty(), fits, "{message}");
    }
}
