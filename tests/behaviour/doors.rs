//! Coming in: how the key may be shown, what is refused by HTTP, and how early a client
//! may speak.

use tidegate_tests::client::expect_subscribed;
use tidegate_tests::http::{UPGRADE, exchange, get};
use tidegate_tests::raw::frame;
use tidegate_tests::{Door, Raw, Redis, Tidegate};

const STREAM: &str = "/public/v1/stream";

#[tokio::test]
async fn a_message_in_the_same_segment_as_the_upgrade_is_answered() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for _ in 0..20 {
        let mut raw = Raw::connect(&tidegate.connect()).await;
        let mut bytes = Raw::upgrade_text(tidegate.key()).into_bytes();
        bytes.extend(frame(
            0x81,
            br#"{"action":"subscribe","channels":["candles:*:*"]}"#,
        ));
        bytes.extend(frame(0x81, br#"{"action":"ping","id":1}"#));
        raw.write(&bytes).await;
        raw.expect_upgrade().await;
        let (opcode, subscribed) = raw.frame().await.expect("an answer");
        let subscribed = serde_json::from_slice(&subscribed).expect("JSON");
        assert_eq!(opcode, 1);
        expect_subscribed(&subscribed, &["candles:*:*"]);
        let pong = br#"{"type":"pong","id":1}"#.to_vec();
        assert_eq!(raw.frame().await, Some((1, pong)));
    }
}

#[tokio::test]
async fn the_key_may_be_shown_in_four_ways() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for door in [
        Door::Query,
        Door::ApiKeyHeader,
        Door::Bearer,
        Door::Subprotocol,
    ] {
        let mut client = tidegate.connect().by(door).open().await;
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn the_subprotocol_that_carries_the_key_is_never_sent_back() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let how = tidegate.connect().by(Door::Subprotocol);
    let (_client, response) = how.try_open().await.expect("an upgrade");
    assert_eq!(response.headers()["sec-websocket-protocol"], "tidegate");
    let how = tidegate.connect();
    let (_client, response) = how.try_open().await.expect("an upgrade");
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
}

#[tokio::test]
async fn compression_is_not_agreed_on() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let how = tidegate
        .connect()
        .header("Sec-WebSocket-Extensions", "permessage-deflate");
    let (_client, response) = how.try_open().await.expect("an upgrade");
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
}

#[tokio::test]
async fn a_plain_request_on_the_stream_is_told_to_upgrade() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let answer = get(tidegate.public(), STREAM, &[]).await;
    assert_eq!(answer.status, 426);
    let connection = answer.header("connection").expect("the header");
    assert!(connection.contains("Upgrade"), "{connection}");
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    let path = format!("{STREAM}?apiKey={}", tidegate.key());
    assert_eq!(get(tidegate.public(), &path, &[]).await.status, 426);
}

#[tokio::test]
async fn a_malformed_upgrade_is_a_bad_request() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let good = format!("GET {STREAM} HTTP/1.1\r\n{UPGRADE}\r\n");
    let no_key = good.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "");
    assert_ne!(no_key, good);
    for text in [no_key.as_str(), "hello\r\n\r\n"] {
        let answer = exchange(tidegate.public(), text.as_bytes()).await;
        assert_eq!(answer.expect("an answer").status, 400, "{text}");
    }
}

#[tokio::test]
async fn another_version_of_the_protocol_is_told_which_one_to_use() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let good = format!("GET {STREAM} HTTP/1.1\r\n{UPGRADE}\r\n");
    for version in ["Sec-WebSocket-Version: 8\r\n", ""] {
        let text = good.replace("Sec-WebSocket-Version: 13\r\n", version);
        assert_ne!(text, good);
        let answer = exchange(tidegate.public(), text.as_bytes()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 426);
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found_and_the_document_is() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for path in [
        "/",
        "/public/v1",
        "/public/v1/stream/x",
        "/metrics",
        "/readyz",
        "/v1/sessions",
    ] {
        assert_eq!(
            get(tidegate.public(), path, &[]).await.status,
            404,
            "{path}"
        );
    }
    assert_eq!(
        get(tidegate.public(), "/public/v1/asyncapi.yaml", &[])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_page_of_another_origin_is_forbidden_where_origins_are_named() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting(
            "allowed-origins",
            "https://app.example,https://desk.example:8443",
        )
        .start()
        .await;
    let at = |origin: &str| tidegate.connect().header("Origin", origin);
    for origin in ["https://app.example", "https://desk.example:8443"] {
        at(origin).open().await.expect_nothing_before_pong().await;
    }
    for origin in [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "null",
    ] {
        assert_eq!(at(origin).refused().await, 403, "{origin}");
    }
    // A good one does not speak for another beside it.
    let both = "\r\nOrigin: https://app.example\r\nOrigin: https://evil.example\r\n";
    let request = Raw::upgrade_text(tidegate.key()).replacen("\r\n", both, 1);
    let mut raw = Raw::connect(&tidegate.connect()).await;
    raw.write(request.as_bytes()).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    tidegate.client().await.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn where_no_origins_are_named_any_may_come() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let how = tidegate
        .connect()
        .header("Origin", "https://anything.example");
    how.open().await.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn an_empty_key_in_the_address_does_not_hide_one_in_a_header() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let key = tidegate.key();
    for header in [
        format!("X-API-Key: {key}"),
        format!("Authorization: Bearer {key}"),
    ] {
        let mut raw = Raw::connect(&tidegate.connect()).await;
        let text = format!("GET {STREAM}?apiKey= HTTP/1.1\r\n{UPGRADE}{header}\r\n\r\n");
        raw.write(text.as_bytes()).await;
        raw.expect_upgrade().await;
        raw.write(&frame(0x81, br#"{"action":"ping"}"#)).await;
        let pong = br#"{"type":"pong"}"#.to_vec();
        assert_eq!(raw.frame().await, Some((1, pong)));
    }
}

#[tokio::test]
async fn only_get_begins_a_stream() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for method in ["HEAD", "POST", "OPTIONS", "BREW"] {
        let path = format!("{STREAM}?apiKey={}", tidegate.key());
        let text = format!("{method} {path} HTTP/1.1\r\n{UPGRADE}\r\n");
        let mut raw = Raw::connect(&tidegate.connect()).await;
        raw.write(text.as_bytes()).await;
        let head = raw.head().await.to_lowercase();
        assert!(head.starts_with("http/1.1 405 "), "{method}: {head}");
        assert!(head.contains("\r\nallow: get\r\n"), "{method}: {head}");
    }
    let name = "tidegate_connections_refused_total";
    let counted = tidegate.metric(name, &[("reason", "method")]).await;
    assert_eq!(counted, 4.0);
    assert_eq!(tidegate.metric("tidegate_connections", &[]).await, 0.0);
}

#[tokio::test]
async fn an_upgrade_that_a_proxy_lost_is_told_what_the_proxy_needs() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let old = format!("GET {STREAM} HTTP/1.0\r\n{UPGRADE}\r\n");
    let kept_key = "GET STREAM HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let kept_key = kept_key.replace("STREAM", STREAM);
    let no_headers = kept_key.replace("HTTP/1.0", "HTTP/1.1");
    for text in [old, kept_key, no_headers] {
        let answer = exchange(tidegate.public(), text.as_bytes()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 426, "{text}");
        for line in ["proxy_http_version 1.1;", "$http_upgrade;", "\"upgrade\";"] {
            assert!(answer.body.contains(line), "{line} in {}", answer.body);
        }
    }
    let plain = get(tidegate.public(), STREAM, &[]).await;
    assert!(!plain.body.contains("nginx"), "{}", plain.body);
}
