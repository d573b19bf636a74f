//! Whoever has not shown a good key takes nothing from those who have: no file, no place,
//! no time. Half-sent requests on either listener, and keys that are not good.

use std::net::SocketAddr;
use std::time::Instant;

use tidegate_tests::arrivals::next_event;
use tidegate_tests::client::Connect;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Raw, Redis, Tidegate, eventually, keys, millis, secs, until};

const HALF: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Unfinished: ";

/// So many connections that never finish their request; those that are cut come again.
async fn flood(address: SocketAddr, count: usize) -> Vec<Raw> {
    let mut unfinished = Vec::new();
    for _ in 0..count {
        let mut raw = Raw::connect(&Connect::to(address)).await;
        let _ = raw.try_write(HALF).await;
        unfinished.push(raw);
    }
    unfinished
}

/// Everything that needs a file: a client, the upstream after a kill, the key file, health.
async fn everything_works(redis: &mut Redis, tidegate: &Tidegate) {
    let started = Instant::now();
    let health = tidegate.admin_get("/healthz").await;
    assert_eq!(health.status, 200);
    assert!(started.elapsed() < secs(2), "{:?}", started.elapsed());
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    redis.kill().await;
    tidegate.becomes_unready(secs(5)).await;
    redis.restart(&[]).await;
    tidegate.becomes_ready(secs(10)).await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(7))
        .await;
    assert_eq!(number_of(&next_event(&mut client).await), 7);
    let fresh = keys::create(&tidegate.keys_file(), "fresh", &[]);
    eventually("the new key to count", secs(5), async || {
        let (client, _) = tidegate.connect().key(&fresh).try_open().await.ok()?;
        client.let_in().await.ok()
    })
    .await;
}

#[tokio::test]
async fn half_sent_requests_on_the_admin_listener_leave_files_to_everybody_else() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).open_files(160).start().await;
    let flood = flood(tidegate.admin(), 300).await;
    everything_works(&mut redis, &tidegate).await;
    let displaced = [("reason", "displaced")];
    let name = "tidegate_admin_connections_refused_total";
    assert!(tidegate.metric(name, &displaced).await > 200.0);
    drop(flood);
}

#[tokio::test]
async fn half_sent_requests_on_the_public_listener_leave_files_to_everybody_else() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).open_files(160).start().await;
    let flood = flood(tidegate.public(), 300).await;
    everything_works(&mut redis, &tidegate).await;
    drop(flood);
}

#[tokio::test]
async fn with_both_listeners_flooded_everybody_with_a_key_comes_in() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).open_files(200).start().await;
    let floods = (
        flood(tidegate.public(), 300).await,
        flood(tidegate.admin(), 300).await,
    );
    everything_works(&mut redis, &tidegate).await;
    drop(floods);
}

#[tokio::test]
async fn when_files_run_out_before_the_places_do_the_oldest_make_room() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("upgrade-timeout", "60s")
        .start()
        .await;
    let open = tidegate.process.open_files() as u64;
    tidegate.process.limit_open_files(open + 20);
    for address in [tidegate.public(), tidegate.admin()] {
        let flood = flood(address, 60).await;
        for _ in 0..5 {
            tidegate.client().await.close().await;
        }
        everything_works(&mut redis, &tidegate).await;
        drop(flood);
        keys::revoke(&tidegate.keys_file(), "fresh");
    }
}

#[tokio::test]
async fn the_admin_listener_has_its_bound_and_the_oldest_goes() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("admin-max-connections", "4")
        .setting("upgrade-timeout", "60s")
        .start()
        .await;
    let mut kept = flood(tidegate.admin(), 3).await;
    // And the one that asks.
    tidegate
        .metric_becomes("tidegate_admin_connections", &[], 4.0)
        .await;
    kept.extend(flood(tidegate.admin(), 2).await);
    kept[0].ended(secs(2)).await;
    // The place of the one that asked may come back late, so that a second goes; never this.
    let newest = kept.last_mut().expect("five came");
    newest.write(b"x\r\nConnection: close\r\n\r\n").await;
    assert!(newest.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_half_sent_request_on_the_admin_listener_ends_in_time() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("upgrade-timeout", "500ms")
        .start()
        .await;
    let mut flood = flood(tidegate.admin(), 3).await;
    for raw in &mut flood {
        raw.ended(secs(3)).await;
    }
    let labels = [("reason", "upgrade_timeout")];
    let name = "tidegate_admin_connections_refused_total";
    tidegate.metric_becomes(name, &labels, 3.0).await;
}

/// Sockets that showed a wrong key, were let through the upgrade, and say nothing more.
async fn lingering(tidegate: &Tidegate, count: usize) -> Vec<Raw> {
    let mut lingering = Vec::new();
    for _ in 0..count {
        lingering.push(Raw::upgrade(&tidegate.connect(), "wrong").await);
    }
    lingering
}

#[tokio::test]
async fn refused_sockets_that_linger_keep_nobody_with_a_good_key_out() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-connections", "20")
        .start()
        .await;
    let mut inside = Vec::new();
    for _ in 0..20 {
        let _refused = lingering(&tidegate, 20).await;
        let client = tidegate.client().await.let_in().await;
        inside.push(client.expect("a place"));
    }
    assert_eq!(tidegate.metric("tidegate_connections", &[]).await, 20.0);
    let full = tidegate.connect().refused().await;
    assert_eq!(full, 503, "the house is full of those who may be here");
    let mut stranger = Raw::upgrade(&tidegate.connect(), "wrong").await;
    assert_eq!(
        stranger.closed().await,
        (4001, "Invalid API key".to_owned())
    );
}

#[tokio::test]
async fn refusals_have_places_of_their_own_and_the_oldest_goes() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-refusals", "3")
        .start()
        .await;
    let started = Instant::now();
    let mut kept = lingering(&tidegate, 3).await;
    assert_eq!(tidegate.metric("tidegate_refusals", &[]).await, 3.0);
    kept.extend(lingering(&tidegate, 1).await);
    kept[0].ended(millis(500)).await;
    assert!(started.elapsed() < millis(900), "the machine is too slow");
    assert!(tidegate.metric("tidegate_refusals", &[]).await <= 3.0);
    for raw in &mut kept[1..] {
        let (code, _) = raw.closed().await;
        assert_eq!(code, 4001);
    }
    tidegate.metric_becomes("tidegate_refusals", &[], 0.0).await;
}

#[tokio::test]
async fn what_is_no_http_is_counted_by_what_it_is() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let large = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "x".repeat(20 << 10)
    );
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: x\r\n".repeat(70));
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03rest";
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x50\0\x50";
    let cases: [(&str, &[u8]); 6] = [
        ("tls_on_plain_port", hello),
        (
            "proxy_header",
            b"PROXY TCP4 127.0.0.1 127.0.0.1 80 80\r\n\r\n",
        ),
        ("proxy_header", binary),
        ("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("head_too_large", many.as_bytes()),
        ("bad_request", b"hello\r\n\r\n"),
    ];
    let name = "tidegate_connections_refused_total";
    for (reason, bytes) in cases {
        let labels = [("reason", reason)];
        let before = tidegate.metric(name, &labels).await;
        let mut raw = Raw::connect(&tidegate.connect()).await;
        raw.write(bytes).await;
        raw.ended(secs(2)).await;
        tidegate.metric_becomes(name, &labels, before + 1.0).await;
    }
    let mut raw = Raw::connect(&tidegate.connect()).await;
    let _ = raw.try_write(large.as_bytes()).await;
    raw.ended(secs(2)).await;
    let labels = [("reason", "head_too_large")];
    tidegate.metric_becomes(name, &labels, 2.0).await;
    until("no connection left", secs(2), async || {
        tidegate.metric("tidegate_pending_upgrades", &[]).await == 0.0
    })
    .await;
}
