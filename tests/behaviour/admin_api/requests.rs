//! Requests that are wrong in themselves: paths, methods, parameters, bodies.

use tidegate_tests::{http, secs, until};

use super::{TOKEN, ask, problem, with_token};

#[tokio::test]
async fn a_path_that_is_not_there_and_a_method_that_is_not_are_problems() {
    let (_redis, tidegate) = with_token().await;
    let admin = tidegate.admin();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/transforms",
        "/v1/transforms/a/b/c",
        "/openapi.yaml",
    ] {
        problem(&ask(admin, TOKEN, "GET", path, "").await, 404, "not-found");
    }
    for (method, path, allowed) in [
        ("POST", "/v1/transforms", "GET"),
        ("GET", "/v1/check", "POST"),
        ("DELETE", "/healthz", "GET"),
        ("PUT", "/v1/shadows/a", "DELETE"),
    ] {
        let answer = ask(admin, TOKEN, method, path, "").await;
        problem(&answer, 405, "method-not-allowed");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{method} {path}: {allow}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_names_it() {
    let (_redis, tidegate) = with_token().await;
    for (path, code) in [
        ("/v1/transforms/nobody", "no-such-transform"),
        ("/v1/revisions/abcdef123456", "no-such-revision"),
        ("/v1/plans/nobody", "no-such-plan"),
        ("/v1/shadows/nobody", "no-such-shadow"),
    ] {
        let answer = ask(tidegate.admin(), TOKEN, "GET", path, "").await;
        let detail = problem(&answer, 404, code);
        let named = path.rsplit('/').next().expect("a path has parts");
        assert!(detail.contains(named), "{detail}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_place() {
    let (_redis, tidegate) = with_token().await;
    let apply = "/v1/plans/x/apply";
    let shadow = "/v1/revisions/abcdef/shadow";
    let settings = "/v1/transforms/x/settings";
    for (path, body, words) in [
        (apply, "{\"allow_wider\": tru}", "line 1 column 20"),
        (apply, "{\"allow_wider\": 1}", "expected a boolean"),
        (
            apply,
            "{\"allow-wider\": true}",
            "unknown field `allow-wider`",
        ),
        (apply, "{\"canary\": 0}", "from 1 to 100"),
        (apply, "{\"canary\": 101}", "from 1 to 100"),
        (apply, "{} {}", "trailing characters"),
        (apply, "[true, true, true, 50]", "must be a JSON object"),
        (apply, "nonsense", "must be a JSON object"),
        (shadow, "{\"events\": -1}", "expected u64"),
        (shadow, "{\"events\": 0}", "at least 1"),
        (shadow, "{\"seconds\": 0}", "at least 1"),
        (settings, "", "give `settings`, `limits` or both"),
        (settings, "{\"settings\": 1}", "expected a map"),
        (
            settings,
            "{\"transform\": \"y\", \"settings\": {}}",
            "unknown field",
        ),
        (
            "/v1/transforms/x/rollback",
            "{\"too\": \"abc\"}",
            "unknown field `too`",
        ),
    ] {
        let answer = ask(tidegate.admin(), TOKEN, "POST", path, body).await;
        let detail = problem(&answer, 400, "bad-request");
        assert!(detail.contains(words), "{path} {body}: {detail}");
    }
    let deep = "[".repeat(100_000);
    let answer = ask(tidegate.admin(), TOKEN, "POST", apply, deep).await;
    problem(&answer, 400, "bad-request");
    let long = format!("{{\"settings\": {{\"a\": \"{}\"}}}}", "x".repeat(1 << 20));
    let answer = ask(tidegate.admin(), TOKEN, "POST", settings, long).await;
    problem(&answer, 413, "too-large");
}

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_refused_by_its_name() {
    let (_redis, tidegate) = with_token().await;
    for (method, path, words) in [
        ("GET", "/v1/transforms/%FF", "UTF-8"),
        ("GET", "/v1/transforms?all=1", "unknown field `all`"),
        ("GET", "/v1/history?limit=0", "`limit` is 0"),
        ("GET", "/v1/history?limit=10001", "from 1 to 10000"),
        ("GET", "/v1/history?limit=many", "limit"),
        (
            "GET",
            "/v1/revisions?transfrom=x",
            "unknown field `transfrom`",
        ),
        ("POST", "/v1/check?settings=%7B%22a", "`settings`"),
        (
            "POST",
            "/v1/revisions?settings=1",
            "`settings`: it must be a JSON object",
        ),
        (
            "POST",
            "/v1/revisions?limits=%5B%5D",
            "`limits`: it must be a JSON object",
        ),
    ] {
        let answer = ask(tidegate.admin(), TOKEN, method, path, "x").await;
        let detail = problem(&answer, 400, "bad-request");
        assert!(detail.contains(words), "{path}: {detail}");
    }
}

#[tokio::test]
async fn a_change_that_is_asked_for_is_logged_without_what_was_sent() {
    let (_redis, tidegate) = with_token().await;
    let body = "{\"settings\": {\"word\": \"do-not-log-this\"}}";
    let path = "/v1/transforms/nobody-at-all/settings";
    let answer = ask(tidegate.admin(), TOKEN, "POST", path, body).await;
    assert!(answer.status >= 400, "{answer:?}");
    ask(
        tidegate.admin(),
        TOKEN,
        "POST",
        "/v1/check",
        "do-not-log-this",
    )
    .await;
    until("two lines of changes", secs(10), async || {
        let log = tidegate.stderr().text();
        log.contains("check") && log.contains("changeSettings")
    })
    .await;
    let log = tidegate.stderr().text();
    let line = log
        .lines()
        .find(|line| line.contains("changeSettings"))
        .expect("it was there a moment ago");
    for word in ["admin", "nobody-at-all"] {
        assert!(line.contains(word), "{word} is missing in {line}");
    }
    for secret in ["do-not-log-this", TOKEN] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn without_a_token_there_is_only_the_document_of_what_could_be() {
    let (_redis, tidegate) = tidegate_tests::Tidegate::plain().await;
    let document = http::get(tidegate.admin(), "/openapi.json", &[]).await;
    assert_eq!(document.status, 200);
    for (method, path) in [
        ("GET", "/v1/transforms"),
        ("POST", "/v1/revisions"),
        ("POST", "/v1/plans/x/apply"),
    ] {
        let answer = ask(tidegate.admin(), TOKEN, method, path, "").await;
        let detail = problem(&answer, 404, "not-found");
        assert!(detail.contains("TIDEGATE_SERVE_ADMIN_TOKEN"), "{detail}");
    }
}
