//! A page in a real browser: it shows its key as a subprotocol, receives messages, and can
//! read why a wrong key was turned away.

use std::path::PathBuf;

use serde_json::Value;
use tidegate_tests::payloads::assert_nothing_hidden;
use tidegate_tests::process::Process;
use tidegate_tests::{Demo, secs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PAGE: &str = include_str!("../browser/page.html");

fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    [
        "chromium",
        "chromium-headless-shell",
        "chromium-browser",
        "google-chrome",
    ]
    .into_iter()
    .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
    .find(|file| file.is_file())
    .expect("a browser is needed: `apt-get install chromium`")
}

/// Answers one request of the page; a report is what it returns.
async fn answer(mut stream: TcpStream, page: &str) -> Option<Value> {
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_lowercase(), body.to_owned());
        }
        stream.read_buf(&mut bytes).await.ok().filter(|&n| n > 0)?;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    while body.len() < length {
        let mut more = Vec::new();
        stream.read_buf(&mut more).await.ok().filter(|&n| n > 0)?;
        body.push_str(&String::from_utf8_lossy(&more));
    }
    let found = if head.starts_with("get / ") { page } else { "" };
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{found}",
        found.len()
    );
    stream.write_all(response.as_bytes()).await.ok()?;
    head.starts_with("post /report")
        .then(|| serde_json::from_str(&body).expect("a report"))
}

#[tokio::test]
async fn a_page_receives_messages_and_reads_why_a_wrong_key_was_refused() {
    let demo = Demo::start().await;
    let page = PAGE
        .replace("{{url}}", &demo.url())
        .replace("{{key}}", "demo");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let profile = tempfile::tempdir().expect("a temporary folder");
    let browser = Process::start(&chromium(), |command| {
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{address}/"));
    });
    let (mut stream, mut stranger) = (None, None);
    let reports = async {
        while stream.is_none() || stranger.is_none() {
            let (connection, _) = listener.accept().await.expect("the page connects");
            match answer(connection, &page).await {
                Some(report) if report["test"] == "stream" => stream = Some(report),
                Some(report) => stranger = Some(report),
                None => {}
            }
        }
    };
    if timeout(secs(40), reports).await.is_err() {
        panic!(
            "no report from the page: {stream:?} {stranger:?}\n{:?}",
            browser.stderr
        );
    }
    let (stream, stranger) = (stream.expect("reported"), stranger.expect("reported"));
    assert_eq!(stream["protocol"], "tidegate", "{stream}");
    let heard = stream["heard"].as_array().expect("a list");
    assert_eq!(heard[0]["type"], "subscribed");
    assert!(
        heard[1..]
            .iter()
            .all(|message| message["type"] == "candle_close"),
        "{stream}"
    );
    assert_nothing_hidden(&stream.to_string());
    assert_eq!(
        (&stranger["code"], &stranger["reason"]),
        (&4001.into(), &"Invalid API key".into())
    );
}
