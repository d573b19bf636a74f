//! Command lines as they are typed.

use clap::Parser;
use serde_json::json;

use crate::cli::reach::TrustArgs;

use super::*;
use crate::cli::address::AdminAddress;
use crate::cli::client::AdminClient;
use crate::cli::words::Paint;
use crate::settings::Secret;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    transform: TransformArgs,
}

fn typed(words: &[&str]) -> Result<TransformArgs, String> {
    Line::try_parse_from([&["transform"], words].concat())
        .map(|line| line.transform)
        .map_err(|error| error.to_string())
}

#[test]
fn the_host_and_the_form_may_be_named_before_or_after_the_command() {
    for words in [
        ["--json", "--admin", "http://[::1]:9", "list"],
        ["list", "--admin", "http://[::1]:9", "--json"],
    ] {
        let args = typed(&words).unwrap();
        assert!(args.host.json);
        assert_eq!(args.host.admin.to_string(), "http://[::1]:9");
    }
    let secure = typed(&["list", "--admin", "https://gate"]).unwrap();
    assert_eq!(secure.host.admin.to_string(), "https://gate");
}

#[test]
fn the_whole_way_is_one_line() {
    let args = typed(&[
        "push",
        "ticks.wasm",
        "--settings",
        "{\"a\":1}",
        "--apply",
        "--shadow",
        "500",
        "--allow-wider",
        "--canary",
        "20%",
        "--wait",
    ]);
    assert!(matches!(args.unwrap().command, TransformCommand::Push(_)));
    for wrong in [
        &["push", "ticks.wasm", "--shadow", "500"][..],
        &["push", "ticks.wasm", "--wait"],
        &["push", "ticks.wasm", "--allow-wider"],
        &["push", "ticks.wasm", "--apply", "--shadow", "0"],
        &["push", "ticks.wasm", "--settings", "[]"],
        &["push"],
    ] {
        assert!(typed(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn settings_may_be_left_out_where_limits_are_given_or_they_are_to_be_shown() {
    typed(&["settings", "ticks"]).unwrap();
    typed(&["settings", "ticks", "{}"]).unwrap();
    typed(&["settings", "ticks", "--limits", "{\"deadline\":\"20ms\"}"]).unwrap();
}

#[test]
fn nothing_answers_for_a_person_by_default() {
    let error = typed(&["apply", "p_1", "--yes"]).unwrap_err();
    assert!(error.contains("--yes"), "{error}");
}

/// A host that gives one answer, and what it was asked.
async fn host(status: &str, answer: &str) -> (AdminAddress, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut got = vec![0; 64 * 1024];
        let read = socket.read(&mut got).await.unwrap();
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&got[..read]).into_owned()
    });
    (address.parse().unwrap(), task)
}

fn context(address: AdminAddress, token: Option<&str>) -> Context {
    let (token, trust) = (token.map(Secret::given), TrustArgs::default());
    Context {
        client: AdminClient::new(address, token, &trust).unwrap(),
        json: true,
        may_ask: false,
        paint: Paint::NONE,
    }
}

async fn run_against(
    address: AdminAddress,
    token: Option<&str>,
    words: &[&str],
) -> Result<Value, CommandFailure> {
    let args = typed(words).unwrap();
    command(&context(address, token), args.command).await
}

#[tokio::test]
async fn a_file_is_sent_with_the_token_and_what_was_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a component").unwrap();
    let path = file.path().to_str().unwrap();
    let problem = json!({"code": "check-failed", "detail": "the component was refused", "faults": ["no schema"]});
    let (address, got) = host("422 x", &problem.to_string()).await;
    let words = ["push", path, "--settings", "{\"a\": \"b c\"}"];
    let failure = run_against(address, Some("word"), &words)
        .await
        .unwrap_err();
    assert_eq!(failure.json(), &problem);
    let got = got.await.unwrap();
    let first = "POST /v1/revisions?settings=%7B%22a%22%3A%22b%20c%22%7D HTTP/1.1";
    assert!(got.starts_with(first), "{got}");
    for part in [
        "authorization: Bearer word",
        "content-length: 11",
        "\r\n\r\na component",
    ] {
        assert!(got.contains(part), "{part}: {got}");
    }
}

#[tokio::test]
async fn each_way_of_not_being_let_in_says_what_to_do() {
    for (status, answer, token, part) in [
        (
            "401 x",
            "",
            None,
            "there is none in TIDEGATE_ADMIN_TOKEN; `tidegate admin-token create`",
        ),
        (
            "401 x",
            "",
            Some("t"),
            "does not know the token in TIDEGATE_ADMIN_TOKEN",
        ),
        (
            "403 x",
            "{}",
            Some("t"),
            "of the role `operate` in TIDEGATE_ADMIN_TOKEN",
        ),
        ("404 x", "", Some("t"), "--admin-tokens-file"),
        ("200 OK", "<html>", Some("t"), "same version"),
        (
            "200 OK",
            "{\"transforms\":[{}]}",
            Some("t"),
            "host's own version",
        ),
        ("502 x", "<html>", Some("t"), "same version"),
    ] {
        let (address, _) = host(status, answer).await;
        let failure = run_against(address, token, &["list"]).await.unwrap_err();
        let said = failure.to_string();
        assert!(said.contains(part), "{status}: {said}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: AdminAddress = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let failure = run_against(address.clone(), None, &["list"])
        .await
        .unwrap_err();
    assert_eq!(failure.code(), "unreachable");
    assert!(
        failure.to_string().contains(&address.to_string()),
        "{failure}"
    );
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_sent() {
    let nowhere: AdminAddress = "http://127.0.0.1:1".parse().unwrap();
    let failure = run_against(nowhere.clone(), None, &["check", "/nowhere.wasm"]).await;
    assert_eq!(failure.unwrap_err().code(), "unreadable");
    let failure = run_against(nowhere, None, &["check", "/"])
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("component's file"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_in_the_hosts_words_before_all_of_it_was_sent() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut got = vec![0; 1024];
        socket.read_exact(&mut got).await.unwrap();
        let problem = json!({"code": "too-large", "detail": "too many bytes"}).to_string();
        let answer = format!(
            "HTTP/1.1 413 x\r\ncontent-length: {}\r\n\r\n{problem}",
            problem.len()
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        // What is still on its way is taken, so that the answer is not lost to a reset.
        while socket.read(&mut got).await.is_ok_and(|read| read > 0) {}
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 * 1024 * 1024).unwrap();
    let words = ["push", file.path().to_str().unwrap()];
    let failure = run_against(address.parse().unwrap(), None, &words)
        .await
        .unwrap_err();
    assert_eq!(failure.code(), "too-large", "{failure}");
    served.await.unwrap();
}
