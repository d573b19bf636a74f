//! The clock of the machine is set, forward and back: keys with an end are judged by what it
//! says now, and nothing else notices.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tidegate_tests::settings::OPERATOR;
use tidegate_tests::{Client, Connect, Redis, Setup, Tidegate, eventually, keys, millis, secs};

/// libfaketime, which stands between a process and its clock.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a system has libraries");
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|library| library.is_file())
        .expect("Debian's package faketime is installed")
}

/// A clock of its own for the host, which `set` moves.
pub(crate) fn with_clock(setup: Setup) -> Setup {
    let clock = setup.path("clock");
    std::fs::write(&clock, "+0").expect("a file in one's own folder");
    setup
        .env("LD_PRELOAD", &library().display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

pub(crate) fn set(tidegate: &Tidegate, offset: &str) {
    let fresh = tidegate.path("clock.fresh");
    std::fs::write(&fresh, offset).expect("a file in one's own folder");
    std::fs::rename(&fresh, tidegate.path("clock")).expect("the same folder");
}

/// A host with a clock of its own, and the way in with a key that ends in an hour.
async fn with_a_key_for_an_hour() -> (Redis, Tidegate, Connect) {
    let redis = Redis::start().await;
    let setup = with_clock(Tidegate::on(&redis));
    let key = keys::create(&setup.keys_file(), "expiring", &["--expires", "1h"]);
    let tidegate = setup.start().await;
    let connect = tidegate.connect().key(&key);
    (redis, tidegate, connect)
}

async fn enters(connect: &Connect) -> Client {
    eventually("the key to be in force", secs(5), async || {
        connect.open().await.let_in().await.ok()
    })
    .await
}

async fn is_invalid(connect: &Connect) {
    let mut client = connect.open().await;
    client.expect_close(4001, "Invalid API key").await;
}

#[tokio::test]
async fn a_key_that_a_wrong_clock_ended_works_again_when_the_clock_is_right() {
    let (_redis, tidegate, connect) = with_a_key_for_an_hour().await;
    let mut inside = enters(&connect).await;
    for offset in ["+2h", "+30d"] {
        set(&tidegate, offset);
        let close = inside.closed_within(secs(5)).await;
        assert_eq!(close, (4001, "Invalid API key".to_owned()));
        is_invalid(&connect).await;
        set(&tidegate, "+0");
        inside = enters(&connect).await;
    }
    set(&tidegate, "-2h");
    tokio::time::sleep(secs(1)).await;
    inside.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_key_whose_end_was_moved_works_again() {
    let (_redis, tidegate, connect) = with_a_key_for_an_hour().await;
    let mut inside = enters(&connect).await;
    set(&tidegate, "+2h");
    let close = inside.closed_within(secs(5)).await;
    assert_eq!(close, (4001, "Invalid API key".to_owned()));
    keys::edit(&tidegate.keys_file(), |keys| {
        keys::record(keys, "expiring")["expires"] = json!("2999-01-01T00:00:00Z");
    });
    enters(&connect).await;
}

#[tokio::test]
async fn a_clock_that_jumps_ends_no_other_session_and_no_token() {
    let redis = Redis::start().await;
    let heartbeat = millis(300);
    let tidegate = with_clock(Tidegate::on(&redis))
        .setting("heartbeat-interval", "300ms")
        .admin_token(OPERATOR)
        .start()
        .await;
    let record = tidegate.subscriber(["candles:*:*"]).await.record();
    for offset in ["+2h", "-2h", "+400d", "+0"] {
        set(&tidegate, offset);
        tokio::time::sleep(heartbeat * 2 + Duration::from_millis(100)).await;
        tidegate.client().await.expect_nothing_before_pong().await;
        tidegate.admin_api().get("/v1/sessions").await.done();
    }
    assert_eq!(record.close(), None);
    let closed = tidegate.metrics().await;
    for reason in ["dead_peer", "invalid_key", "slow_consumer", "rate_limited"] {
        let counted = closed.sum("tidegate_sessions_closed_total", &[("reason", reason)]);
        assert_eq!(counted, 0.0, "{reason}");
    }
}
