//! By whose address a client counts: its own, or the one that a trusted proxy gives, by a
//! header or by the PROXY protocol; and how much one address may have.

use std::net::{IpAddr, Ipv4Addr};

use tidegate_tests::admin::text;
use tidegate_tests::client::Connect;
use tidegate_tests::{Raw, Redis, Setup, Tidegate, eventually, secs, until};

const REFUSED: &str = "tidegate_connections_refused_total";

fn source(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// The addresses of the live sessions, oldest first, as soon as there are so many: a session
/// begins a moment after its upgrade.
async fn listed<const N: usize>(tidegate: &Tidegate) -> [String; N] {
    eventually("the sessions", secs(5), async || {
        let answer = tidegate.admin_api().get("/v1/sessions").await.done();
        let sessions = answer["sessions"].as_array().expect("a list");
        let remote = |session: &serde_json::Value| text(&session["remote"]).to_owned();
        let addresses: Vec<String> = sessions.iter().map(remote).collect();
        addresses.try_into().ok()
    })
    .await
}

/// The same in the order of their text, where they began at once.
async fn sorted<const N: usize>(tidegate: &Tidegate) -> [String; N] {
    let mut addresses = listed(tidegate).await;
    addresses.sort();
    addresses
}

fn behind_a_proxy(redis: &Redis) -> Setup {
    Tidegate::on(redis)
        .state_dir()
        .setting("trusted-proxies", "127.0.0.1,10.0.0.0/8")
        .setting("max-connections-per-address", "2")
}

#[tokio::test]
async fn a_client_behind_a_trusted_proxy_counts_by_its_own_address() {
    let redis = Redis::start().await;
    let tidegate = behind_a_proxy(&redis).start().await;
    let through = |hops: &str| tidegate.connect().header("X-Forwarded-For", hops);
    let _first = through("6.6.6.6, 192.0.2.7, 10.0.0.3").open().await;
    let _second = through("192.0.2.7").open().await;
    assert_eq!(through("1.1.1.1, 192.0.2.7").refused().await, 429);
    let _other = through("192.0.2.8:4711").open().await;
    assert_eq!(
        sorted(&tidegate).await,
        ["192.0.2.7", "192.0.2.7", "192.0.2.8:4711"]
    );
    let labels = [("reason", "per_address")];
    assert_eq!(tidegate.metric(REFUSED, &labels).await, 1.0);
    let mut wrong = through("192.0.2.9").key("wrong").open().await;
    wrong.expect_close(4001, "Invalid API key").await;
    until("a line of the log", secs(5), async || {
        tidegate.stderr().lines_with("192.0.2.9") == 1
    })
    .await;
}

#[tokio::test]
async fn nothing_that_a_client_sends_hides_what_the_proxy_added_to_it() {
    let redis = Redis::start().await;
    let tidegate = behind_a_proxy(&redis).start().await;
    let forwarded = behind_a_proxy(&redis).setting("forwarded-header", "forwarded");
    let forwarded = forwarded.start().await;
    let mut inside = Vec::new();
    // An open quote, and a byte that is no text; the proxy adds to the same line.
    for (number, start) in ["\"", "\u{fc}"].iter().enumerate() {
        let line = format!("{start}, 192.0.2.{number}");
        let connect = tidegate.connect().header("X-Forwarded-For", &line);
        inside.push(connect.open().await);
        let line = format!("for=6.6.6.6;x={start}, for=192.0.2.{number}");
        let connect = forwarded.connect().header("Forwarded", &line);
        inside.push(connect.open().await);
    }
    assert_eq!(sorted(&tidegate).await, ["192.0.2.0", "192.0.2.1"]);
    assert_eq!(sorted(&forwarded).await, ["192.0.2.0", "192.0.2.1"]);
}

#[tokio::test]
async fn a_trusted_network_may_be_written_as_ipv4_in_ipv6() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis)
        .state_dir()
        .setting("trusted-proxies", "::ffff:127.0.0.1,::ffff:10.0.0.0/104");
    let tidegate = setup.start().await;
    let hops = "192.0.2.7, 10.0.0.3";
    let through = tidegate.connect().header("X-Forwarded-For", hops);
    let _client = through.open().await;
    assert_eq!(listed(&tidegate).await, ["192.0.2.7"]);
}

#[tokio::test]
async fn a_trusted_proxy_that_does_not_say_for_whom_it_speaks_is_not_limited() {
    let redis = Redis::start().await;
    let tidegate = behind_a_proxy(&redis).start().await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(tidegate.client().await);
        let unreadable = tidegate.connect().header("X-Forwarded-For", "unknown");
        inside.push(unreadable.open().await);
    }
    let addresses: [_; 6] = listed(&tidegate).await;
    let own = |address: &String| address.starts_with("127.0.0.1:");
    assert!(addresses.iter().all(own), "{addresses:?}");
    let name = "tidegate_forwarded_malformed_total";
    assert_eq!(tidegate.metric(name, &[]).await, 3.0);
}

#[tokio::test]
async fn what_a_peer_says_that_is_no_proxy_counts_for_nothing() {
    let redis = Redis::start().await;
    let tidegate = behind_a_proxy(&redis).start().await;
    let lying = |hops: &str| {
        let from = tidegate.connect().from(source(2));
        from.header("X-Forwarded-For", hops)
    };
    let _first = lying("192.0.2.1").open().await;
    let _second = lying("192.0.2.2").open().await;
    assert_eq!(lying("192.0.2.3").refused().await, 429);
    let addresses: [_; 2] = listed(&tidegate).await;
    let own = |address: &String| address.starts_with("127.0.0.2:");
    assert!(addresses.iter().all(own), "{addresses:?}");
    // The header that is not the one that is set counts for nothing either.
    let forwarded = tidegate.connect().header("Forwarded", "for=192.0.2.7");
    let _third = forwarded.open().await;
    let addresses: [_; 3] = listed(&tidegate).await;
    assert!(
        !addresses.contains(&"192.0.2.7".to_owned()),
        "{addresses:?}"
    );
}

#[tokio::test]
async fn each_address_has_its_sessions_and_no_more() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).setting("max-connections-per-address", "3");
    let tidegate = setup.start().await;
    let from = |last| tidegate.connect().from(source(last));
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(from(2).open().await);
    }
    assert_eq!(from(2).refused().await, 429);
    from(3).open().await.expect_nothing_before_pong().await;
    inside.pop().expect("three").close().await;
    eventually("room for one more", secs(5), async || {
        from(2).try_open().await.ok()
    })
    .await;
}

#[tokio::test]
async fn half_sent_requests_of_one_address_leave_the_places_to_others() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-connections-per-address", "2")
        .setting("max-pending-upgrades", "6")
        .start()
        .await;
    let mut half = Vec::new();
    for _ in 0..20 {
        let mut raw = Raw::connect(&tidegate.connect().from(source(2))).await;
        let _ = raw.try_write(b"GET /").await;
        half.push(raw);
    }
    let labels = [("reason", "per_address")];
    tidegate.metric_becomes(REFUSED, &labels, 16.0).await;
    let pending = "tidegate_pending_upgrades";
    tidegate.metric_becomes(pending, &[], 4.0).await;
    let others = tidegate.connect().from(source(3));
    others.open().await.expect_nothing_before_pong().await;
    let displaced = [("reason", "displaced")];
    assert_eq!(tidegate.metric(REFUSED, &displaced).await, 0.0);
    assert!(tidegate.metric("tidegate_addresses", &[]).await >= 1.0);
}

#[tokio::test]
async fn new_connections_of_one_address_have_a_rate_and_others_notice_nothing() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("connection-rate-per-address", "1")
        .setting("connection-burst-per-address", "3")
        .start()
        .await;
    let mut flood = Vec::new();
    for _ in 0..20 {
        flood.push(Raw::connect(&tidegate.connect().from(source(2))).await);
    }
    let labels = [("reason", "address_rate")];
    eventually("most to be turned away", secs(5), async || {
        (tidegate.metric(REFUSED, &labels).await >= 15.0).then_some(())
    })
    .await;
    let others = tidegate.connect().from(source(3));
    others.open().await.expect_nothing_before_pong().await;
    eventually("a way in for one that waits", secs(8), async || {
        tidegate.connect().from(source(2)).try_open().await.ok()
    })
    .await;
}

fn by_protocol(redis: &Redis) -> Setup {
    behind_a_proxy(redis)
        .setting("proxy-protocol", "true")
        .setting("upgrade-timeout", "1s")
}

/// A session behind this header.
async fn open_behind(how: &Connect, key: &str, header: &[u8]) -> Raw {
    let mut raw = Raw::connect(how).await;
    raw.write(&[header, Raw::upgrade_text(key).as_bytes()].concat())
        .await;
    raw
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    let start = b"\r\n\r\n\0\r\nQUIT\n";
    [&start[..], &[command, family], &length, rest].concat()
}

#[tokio::test]
async fn the_proxy_protocol_gives_the_clients_address_in_both_forms() {
    let redis = Redis::start().await;
    let tidegate = by_protocol(&redis).start().await;
    let (how, key) = (tidegate.connect(), tidegate.key().to_owned());
    let four = [192, 0, 2, 9, 127, 0, 0, 1, 0x12, 0x34, 0, 80, 4, 0, 1, 7];
    let headers = [
        b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(),
        binary(0x21, 0x11, &four),
    ];
    let itself = [binary(0x20, 0, &[]), b"PROXY UNKNOWN\r\n".to_vec()];
    let mut inside = Vec::new();
    for header in headers.iter().chain(&itself) {
        let mut raw = open_behind(&how, &key, header).await;
        raw.expect_upgrade().await;
        inside.push(raw);
    }
    let addresses: [_; 5] = sorted(&tidegate).await;
    for (address, start) in addresses.iter().zip([
        "127.0.0.1:",
        "127.0.0.1:",
        "192.0.2.7:4711",
        "192.0.2.9:4660",
        "[2001:db8::7]:4711",
    ]) {
        assert!(address.starts_with(start), "{addresses:?}");
    }
    let mut second = open_behind(&how, &key, &headers[0]).await;
    second.expect_upgrade().await;
    let mut third = open_behind(&how, &key, &headers[0]).await;
    let head = third.head().await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
}

#[tokio::test]
async fn without_a_good_header_of_the_proxy_protocol_nobody_comes_in() {
    let redis = Redis::start().await;
    let tidegate = by_protocol(&redis).start().await;
    let (how, key) = (tidegate.connect(), tidegate.key().to_owned());
    let good = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n";
    let mut stranger = Raw::connect(&how.clone().from(source(2))).await;
    let _ = stranger.try_write(good).await;
    stranger.ended(secs(2)).await;
    for wrong in [&b""[..], b"PROXY TCP4 192.0.2.700 127.0.0.1 4711 80\r\n"] {
        let mut raw = open_behind(&how, &key, wrong).await;
        raw.ended(secs(2)).await;
    }
    let mut slow = Raw::connect(&how).await;
    slow.write(&good[..20]).await;
    let took = slow.ended(secs(3)).await;
    assert!(took > tidegate_tests::millis(800), "{took:?}");
    for (reason, count) in [
        ("untrusted_proxy", 1.0),
        ("proxy_header", 2.0),
        ("upgrade_timeout", 1.0),
    ] {
        tidegate
            .metric_becomes(REFUSED, &[("reason", reason)], count)
            .await;
    }
    let alone = Tidegate::on(&redis).setting("proxy-protocol", "true");
    let refused = alone.refused().await;
    assert!(refused.said.contains("trusted-proxies"), "{}", refused.said);
}
