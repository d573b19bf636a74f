//! HTTP connections between two requests: how long they stay, and what is said before they
//! end. Never is one cut in the middle of a request that comes in its time.

use std::time::Instant;

use tidegate_tests::client::Connect;
use tidegate_tests::{Raw, Redis, Setup, Tidegate, millis, secs};

const NOTHING: &str = "GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

fn on(redis: &Redis) -> Setup {
    Tidegate::on(redis)
        .setting("upgrade-timeout", "600ms")
        .setting("keep-alive-timeout", "1s")
}

/// Sends one request, in two pieces with a pause between them, and reads its answer.
async fn ask(raw: &mut Raw, pause: std::time::Duration) -> String {
    let (first, second) = NOTHING.split_at(20);
    raw.write(first.as_bytes()).await;
    tokio::time::sleep(pause).await;
    raw.write(second.as_bytes()).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let length = head.to_lowercase();
    let length = length
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut left: usize = length.expect("a length");
    while left > 0 {
        left -= raw.body(left).await;
    }
    head.to_lowercase()
}

#[tokio::test]
async fn a_connection_stays_for_its_time_from_the_last_answer() {
    let redis = Redis::start().await;
    let tidegate = on(&redis).start().await;
    for address in [tidegate.public(), tidegate.admin()] {
        let mut raw = Raw::connect(&Connect::to(address)).await;
        for _ in 0..5 {
            let head = ask(&mut raw, millis(0)).await;
            assert!(head.contains("keep-alive: timeout=1\r\n"), "{head}");
            tokio::time::sleep(millis(500)).await;
        }
        ask(&mut raw, millis(0)).await;
        let answered = Instant::now();
        raw.ended(secs(3)).await;
        assert!(answered.elapsed() > millis(900), "{:?}", answered.elapsed());
    }
}

#[tokio::test]
async fn a_request_that_begins_at_the_last_moment_is_answered() {
    let redis = Redis::start().await;
    let tidegate = on(&redis).start().await;
    let mut raw = Raw::connect(&tidegate.connect()).await;
    for _ in 0..3 {
        tokio::time::sleep(millis(400)).await;
        ask(&mut raw, millis(150)).await;
        tokio::time::sleep(millis(400)).await;
        ask(&mut raw, millis(400)).await;
    }
}

#[tokio::test]
async fn a_second_request_that_never_ends_is_cut_in_its_own_time() {
    let redis = Redis::start().await;
    let tidegate = on(&redis).start().await;
    let mut raw = Raw::connect(&tidegate.connect()).await;
    ask(&mut raw, millis(0)).await;
    raw.write(b"GET /").await;
    let took = raw.ended(secs(3)).await;
    assert!((millis(500)..millis(950)).contains(&took), "{took:?}");
    let labels = [("reason", "upgrade_timeout")];
    let name = "tidegate_connections_refused_total";
    tidegate.metric_becomes(name, &labels, 1.0).await;
}

#[tokio::test]
async fn a_draining_host_says_that_an_answer_is_the_last() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("drain-time", "4s")
        .start()
        .await;
    let _client = tidegate.client().await.let_in().await.expect("a place");
    let mut idle = Raw::connect(&tidegate.connect()).await;
    ask(&mut idle, millis(0)).await;
    let mut asking = Raw::connect(&tidegate.connect()).await;
    asking.write(&NOTHING.as_bytes()[..20]).await;
    tokio::time::sleep(millis(100)).await;
    tidegate.terminate();
    idle.ended(secs(1)).await;
    asking.write(&NOTHING.as_bytes()[20..]).await;
    let head = asking.head().await.to_lowercase();
    assert!(head.contains("connection: close\r\n"), "{head}");
    asking.ended(secs(1)).await;
}
