//! By which names the admin listener may be called, and by which pages: against DNS
//! rebinding, where a page elsewhere has its name point to this machine.

use std::net::SocketAddr;

use tidegate_tests::http::{Response, exchange};
use tidegate_tests::settings::OPERATOR;
use tidegate_tests::{Redis, Tidegate};

const PATHS: [&str; 5] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/nothing",
];

async fn ask(address: SocketAddr, line: &str, headers: &str) -> Response {
    let bearer = format!("Authorization: Bearer {OPERATOR}");
    let request = format!("{line}\r\n{headers}{bearer}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes()).await;
    answer.unwrap_or_else(|error| panic!("{line}, {headers}: {error}"))
}

async fn started(redis: &Redis) -> Tidegate {
    let setup = Tidegate::on(redis).state_dir();
    let setup = setup.setting("admin-hosts", "ops.example,tidegate.monitoring.svc");
    setup.start().await
}

#[tokio::test]
async fn a_page_that_had_its_name_point_here_changes_nothing() {
    let redis = Redis::start().await;
    let tidegate = started(&redis).await;
    let pause = "POST /v1/transforms/candle/pause HTTP/1.1";
    let port = tidegate.admin().port();
    let attacks = [
        format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n"),
        format!("Host: localhost:{port}\r\nOrigin: null\r\n"),
        format!("Host: localhost:{port}\r\nOrigin: http://localhost:3000\r\n"),
    ];
    for headers in &attacks {
        let answer = ask(tidegate.admin(), pause, headers).await;
        assert_eq!(answer.status, 403, "{headers}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "{kind}");
    }
    let state = tidegate.admin_api().transform("candle").await;
    assert_eq!(state["state"], "live", "{state}");
    let refused = "tidegate_admin_connections_refused_total";
    for (reason, count) in [("host", 2.0), ("origin", 3.0)] {
        let counted = tidegate.metric(refused, &[("reason", reason)]).await;
        assert_eq!(counted, count, "{reason}");
    }
}

#[tokio::test]
async fn every_path_asks_by_which_name_it_is_called_and_says_what_to_set() {
    let redis = Redis::start().await;
    let tidegate = started(&redis).await;
    for path in PATHS {
        let line = format!("GET {path} HTTP/1.1");
        let answer = ask(tidegate.admin(), &line, "Host: evil.example\r\n").await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("\"foreign-host\""), "{}", answer.body);
        assert!(answer.body.contains("admin-hosts"), "{}", answer.body);
        assert!(answer.body.contains("evil.example"), "{}", answer.body);
        let absolute = format!("GET http://evil.example{path} HTTP/1.1");
        let answer = ask(tidegate.admin(), &absolute, "Host: localhost\r\n").await;
        assert_eq!(answer.status, 403, "{absolute}");
    }
}

#[tokio::test]
async fn known_names_addresses_and_programs_without_a_name_are_answered() {
    let redis = Redis::start().await;
    let tidegate = started(&redis).await;
    for host in [
        "localhost",
        "127.0.0.1:1",
        "[::1]:8081",
        "10.42.0.9:8081",
        "ops.example",
        "Tidegate.Monitoring.svc:8081",
    ] {
        let headers = format!("Host: {host}\r\n");
        let answer = ask(tidegate.admin(), "GET /healthz HTTP/1.1", &headers).await;
        assert_eq!(answer.status, 200, "{host}");
        let headers = format!("Host: {host}\r\nOrigin: https://{host}\r\n");
        let answer = ask(tidegate.admin(), "GET /v1/sessions HTTP/1.1", &headers).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let answer = ask(tidegate.admin(), "GET /readyz HTTP/1.0", "").await;
    assert_eq!(answer.status, 200);
}
