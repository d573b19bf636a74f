//! `tail` against a small server that says what a test wants it to say.

use std::sync::{Arc, Mutex};

use clap::Parser;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    tail: TailArgs,
}

fn typed(words: &[&str]) -> TailArgs {
    Line::try_parse_from([&["tail"], words].concat())
        .unwrap()
        .tail
}

/// What the server got: the Authorization header, then each text.
type Got = Arc<Mutex<Vec<String>>>;

/// Takes one connection, waits for a request of it, sends `texts`, then closes so.
async fn server(
    texts: &[&str],
    close: Option<(u16, &'static str)>,
) -> (String, Got, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/public/v1/stream", listener.local_addr().unwrap());
    let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
    let got = Got::default();
    let seen = got.clone();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let header = seen.clone();
        #[allow(
            clippy::result_large_err,
            reason = "tungstenite's callback is of this form"
        )]
        let note = move |request: &Request, response: Response| {
            let value = request.headers().get("authorization");
            let value = value.map_or("none", |value| value.to_str().unwrap());
            header.lock().unwrap().push(value.to_owned());
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, note).await.unwrap();
        let request = socket.next().await.unwrap().unwrap();
        seen.lock()
            .unwrap()
            .push(request.to_text().unwrap().to_owned());
        for text in texts {
            socket.send(Message::text(text)).await.unwrap();
        }
        if let Some((code, reason)) = close {
            let frame = CloseFrame {
                code: code.into(),
                reason: reason.into(),
            };
            socket.close(Some(frame)).await.unwrap();
        }
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                seen.lock().unwrap().push(text.to_string());
            }
        }
    });
    (url, got, task)
}

/// Runs `tail` to its end; what it printed, and its error.
async fn tail(words: &[&str]) -> (String, Option<String>) {
    let mut out = Vec::new();
    let args = typed(words);
    let counts = ProgressBar::hidden();
    let tail = follow(&args, &mut out, &counts);
    let tailed = tokio::time::timeout(Duration::from_secs(20), tail)
        .await
        .unwrap();
    (
        String::from_utf8(out).unwrap(),
        tailed.err().map(|error| format!("{error:#} {error:?}")),
    )
}

const DATA: &str = r#"{"type":"t","channel":"a:b","data":{"x":"1"}}"#;

#[tokio::test]
async fn data_is_printed_by_lines_and_answers_are_not() {
    let broken = DATA.replace(":{", ":\n{");
    let texts = [
        r#"{"type":"subscribed","channels":["a:b"]}"#,
        DATA,
        &broken,
        DATA,
    ];
    let (url, got, task) = server(&texts, None).await;
    let (out, error) = tail(&["--url", &url, "--key", "k1", "--count", "2", "a:b"]).await;
    assert_eq!(
        (out, error),
        (format!("{DATA}\n{}\n", DATA.replace(":{", ": {")), None)
    );
    task.await.unwrap();
    let request = r#"{"action":"subscribe","channels":["a:b"]}"#;
    assert_eq!(*got.lock().unwrap(), ["Bearer k1", request]);
}

#[tokio::test]
async fn a_key_in_the_address_is_the_only_one_sent() {
    let (url, got, _task) = server(&[DATA], None).await;
    let (_, error) = tail(&["--url", &format!("{url}?apiKey=k2"), "--count", "1", "a:b"]).await;
    assert_eq!(error, None);
    assert_eq!(got.lock().unwrap()[0], "none");
}

#[tokio::test]
async fn many_channels_are_asked_for_twenty_at_a_time() {
    let (url, got, task) = server(&[DATA], None).await;
    let channels: Vec<_> = (0..41).map(|number| format!("a:{number}")).collect();
    let mut words = vec!["--url", &url, "--count", "1"];
    words.extend(channels.iter().map(String::as_str));
    assert_eq!(tail(&words).await.1, None);
    task.await.unwrap();
    let got = got.lock().unwrap();
    let sizes = got[1..].iter().map(|text| {
        let request: Value = serde_json::from_str(text).unwrap();
        request["channels"].as_array().unwrap().len()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [20, 20, 1]);
}

#[tokio::test]
async fn a_refusal_gives_the_servers_words_and_what_to_do_next() {
    for (text, expected) in [
        (
            r#"{"type":"error","code":"INVALID_CHANNEL","message":"no such","channel":"a:b"}"#,
            "INVALID_CHANNEL for a:b: no such; the channels there are",
        ),
        (
            r#"{"type":"error","code":"FORBIDDEN_CHANNEL","message":"not yours","channel":"a:b"}"#,
            "FORBIDDEN_CHANNEL for a:b: not yours; use a key that may",
        ),
        (
            r#"{"type":"error","code":"NEW","message":"a\u001b[31mb"}"#,
            r"NEW: a\u{1b}[31mb",
        ),
        ("hello", "not JSON"),
    ] {
        let (url, _, _task) = server(&[text], None).await;
        let error = tail(&["--url", &url, "a:b"]).await.1.unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_close_gives_its_reason_and_never_the_key() {
    for (code, reason, expected) in [
        (
            4001,
            "Invalid API key",
            "Invalid API key (4001); give a key that is in force",
        ),
        (
            4008,
            "Connection limit exceeded",
            "Connection limit exceeded (4008); end another",
        ),
        (
            1001,
            "server shutting down",
            "server shutting down (1001); connect again",
        ),
        (1013, "slow consumer", "slow consumer (1013); what reads"),
    ] {
        let (url, _, _task) = server(&[], Some((code, reason))).await;
        let words = ["--url", &url, "--key", "tdg_secret", "a:b"];
        let error = tail(&words).await.1.unwrap();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("tdg_secret"), "{error}");
        assert!(!format!("{:?}", typed(&words)).contains("tdg_secret"));
    }
}

#[tokio::test]
async fn an_address_that_is_none_or_answers_otherwise_is_explained() {
    let error = tail(&["--url", "http://x?apiKey=k", "a:b"])
        .await
        .1
        .unwrap();
    assert!(
        error.contains("--url must be like ws://") && !error.contains("apiKey"),
        "{error}"
    );
    let error = tail(&["--url", "not an address", "a:b"]).await.1.unwrap();
    assert!(error.contains("--url must be like ws://"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = tail(&["--url", &format!("ws://{address}/"), "a:b"])
        .await
        .1
        .unwrap();
    assert!(
        error.contains(&format!("cannot reach {address}")),
        "{error}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull";
        stream.write_all(answer).await.unwrap();
    });
    let error = tail(&["--url", &format!("ws://{address}/"), "a:b"])
        .await
        .1
        .unwrap();
    assert!(
        error.contains("answered 503 Service Unavailable"),
        "{error}"
    );
}

struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_is_a_quiet_end() {
    let (url, _, _task) = server(&[DATA], None).await;
    let args = typed(&["--url", &url, "a:b"]);
    assert!(
        follow(&args, &mut ClosedPipe, &ProgressBar::hidden())
            .await
            .is_ok()
    );
}

#[test]
fn a_stream_that_is_stopped_or_has_a_hole_is_said_to_be() {
    for (text, said) in [
        (
            r#"{"type":"status","channel":"a:*","state":"paused"}"#,
            "a:* is paused",
        ),
        (
            r#"{"type":"gap","channel":"a:x","from":3,"to":5,"reason":"slow"}"#,
            "a:x: missing messages 3 to 5: slow",
        ),
        (
            r#"{"type":"gap","channel":"a:*","from":null,"to":null,"count":9,"reason":"slow"}"#,
            "a:*: missing 9 messages: slow",
        ),
        (
            r#"{"type":"gap","channel":"a:*","from":null,"to":null,"reason":"upstream"}"#,
            "a:*: missing messages: upstream",
        ),
    ] {
        assert_eq!(state_or_gap(text).as_deref(), Some(said));
    }
    for neither in [
        r#"{"type":"pong"}"#,
        r#"{"type":"status"}"#,
        r#"{"type":"status","channel":"a:*"}"#,
        r#"{"type":"gap","channel":"a:*"}"#,
        r#"{"type":"subscribed","channels":["a:*"]}"#,
        "1",
    ] {
        assert_eq!(state_or_gap(neither), None, "{neither}");
    }
}
