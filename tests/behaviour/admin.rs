//! The other listener: health, readiness, numbers, and what only a token opens.

use serde_json::Value;
use tidegate_tests::payloads::{Payload, alert_channel, candle, candle_channel};
use tidegate_tests::{Redis, Tidegate, http};

const TOKEN: &str = "token-of-this-test";

async fn with_token() -> (Redis, Tidegate) {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).admin_token(TOKEN).start().await;
    (redis, tidegate)
}

#[tokio::test]
async fn health_and_readiness_answer_anyone() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let health = tidegate.admin_get("/healthz").await;
    assert_eq!((health.status, health.body.trim()), (200, "ok"));
    let (status, body) = tidegate.ready().await;
    assert_eq!(
        (status, &body["ready"], &body["reasons"]),
        (200, &Value::Bool(true), &serde_json::json!([]))
    );
    assert_eq!(tidegate.admin_get("/nothing").await.status, 404);
}

#[tokio::test]
async fn a_token_opens_the_lists_and_nothing_else_does() {
    let (_redis, tidegate) = with_token().await;
    let _client = tidegate.subscriber(["candles:*:*"]).await;
    for path in ["/v1/transforms", "/v1/sessions"] {
        for wrong in [
            vec![],
            vec![("Authorization", "Bearer wrong")],
            vec![("Authorization", "Bearer ")],
            vec![("Authorization", TOKEN)],
            vec![("Authorization", "Basic token-of-this-test")],
            vec![("X-API-Key", TOKEN)],
        ] {
            let answer = http::get(tidegate.admin(), path, &wrong).await;
            assert_eq!(answer.status, 401, "{path} {wrong:?}");
        }
        let client_key = format!("Bearer {}", tidegate.key());
        let answer = http::get(tidegate.admin(), path, &[("Authorization", &client_key)]).await;
        assert_eq!(answer.status, 401);
        let bearer = format!("Bearer {TOKEN}");
        let answer = http::get(tidegate.admin(), path, &[("Authorization", &bearer)]).await;
        assert_eq!(answer.status, 200);
        serde_json::from_str::<Value>(&answer.body).expect("JSON");
    }
}

#[tokio::test]
async fn where_no_token_is_set_the_lists_are_not_there() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for path in ["/v1/transforms", "/v1/sessions"] {
        let with_some = [("Authorization", "Bearer x")];
        assert_eq!(
            http::get(tidegate.admin(), path, &with_some).await.status,
            404
        );
        let with_none = [("Authorization", "Bearer ")];
        assert_eq!(
            http::get(tidegate.admin(), path, &with_none).await.status,
            404
        );
        assert_eq!(http::get(tidegate.admin(), path, &[]).await.status, 404);
    }
}

#[tokio::test]
async fn no_list_and_no_metric_shows_a_key_a_payload_or_a_clients_channel() {
    let (redis, tidegate) = with_token().await;
    let mut client = tidegate
        .subscriber(["candles:QQQ-WWW:1h", "signals:*:*"])
        .await;
    let channel = candle_channel(1, "QQQ-WWW", "1h");
    redis
        .publish(
            &channel,
            Payload::candle().with("open", "98765.4321").text(),
        )
        .await;
    client.next_json().await;
    redis
        .publish(&alert_channel(1), "{\"symbol\":\"98765.4321\"}")
        .await;
    redis
        .publish(&alert_channel(1), Payload::alert().text())
        .await;
    client.next_json().await;
    let bearer = format!("Bearer {TOKEN}");
    let mut texts = vec![
        tidegate.metrics().await.text().to_owned(),
        tidegate.stderr().text(),
    ];
    for path in ["/v1/transforms", "/v1/sessions"] {
        texts.push(
            http::get(tidegate.admin(), path, &[("Authorization", &bearer)])
                .await
                .body,
        );
    }
    for text in texts {
        for secret in [&tidegate.key()[4..], "98765", "31337", "777.125", TOKEN] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert!(!tidegate.metrics().await.text().contains("QQQ-WWW"));
    assert!(!tidegate.stderr().text().contains("QQQ-WWW"));
}

#[tokio::test]
async fn the_session_list_shows_whose_session_it_is() {
    let (_redis, tidegate) = with_token().await;
    let _first = tidegate.subscriber(["candles:*:*"]).await;
    let _second = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    let sessions = http::get(tidegate.admin(), "/v1/sessions", &headers)
        .await
        .body;
    assert_eq!(sessions.matches("127.0.0.1:").count(), 2, "{sessions}");
}

#[tokio::test]
async fn the_transform_list_shows_what_runs_and_since_when() {
    let (_redis, tidegate) = with_token().await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    let transforms = http::get(tidegate.admin(), "/v1/transforms", &headers).await;
    let transforms: Value = serde_json::from_str(&transforms.body).expect("JSON");
    let listed = transforms["transforms"].as_array().expect("a list");
    let names: Vec<_> = listed
        .iter()
        .map(|transform| transform["name"].as_str())
        .collect();
    assert_eq!(names, [Some("candle"), Some("signal")]);
    for transform in listed {
        assert_eq!(transform["state"], "live", "{transform}");
        assert_eq!(transform["lanes"], 1, "{transform}");
        assert!(transform["since"].is_string(), "{transform}");
        let revision = &transform["revision"];
        assert_eq!(
            revision["id"].as_str().map(str::len),
            Some(64),
            "{transform}"
        );
        let origin = revision["origin"].as_str().unwrap_or_default();
        assert!(origin.starts_with("builtin:"), "{transform}");
    }
}

const GAUGES: [&str; 11] = [
    "tidegate_connections",
    "tidegate_pending_upgrades",
    "tidegate_subscriptions",
    "tidegate_log_bytes",
    "tidegate_reply_bytes",
    "tidegate_inbox_bytes",
    "tidegate_channels",
    "tidegate_sessions_behind",
    "tidegate_upstream_connected",
    "tidegate_lane_queue_bytes",
    "tidegate_transform_out",
];
const MOVING: [&str; 6] = [
    "tidegate_upstream_messages_total",
    "tidegate_events_total",
    "tidegate_events_rejected_total",
    "tidegate_publications_total",
    "tidegate_deliveries_total",
    "tidegate_client_errors_total",
];
const COUNTERS: [&str; 13] = [
    "tidegate_connections_refused_total",
    "tidegate_sessions_closed_total",
    "tidegate_upstream_outages_total",
    "tidegate_events_dropped_total",
    "tidegate_transform_faults_total",
    "tidegate_guard_blocks_total",
    "tidegate_gaps_total",
    "tidegate_missed_total",
    "tidegate_cuts_total",
    "tidegate_guest_log_lines_total",
    "tidegate_transform_seconds",
    "tidegate_upstream_lag_seconds",
    "process_resident_memory_bytes",
];

#[tokio::test]
async fn the_numbers_are_there_from_the_start_and_move() {
    let (redis, tidegate) = Tidegate::plain().await;
    let before = tidegate.metrics().await;
    let names = before.names();
    for name in GAUGES {
        assert!(names.contains(&name), "{name} is missing");
    }
    for name in ["tidegate_upstream_connected", "process_open_fds"] {
        assert!(before.sum(name, &[]) >= 1.0, "{name}");
    }
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), "nonsense")
        .await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(1))
        .await;
    client.next_json().await;
    client.send_text("nonsense").await;
    client.expect_error("PARSE_ERROR").await;
    let after = tidegate.metrics().await;
    for name in MOVING {
        assert!(
            after.sum(name, &[]) >= before.sum(name, &[]) + 1.0,
            "{name} stands still"
        );
    }
    for (name, labels, value) in [
        ("tidegate_connections", vec![], 1.0),
        ("tidegate_subscriptions", vec![], 1.0),
        ("tidegate_deliveries_total", vec![], 1.0),
        ("tidegate_events_total", vec![("transform", "candle")], 2.0),
        (
            "tidegate_publications_total",
            vec![("transform", "candle")],
            1.0,
        ),
        (
            "tidegate_events_rejected_total",
            vec![("transform", "candle"), ("reason", "malformed")],
            1.0,
        ),
        (
            "tidegate_client_errors_total",
            vec![("code", "PARSE_ERROR")],
            1.0,
        ),
    ] {
        assert_eq!(after.sum(name, &labels), value, "{name}");
    }
    client.close().await;
    tidegate
        .connect()
        .key("wrong")
        .open()
        .await
        .expect_close(4001, "Invalid API key")
        .await;
    for gauge in [
        "connections",
        "subscriptions",
        "log_bytes",
        "reply_bytes",
        "inbox_bytes",
        "pending_upgrades",
        "lane_queue_bytes",
    ] {
        tidegate
            .metric_becomes(&format!("tidegate_{gauge}"), &[], 0.0)
            .await;
    }
    let last = tidegate.metrics().await;
    for name in COUNTERS.iter().chain(&MOVING) {
        assert!(last.names().contains(name), "{name} is missing");
    }
    assert!(last.sum("tidegate_sessions_closed_total", &[]) >= 1.0);
    assert!(last.sum("tidegate_connections_refused_total", &[]) >= 1.0);
}
