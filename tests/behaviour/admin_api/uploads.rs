//! Components on their way in: how large, how many at once, and those who hang up.

use std::net::SocketAddr;

use tidegate_tests::http::Response;
use tidegate_tests::{secs, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TOKEN, ask, head, problem, with_token};

/// What `max-component-size` is by default.
const LIMIT: usize = 32 << 20;

/// Reads an answer to its end.
async fn answer(stream: &mut TcpStream) -> Response {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(secs(20), stream.read_to_end(&mut bytes)).await;
    // The connection may be cut once the answer is there.
    let _ = read.expect("an answer in time");
    Response::parse(&bytes).expect("an HTTP answer")
}

/// A connection with an upload that has its place, is begun and does not go on.
async fn begun(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the admin listener");
    let header = "Content-Length: 1000\r\nExpect: 100-continue";
    let request = head("POST", "/v1/check", TOKEN, header);
    stream.write_all(&request).await.expect("it is read");
    let mut said = [0; 25];
    let go_on = tokio::time::timeout(secs(10), stream.read_exact(&mut said)).await;
    go_on.expect("in time").expect("an answer");
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"\0asm").await.expect("it is read");
    stream
}

#[tokio::test]
async fn a_component_of_the_largest_size_is_read_and_one_byte_more_is_not() {
    let (_redis, tidegate) = with_token().await;
    for path in ["/v1/check", "/v1/revisions"] {
        let largest = ask(tidegate.admin(), TOKEN, "POST", path, vec![0; LIMIT]).await;
        assert!(![400, 413].contains(&largest.status), "{largest:?}");
        let over = ask(tidegate.admin(), TOKEN, "POST", path, vec![0; LIMIT + 1]).await;
        let detail = problem(&over, 413, "too-large");
        assert!(detail.contains("max-component-size"), "{detail}");
    }
}

#[tokio::test]
async fn a_size_that_is_announced_is_refused_before_a_byte_is_sent() {
    let (_redis, tidegate) = with_token().await;
    for announced in [LIMIT + 1, usize::MAX / 2] {
        let header = format!("Content-Length: {announced}\r\nExpect: 100-continue");
        let request = head("POST", "/v1/revisions", TOKEN, &header);
        let mut stream = TcpStream::connect(tidegate.admin())
            .await
            .expect("the listener");
        stream.write_all(&request).await.expect("it is read");
        problem(&answer(&mut stream).await, 413, "too-large");
    }
}

#[tokio::test]
async fn an_upload_without_a_size_ends_at_the_limit() {
    let (_redis, tidegate) = with_token().await;
    let mut stream = TcpStream::connect(tidegate.admin())
        .await
        .expect("the listener");
    let request = head("POST", "/v1/revisions", TOKEN, "Transfer-Encoding: chunked");
    stream.write_all(&request).await.expect("it is read");
    let (mut read, mut write) = stream.split();
    let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
    let sending = async {
        // Without end: it is the host that has to stop this.
        while write.write_all(&chunk).await.is_ok() {}
    };
    let reading = async {
        let mut bytes = Vec::new();
        while Response::parse(&bytes).is_none_or(|answer| !answer.body.ends_with('}')) {
            let read = read.read_buf(&mut bytes).await.expect("an answer");
            assert!(read > 0, "closed without an answer");
        }
        Response::parse(&bytes).expect("an answer")
    };
    let refused = tokio::time::timeout(secs(30), async {
        tokio::select! {
            answer = reading => answer,
            () = sending => panic!("cut without an answer"),
        }
    });
    problem(&refused.await.expect("in time"), 413, "too-large");
}

#[tokio::test]
async fn an_upload_of_nothing_is_told_what_to_send() {
    let (_redis, tidegate) = with_token().await;
    let answer = ask(tidegate.admin(), TOKEN, "POST", "/v1/revisions", "").await;
    let detail = problem(&answer, 400, "bad-request");
    assert!(detail.contains("component"), "{detail}");
}

#[tokio::test]
async fn a_third_upload_is_told_to_wait_until_one_has_ended_or_hung_up() {
    let (_redis, tidegate) = with_token().await;
    let admin = tidegate.admin();
    let third = async || ask(admin, TOKEN, "POST", "/v1/check", "nonsense").await;
    let is_busy = |answer: &Response| answer.body.contains("\"busy\"");
    let first = begun(admin).await;
    let mut second = begun(admin).await;
    let detail = problem(&third().await, 409, "busy");
    assert!(detail.contains("try again"), "{detail}");
    let looked = ask(admin, TOKEN, "GET", "/v1/sessions", "").await;
    assert_eq!(looked.status, 200, "looking needs no place");
    drop(first);
    until("the place of one that hung up", secs(10), async || {
        !is_busy(&third().await)
    })
    .await;
    second.write_all(&[0; 996]).await.expect("it is read");
    let last = answer(&mut second).await;
    assert!(last.status >= 400 && !is_busy(&last), "{last:?}");
}

#[tokio::test]
async fn one_that_may_not_upload_gets_to_read_why() {
    let (_redis, tidegate) = with_token().await;
    let body = vec![0; LIMIT / 2];
    let answer = ask(tidegate.admin(), "wrong", "POST", "/v1/revisions", body).await;
    problem(&answer, 401, "unauthorized");
}
