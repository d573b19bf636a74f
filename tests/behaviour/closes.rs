//! Every way in which the server ends a session, with its code and its words. Those that
//! need more of a stage are in `heartbeat`, `backpressure`, `shutdown` and `rate`.

use tidegate_tests::raw::{frame, header, unmasked};
use tidegate_tests::{Connect, Door, Raw, Redis, Tidegate, keys, secs};

const REQUIRED: &str = "API key required";
const INVALID: &str = "Invalid API key";

#[tokio::test]
async fn without_a_key_the_close_is_4001_api_key_required() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let no_key = tidegate.connect().no_key();
    no_key.open().await.expect_close(4001, REQUIRED).await;
    for door in [Door::Query, Door::ApiKeyHeader, Door::Bearer] {
        let empty = tidegate.connect().key("").by(door);
        empty.open().await.expect_close(4001, REQUIRED).await;
    }
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
}

#[tokio::test]
async fn every_key_that_is_not_one_is_answered_in_the_same_words() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let key = tidegate.key();
    let wrong = [
        "wrong".to_owned(),
        key[..20].to_owned(),
        format!("{key}a"),
        key.to_uppercase(),
        format!("tdg_{}", "a".repeat(32)),
        "a".repeat(4000),
        "%00".to_owned(),
    ];
    for key in wrong {
        for door in [Door::Query, Door::ApiKeyHeader, Door::Bearer] {
            let how = tidegate.connect().key(&key).by(door);
            how.open().await.expect_close(4001, INVALID).await;
        }
    }
}

#[tokio::test]
async fn a_revoked_key_and_an_expired_one_are_invalid() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = setup.keys_file();
    let revoked = keys::create(&file, "revoked", &[]);
    let expired = keys::create(&file, "expired", &["--expires", "1s"]);
    keys::revoke(&file, "revoked");
    let started = std::time::Instant::now();
    let tidegate = setup.start().await;
    tokio::time::sleep(secs(1).saturating_sub(started.elapsed())).await;
    for key in [revoked, expired] {
        let mut client = tidegate.connect().key(&key).open().await;
        client.expect_close(4001, INVALID).await;
    }
}

async fn raw(tidegate: &Tidegate) -> Raw {
    Raw::upgrade(&tidegate.connect(), tidegate.key()).await
}

#[tokio::test]
async fn a_frame_against_the_protocol_is_closed_with_1002() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let broken = [
        unmasked(0x81, br#"{"action":"ping"}"#),
        frame(0xc1, b"{}"), // A reserved bit: nobody agreed on compression.
        frame(0xa1, b"{}"),
        frame(0x83, b""), // An opcode for the future.
        frame(0x8b, b""),
        frame(0x80, b"x"),         // The end of a message that never began.
        frame(0x09, b""),          // A ping in pieces.
        frame(0x89, &[b'x'; 126]), // A ping that is too long.
    ];
    for bytes in broken {
        let mut client = raw(&tidegate).await;
        client.write(&bytes).await;
        assert_eq!(client.closed().await.0, 1002, "{bytes:02x?}");
    }
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for text in [
        &b"\xff\xfe"[..],
        b"{\"action\":\"\xc3\x28\"}",
        b"\xed\xa0\x80",
    ] {
        let mut client = raw(&tidegate).await;
        client.write(&frame(0x81, text)).await;
        assert_eq!(client.closed().await.0, 1007, "{text:02x?}");
    }
}

#[tokio::test]
async fn a_message_above_the_limit_is_closed_with_1009_at_its_header() {
    let (_redis, tidegate) = Tidegate::plain().await;
    for length in [16 * 1024 + 1, 1 << 20, 1 << 40] {
        let mut client = raw(&tidegate).await;
        client.write(&header(0x81, length, 0x80)).await;
        client.write(&[0; 4]).await;
        assert_eq!(client.closed().await.0, 1009, "{length}");
    }
    // The same in pieces of an allowed size each.
    let mut client = raw(&tidegate).await;
    client.write(&frame(0x01, &[b' '; 10_000])).await;
    let _ = client.try_write(&frame(0x80, &[b' '; 10_000])).await;
    assert_eq!(client.closed().await.0, 1009);
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_read() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.client().await;
    let text = format!("{:<1$}", r#"{"action":"ping"}"#, 16 * 1024);
    client.send_text(&text).await;
    assert_eq!(client.next_json().await["type"], "pong");
}

#[tokio::test]
async fn a_clients_own_close_is_answered_with_its_code() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = raw(&tidegate).await;
    client.write(&frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(client.closed().await.0, 1000);
    client.ended(secs(5)).await;
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
}

#[tokio::test]
async fn a_client_that_vanishes_by_reset_is_noticed_at_once() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let client = tidegate.subscriber(["candles:*:*"]).await;
    tidegate
        .metric_becomes("tidegate_subscriptions", &[], 1.0)
        .await;
    client.reset();
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
    tidegate
        .metric_becomes("tidegate_subscriptions", &[], 0.0)
        .await;
}

#[tokio::test]
async fn messages_are_read_from_fragments() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let mut client = Raw::upgrade(&Connect::to(tidegate.public()), tidegate.key()).await;
    client.write(&frame(0x01, br#"{"action":"#)).await;
    client.write(&frame(0x89, b"between")).await;
    client.write(&frame(0x80, br#""ping"}"#)).await;
    assert_eq!(client.frame().await, Some((10, b"between".to_vec())));
    assert_eq!(
        client.frame().await,
        Some((1, br#"{"type":"pong"}"#.to_vec()))
    );
}
