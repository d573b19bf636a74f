//! The admin API as a program meets it: who may do what, how it is told that it may not,
//! and what holds for bodies. What the changes do is told elsewhere.

mod document;
mod requests;
mod roles;
mod uploads;

use std::net::SocketAddr;

use serde_json::Value;
use tidegate_tests::http::{self, Response};
use tidegate_tests::{Redis, Tidegate};

pub(crate) const TOKEN: &str = "token-of-this-test";

/// A host that can be asked, but keeps nothing.
async fn with_token() -> (Redis, Tidegate) {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).admin_token(TOKEN).start().await;
    (redis, tidegate)
}

/// One request with this token and body.
async fn ask(
    address: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: impl AsRef<[u8]>,
) -> Response {
    let body = body.as_ref();
    let mut request = head(
        method,
        path,
        token,
        &format!("Content-Length: {}", body.len()),
    );
    request.extend_from_slice(body);
    let answer = http::exchange(address, &request).await;
    answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// A request's head, with one further header.
fn head(method: &str, path: &str, token: &str, header: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n{header}\r\n\r\n"
    )
    .into_bytes()
}

/// The detail of a problem that is in good form and has this status and code.
#[track_caller]
fn problem(answer: &Response, status: u16, code: &str) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let stated = (
        answer.status,
        body["status"].as_u64(),
        body["code"].as_str(),
    );
    assert_eq!(
        stated,
        (status, Some(status.into()), Some(code)),
        "{answer:?}"
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(body["type"], format!("urn:tidegate:problem:{code}"));
    assert!(
        body["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty())
    );
    let detail = body["detail"].as_str().unwrap_or_default();
    assert!(!detail.is_empty(), "{answer:?}");
    detail.to_owned()
}
